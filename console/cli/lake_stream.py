"""`lakeloop lake stream`: the request log into the lake."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer

from console.cli.options import open_use_case
from console.cli.render import BAD, console
from console.cli.spark import lake_of
from console.cli.use_case_option import UseCaseOption
from console.words import counted
from lakehouse.requests.arrivals import arrivals
from lakehouse.requests.stream import StreamReport, open_stream
from lakehouse.storage.lock import STREAM_LOCK, check_free


def stream_command(
    continuous: Annotated[
        bool, typer.Option("--continuous", help="Go on until Ctrl-C; default: what is there, then stop.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between looks, with --continuous.")] = 5.0,
    if_new: Annotated[
        bool, typer.Option("--if-new", help="Start Spark only if a finished file of the log is not in the lake yet.")
    ] = False,
    use_case: UseCaseOption = "",
) -> None:
    """Take the request log into bronze/requests and silver/predictions, each request exactly once.

    Lines that are no request record, and rows that break the contract, go to silver/rejects with file, line and
    reason. `lakeloop lake ingest` joins the ground truth and brings gold up to date.
    """
    case = open_use_case(use_case)
    if if_new and not arrivals(case):
        console.print("nothing new in the request log")
        return
    check_free(case.work_folder / STREAM_LOCK, "stream")
    if continuous:  # Spark of its own: the shared one could never be renewed
        case = replace(case, settings=case.settings.model_copy(update={"spark_keep_seconds": 0.0}))
    with (
        lake_of(case) as lake,
        stop_requested() as stop,
        open_stream(lake, _print_line) as take,
    ):
        while True:
            report = take()
            if report.changed or not continuous:
                _print_report(report)
            if not continuous or stop.wait(every):
                return


@contextmanager
def stop_requested() -> Iterator[threading.Event]:
    """An event that is set by the first Ctrl-C, so that a batch ends in peace; the second one interrupts."""
    event = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def interrupted(*_: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def _print_line(line: str) -> None:
    console.print(line, soft_wrap=True)


def _print_report(report: StreamReport) -> None:
    if not report.changed:
        console.print("nothing new in the request log")
        return
    parts = [f"{report.inserted:,} new requests", f"{report.repeated:,} repeated", f"{report.rejected:,} rejected"]
    taken = [f"{report.records:,} records of the topic"] if report.records else []
    if report.files or not taken:
        taken.insert(0, counted(report.files, "file"))
    console.print(f"{datetime.now():%H:%M:%S} {', '.join([*taken, *parts])}, {report.seconds:.1f} s")
    for reason, count in report.reasons:
        console.print(f"  {count:,} rejected: {reason}", style=BAD, soft_wrap=True)
