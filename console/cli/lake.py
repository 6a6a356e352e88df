"""`lakeloop lake`: take deliveries in, look at tables, export, keep house."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.options import UseCase, open_use_case, parse_months
from console.cli.render import BAD, DIM, console, counted_files, rows_of, table
from console.cli.result import write_result
from console.cli.spark import keep_spark, spark_of
from console.cli.warm_server import start_warm_server
from lakeloop.contract import Contract
from lakeloop.exceptions import DeliveryError
from lakeloop.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lakehouse.ingest import IngestReport
    from lakehouse.requests.stream import StreamReport

app = typer.Typer(no_args_is_help=True, help="The lakehouse: bronze, silver, gold in Delta Lake on Spark.")
Table = Annotated[str, typer.Argument(metavar="TABLE", help="e.g. gold/training, or training where that is clear.")]
Verify = Annotated[
    bool,
    typer.Option("--verify", help="Hash files that seem known: finds other content of the same size and time."),
]
Version = Annotated[int | None, typer.Option("--version", min=0, help="A Delta version; default: the newest.")]


app.command("keep-spark", hidden=True)(keep_spark)


@app.command()
def ingest(verify: Verify = False, use_case: UseCase = "") -> None:
    """Take everything new in the landing folder through bronze and silver to gold.

    Rows that break the contract go to silver/rejects with file, line and reason; a file that cannot be taken is
    refused with a sentence (exit 1), everything else is taken. Repeating it changes nothing.
    """
    settings, contract = open_use_case(use_case)
    with _spark_to_ingest(settings) as spark:
        report = ingest_with(spark, settings, contract, verify)
    _fail_if_refused(report)


@contextmanager
def _spark_to_ingest(settings: Settings) -> Iterator["SparkSession"]:
    """Spark, unless another ingest is at work: that is told at once."""
    from lakehouse.storage.layout import work_folder
    from lakehouse.storage.lock import INGEST_LOCK, check_free

    check_free(work_folder(settings) / INGEST_LOCK)
    with spark_of(settings) as spark:
        yield spark


def ingest_with(spark: "SparkSession", settings: Settings, contract: Contract, verify: bool = False) -> "IngestReport":
    """Ingest, saying what was taken, what was rejected and why."""
    from lakehouse.ingest import ingest as take_in

    with console.status("ingesting …"):
        report = take_in(spark, contract, settings, _say, verify)
    _tell_sources(report)
    _tell_truth(report)
    if not report.changed:
        console.print("nothing new: no table changed")
    return report


@app.command()
def bronze(
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Refused files are told, and do not fail the command.")
    ] = False,
    verify: Verify = False,
    use_case: UseCase = "",
) -> None:
    """Step 1 of an ingest alone: new landing files into bronze, as delivered, each once."""
    from lakehouse.ingest import bronze_step

    settings, contract = open_use_case(use_case)
    with _spark_to_ingest(settings) as spark:
        report = bronze_step(spark, contract, settings, _say, verify)
    _tell_sources(report)
    _give(report)
    if go_on:
        for sentence in report.refused:
            console.print(f"refused: {sentence}", style=BAD, soft_wrap=True)
    else:
        _fail_if_refused(report)


@app.command()
def silver(use_case: UseCase = "") -> None:
    """Step 2 of an ingest alone: bronze into silver, typed and judged by the contract, one row a key."""
    from lakehouse.ingest import silver_step

    settings, contract = open_use_case(use_case)
    with _spark_to_ingest(settings) as spark:
        report = silver_step(spark, contract, settings, _say)
    _tell_sources(report)
    _give(report)


@app.command()
def gold(use_case: UseCase = "") -> None:
    """Step 3 of an ingest alone: gold as silver is now; new ground truth becomes an event in the ledger."""
    from lakehouse.ingest import gold_step
    from lakehouse.read.tables import count_rows, open_table

    settings, contract = open_use_case(use_case)
    with _spark_to_ingest(settings) as spark:
        report = gold_step(spark, contract, settings, _say)
    rows = 0 if report.gold.version is None else count_rows(open_table(settings, "gold/training"))
    if report.gold.version is None:
        console.print("there is no gold/training yet: it needs features and their ground truth")
    _tell_truth(report)
    if report.new_truth is not None and settings.airflow_run_id:
        start_warm_server(settings, wait=False)  # a retrain begins: it imports while Airflow gets there
    gold = report.gold
    write_result(
        {
            "version": gold.version,
            "rows": rows,
            "rows_added": gold.added,
            "rows_updated": gold.updated,
            "rows_removed": gold.removed,
            "new_truth": None if report.new_truth is None else report.new_truth.extra,
        }
    )


def _say(line: str) -> None:
    console.print(line, soft_wrap=True)


def _tell_sources(report: "IngestReport") -> None:
    for source in report.sources:
        for notice in source.notices:
            console.print(f"  {source.source}: {notice}", style=DIM, soft_wrap=True)
        for reason, count in source.reasons:
            console.print(f"  {source.source}: {count:,} rejected: {reason}", style=BAD, soft_wrap=True)
    if any(source.rejected for source in report.sources):
        console.print("  every rejected row, with file and line: `lakeloop lake show silver/rejects`")


def _tell_truth(report: "IngestReport") -> None:
    if report.new_truth is not None:
        console.print(f"new ground truth: event {report.new_truth.id} of the ledger", style=DIM)


def _fail_if_refused(report: "IngestReport") -> None:
    if report.refused:
        count = "1 file was" if len(report.refused) == 1 else f"{len(report.refused)} files were"
        raise DeliveryError("\n  ".join([f"{count} refused, everything else was taken:", *report.refused]))


def _give(report: "IngestReport") -> None:
    """The result of a step for whoever runs it."""
    write_result(
        {
            "taken": [f"{source.source}/{file}" for source in report.sources for file in source.taken],
            "refused": list(report.refused),
            "rejected_rows": sum(source.rejected for source in report.sources),
            "changed": report.changed,
        }
    )


@app.command()
def stream(
    continuous: Annotated[
        bool, typer.Option("--continuous", help="Go on until Ctrl-C; default: what is there, then stop.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between looks, with --continuous.")] = 5.0,
    if_new: Annotated[
        bool, typer.Option("--if-new", help="Start Spark only if a finished file of the log is not in the lake yet.")
    ] = False,
    use_case: UseCase = "",
) -> None:
    """Take the request log into bronze/requests and silver/predictions, each request exactly once.

    Lines that are no request record, and rows that break the contract, go to silver/rejects with file, line and
    reason. `lakeloop lake ingest` joins the ground truth and brings gold up to date.
    """
    from lakehouse.requests.log_files import new_files
    from lakehouse.requests.stream import open_stream
    from lakehouse.storage.layout import work_folder
    from lakehouse.storage.lock import STREAM_LOCK, check_free

    settings, contract = open_use_case(use_case)
    if if_new and not new_files(settings):
        console.print("nothing new in the request log")
        return
    check_free(work_folder(settings) / STREAM_LOCK, "stream")
    if continuous:  # Spark of its own: the shared one could never be renewed
        settings = settings.model_copy(update={"spark_keep_seconds": 0.0})
    with spark_of(settings) as spark, stop_asked() as stop, open_stream(spark, contract, settings, _say) as take:
        while True:
            report = take()
            if report.changed or not continuous:
                _tell_stream(report)
            if not continuous or stop.wait(every):
                return


@contextmanager
def stop_asked() -> Iterator[threading.Event]:
    """An event that is set by the first Ctrl-C, so that a batch ends in peace; the second one interrupts."""
    event = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def asked(*_: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, asked)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def _tell_stream(report: "StreamReport") -> None:
    if not report.changed:
        console.print("nothing new in the request log")
        return
    parts = [f"{report.inserted:,} new requests", f"{report.repeated:,} repeated", f"{report.rejected:,} rejected"]
    console.print(
        f"{datetime.now():%H:%M:%S} {counted_files(report.files)}, {', '.join(parts)}, {report.seconds:.1f} s"
    )
    for reason, count in report.reasons:
        console.print(f"  {count:,} rejected: {reason}", style=BAD, soft_wrap=True)


@app.command()
def tables(use_case: UseCase = "") -> None:
    """List the tables with their rows, version and size."""
    from lakehouse.read.tables import list_tables

    settings, _ = open_use_case(use_case)
    found = list_tables(settings)
    if not found:
        console.print("there are no tables yet; `lakeloop lake ingest` makes them")
        return
    rows = [
        (t.full_name, f"{t.rows:,}", t.version, f"{t.bytes / 1024:,.0f}", f"{t.changed:%Y-%m-%d %H:%M:%S}")
        for t in found
    ]
    console.print(table(("table", "rows", "version", "KiB", "changed (UTC)"), rows, ("rows", "version", "KiB")))


@app.command()
def show(
    name: Table,
    version: Version = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Rows to print.")] = 20,
    csv: Annotated[bool, typer.Option("--csv", help="Print as CSV, for other programs.")] = False,
    use_case: UseCase = "",
) -> None:
    """Print a table's first rows, as it is or as it was at a version."""
    from console.cli.table_cells import number_columns, rows_as_csv, shown_rows
    from lakehouse.read.tables import count_rows, first_rows, open_table

    settings, _ = open_use_case(use_case)
    opened = open_table(settings, name, version)
    rows = first_rows(opened, limit)
    if csv:
        typer.echo(rows_as_csv(rows), nl=False)
        return
    for part in rows_of(rows.column_names, shown_rows(rows), number_columns(rows)):
        console.print(part)
    console.print(f"{rows.num_rows:,} of {count_rows(opened):,} rows", style=DIM)


@app.command()
def history(name: Table, use_case: UseCase = "") -> None:
    """List a table's versions: when, by which operation, how many rows."""
    from lakehouse.read.tables import history as commits_of

    settings, _ = open_use_case(use_case)
    rows = [
        (
            c.version,
            f"{c.at:%Y-%m-%d %H:%M:%S}",
            c.operation,
            ", ".join(f"{k} {v:,}" for k, v in c.rows.items()),
        )
        for c in commits_of(settings, name)
    ]
    console.print(table(("version", "at (UTC)", "operation", "rows"), rows, ("version",)))


@app.command()
def export(
    version: Version = None,
    months: Annotated[str, typer.Option("--months", "-m", help="Months to take: 0, 0-12; default: all.")] = "",
    use_case: UseCase = "",
) -> None:
    """Write one version of gold/training as CSV shards (train, eval) with a manifest."""
    from console.cli.pipeline import export_months

    settings, contract = open_use_case(use_case)
    export_months(settings, contract, parse_months(months) if months else None, version)


@app.command()
def optimize(use_case: UseCase = "") -> None:
    """Compact small files into larger ones; readers notice nothing. It waits for whoever writes tables."""
    from lakehouse.storage.maintenance import optimize as compact

    settings, _ = open_use_case(use_case)
    with spark_of(settings) as spark, console.status("optimizing, as soon as nobody writes …"):
        done = compact(spark, settings)
    rows = [(name, removed, added) for name, (removed, added) in done.items()]
    console.print(table(("table", "files merged", "into files"), rows, ("files merged", "into files")))


@app.command()
def vacuum(
    hours: Annotated[int, typer.Option(min=0, help="Keep what was current this many hours ago.")] = 168,
    use_case: UseCase = "",
) -> None:
    """Remove files that no kept version needs.

    Versions that an export or a model was made from, or that a decision was judged on, are never removed. What is
    removed stays named in `lakeloop lineage`. It waits for whoever writes tables.
    """
    from lakehouse.storage.maintenance import vacuum as remove_old
    from operations.retention import versions_in_use

    settings, _ = open_use_case(use_case)
    with console.status("vacuuming, as soon as nobody writes …"):
        done = remove_old(settings, hours, versions_in_use(settings))
    rows = [(name, t.removed, ", ".join(map(str, t.kept_versions))) for name, t in done.items()]
    header = ("table", "files removed", "versions kept for an export, a model or a decision")
    console.print(table(header, rows, ("files removed",)))
