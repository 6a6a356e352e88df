"""Fetches what is due of a source and not there yet: a period at a time, the oldest first."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from lakeloop.clock import moment_of_now, read_clock
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase
from operations.exceptions import FetchError
from operations.fetching.call import Call, call
from operations.fetching.landed import FetchedFiles

log = logging.getLogger(__name__)
OnPeriod = Callable[[str, int, int], None]
"""Is told a period before it is fetched, how many were before it, and how many there are."""


@dataclass(frozen=True)
class FetchReport:
    """What was fetched of a source: the files, by period; periods of which nothing is there yet; what went wrong.

    `next_try` (UTC): from when the first of those periods is asked again. A failure ends the fetch of its source: later
    periods are asked again when it is mended.
    """

    source: str
    landed: dict[str, tuple[Path, ...]]
    waiting: tuple[str, ...] = ()
    next_try: datetime | None = None
    problem: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that are new in the landing folder."""
        return tuple(path for paths in self.landed.values() for path in paths)


def due_periods(use_case: UseCase, source: str) -> list[str]:
    """The names of the periods of which a source's files should be there by the clock, the oldest first."""
    newest = read_clock(use_case).newest_due(source)
    return [] if newest is None else [use_case.contract.period_name(number) for number in range(newest + 1)]


def fetch(
    use_case: UseCase,
    source: str,
    periods: Iterable[int] | None = None,
    *,
    again: bool = False,
    on_period: OnPeriod = lambda period, done, all_of_them: None,
    on_line: Callable[[str], None] = lambda line: None,
) -> FetchReport:
    """Fetch the periods of a source that are due and were not fetched; of `periods` only these.

    A period that had nothing is asked again ever more rarely (`empty_periods`), one of `periods` at once. `again`:
    those that were fetched, too; what comes with another content lands as a correction. `on_line` gets what the use
    case's function prints.

    Raises:
        WrongUseError: the source is not fetched, or a period is not due by the clock.
        BusyError: another process fetches this source.
    """
    spec = use_case.contract.sources[source].fetch
    if spec is None:
        raise WrongUseError(f"source {source} is delivered, not fetched; `sources.{source}.fetch` would say how")
    due = due_periods(use_case, source)
    if periods is not None:
        due = _chosen(use_case, source, due, list(periods))
    files = FetchedFiles(use_case, source)
    problem, now = "", moment_of_now(use_case)
    with files.alone():
        landed = files.complete()
        fetched, empty, at_once = files.periods, files.empty, again or periods is not None
        wanted = [name for name in due if (again or name not in fetched) and (at_once or empty.may_be_asked(name, now))]
        for done, name in enumerate(wanted):
            on_period(name, done, len(wanted))
            try:
                found = files.take(name, partial(write_period, use_case, source, name, on_line))
            except FetchError as error:
                problem = str(error)
                break
            if name in files.periods:
                landed[name] = tuple(found)
            else:
                empty.add(name, now)
        waiting = tuple(name for name in due if name in empty)
    log.info("event=fetched use_case=%s source=%s periods=%d empty=%d", use_case.name, source, len(landed),
             len(waiting))  # fmt: skip
    return FetchReport(source, landed, waiting, empty.next_try(waiting), problem)


def write_period(use_case: UseCase, source: str, period: str, on_line: Callable[[str], None], folder: Path) -> None:
    """Have the use case's function write a period's files into the folder; raises FetchError."""
    contract = use_case.contract
    spec, number = contract.sources[source].fetch, contract.period_number(period)
    assert spec is not None
    details = Path(use_case.settings.area("logs")) / "fetch" / use_case.name / f"{source}.log"
    script = use_case.own_folder / spec.command
    begins, ends = contract.period_start(number), contract.period_start(number + 1)
    call(Call(script, source, period, begins, ends, folder, details), spec.timeout, on_line)


def _chosen(use_case: UseCase, source: str, due: list[str], numbers: list[int]) -> list[str]:
    wanted = [use_case.contract.period_name(number) for number in numbers]
    if early := [name for name in wanted if name not in due]:
        period, clock = use_case.contract.period, read_clock(use_case)
        if clock.is_wall:
            number = use_case.contract.period_number(early[0])
            raise WrongUseError(f"{source}: {period} {early[0]} {clock.due_in_words(source, number)}")
        raise WrongUseError(
            f"{source}: {period} {early[0]} is not due yet: the clock stands at {period} {clock.period}"
            + (f", and this source's files come {delay} {period}s later" if (delay := _delay(use_case, source)) else "")
        )
    return wanted


def _delay(use_case: UseCase, source: str) -> int:
    return use_case.contract.sources[source].delay
