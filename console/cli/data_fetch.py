"""`lakeloop data fetch`: sources that come from elsewhere, by a function of the use case, a table or a topic."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from console.cli.fetched_history import print_fetched_history
from console.cli.options import open_use_case, parse_periods
from console.cli.render import DIM, console, progress
from console.cli.result import write_result
from console.cli.use_case_option import UseCaseOption
from console.words import counted
from lakehouse.exceptions import ForeignSourceError
from lakeloop.clock import moment_of_now
from lakeloop.contract.section import some
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase
from operations.exceptions import FetchError
from operations.fetching.fetch import FetchReport, fetch

PERIODS_SHOWN = 3


def fetch_command(
    source: Annotated[
        list[str] | None, typer.Option("--source", "-s", help="Only this source; may be repeated. Default: every one.")
    ] = None,
    periods: Annotated[
        str, typer.Option("--periods", "-p", help="Only these, by number: 7 or 0-12. Default: all that are due.")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Fetched ones, too: what comes with other content lands as a correction.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="All that is over, into the history that demo, simulate, --oracle replay.")
    ] = False,
    use_case: UseCaseOption = "",
) -> None:
    """Fetch what is new of sources that come from elsewhere into the landing folder.

    With `fetch` in the contract: the periods that are due by the clock and not there yet, each by the function in a
    process of its own, landed whole or not at all. One that had nothing is asked again, more rarely each time, and at
    once with --periods. With `delta`: the rows of the table's new versions; `--again` takes it whole. With
    `topic`: its new records, each once. What fails ends
    the fetch of its own source alone (exit 1) and is asked again the next time. With --history nothing lands: every
    period that is over and not there yet comes into the history of a use case whose sources are all fetched.
    """
    case = open_use_case(use_case)
    if history:
        if source or periods or again:
            raise WrongUseError("--history takes what is not there yet of all sources; leave the other options out")
        print_fetched_history(case)
        return
    sources = _sources(case, source or [])
    numbers = None
    if periods:
        first, last = parse_periods(periods, case.contract.event_time)
        numbers = range(first, last + 1)
    landed, problems = list[Path](), list[str]()
    for name in sources:
        if case.contract.sources[name].fetch is None:
            files, problem = _fetch_new(case, name, again)
        else:
            files, problem = _fetch_periods(case, name, numbers, again)
        landed += files
        problems += [problem] if problem else []
    write_result({"landed": [str(path) for path in landed]})
    if problems:
        raise FetchError("\n".join(problems))


def _sources(use_case: UseCase, named: list[str]) -> list[str]:
    known = use_case.contract.sources
    if unknown := [name for name in named if name not in known]:
        raise WrongUseError(f"there is no source {unknown[0]!r}; sources: {', '.join(known)}")
    found = named or [name for name, source in known.items() if source.fetch or source.delta or source.topic]
    if not found:
        raise WrongUseError(
            f"no source of {use_case.name} is fetched; `sources.….fetch`, `delta` or `topic` in its contract says how "
            "one would be"
        )
    return found


def _fetch_new(use_case: UseCase, source: str, whole: bool) -> tuple[list[Path], str]:
    """The files with what is new in a table or topic, and what went wrong."""
    from lakehouse.bronze.elsewhere import deliver_new  # noqa: PLC0415 - only for these
    from lakehouse.bronze.ledger import deliveries  # noqa: PLC0415 - as above

    try:
        with console.status(f"reading {source} …"):
            found = deliver_new(use_case, source, deliveries(use_case), whole=whole)
    except ForeignSourceError as error:
        return [], str(error)
    for notice in found.notices:
        console.print(f"  {source}: {notice}", style=DIM, soft_wrap=True)
    if not found.files:
        console.print(f"{source}: nothing new up to {found.reached}")
        return [], ""
    names = some((path.name for path in found.files), 1)
    console.print(f"{source}: {found.rows:,} rows up to {found.reached} landed as {names}", soft_wrap=True)
    return list(found.files), ""


def _fetch_periods(use_case: UseCase, source: str, numbers: range | None, again: bool) -> tuple[list[Path], str]:
    """The files of the periods that were fetched, and what went wrong."""
    with progress() as bar:
        task = bar.add_task(source, total=None)

        def on_period(period: str, done: int, of_all: int) -> None:
            bar.update(task, completed=done, total=of_all, description=f"{source} {period}")

        def on_line(line: str) -> None:
            bar.console.print(f"  {source}: {line}", style=DIM, markup=False, soft_wrap=True)

        report = fetch(use_case, source, numbers, again=again, on_period=on_period, on_line=on_line)
    _tell(use_case, report)
    return list(report.files), report.problem


def _tell(use_case: UseCase, report: FetchReport) -> None:
    kind, fetched = use_case.contract.period, list(report.landed)
    if fetched:
        console.print(
            f"{report.source}: {counted(len(report.files), 'file')} of {_counted(fetched, kind)} landed", soft_wrap=True
        )
    if report.waiting:
        again = _next_try(use_case, report)
        console.print(
            f"{report.source}: nothing there yet of {_counted(report.waiting, kind)}; asked again {again}",
            soft_wrap=True,
        )
    if not fetched and not report.waiting and not report.problem:
        console.print(f"{report.source}: every {kind} that is due was fetched before", soft_wrap=True)


def _next_try(use_case: UseCase, report: FetchReport) -> str:
    if report.next_try is None or report.next_try <= moment_of_now(use_case):
        return "the next time, then ever more rarely"
    return f"from {report.next_try:%Y-%m-%d %H:%M} UTC on, then ever more rarely; at once with --periods"


def _counted(periods: Sequence[str], kind: str) -> str:
    named = some(periods, PERIODS_SHOWN)
    return f"1 {kind} ({named})" if len(periods) == 1 else f"{len(periods):,} {kind}s ({named})"
