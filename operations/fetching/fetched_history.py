"""A history that is fetched: what the sources' functions have of each period that is over, in a folder of the home.

It is replayed as a folder of old files is, and fetched once. It lies hidden beside the landing folder's sources, each
source's files as its function wrote them, and counts up to the period to which it was fetched whole; an interrupted
fetch goes on.
"""

import json
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lakeloop.atomic_file import write_text
from lakeloop.clock import moment_of_now
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase
from operations.fetching.fetch import write_period
from operations.fetching.landed import FetchedFiles

log = logging.getLogger(__name__)
HISTORY, WHOLE = ".history", "whole.json"
LONGEST_GAP = 60
"""After so many periods in a row of which the base has nothing, later ones are not asked for."""
OnPeriod = Callable[[str, str], None]
"""Is told a source and a period before it is fetched."""


@dataclass(frozen=True)
class FetchedHistory:
    """A history as it is now: its folder, the name of its last period, and how many of its files are new."""

    folder: Path
    last: str
    new_files: int


def fetched_folder(use_case: UseCase) -> Path:
    """Where a fetched history lies, a folder a source in it."""
    return use_case.folder("landing") / HISTORY


def whole_until(use_case: UseCase) -> int | None:
    """The number of the period up to which the history was fetched whole; None before it was."""
    try:
        noted = json.loads((fetched_folder(use_case) / WHOLE).read_text(encoding="utf-8"))
        return use_case.contract.period_number(noted["until"])
    except (FileNotFoundError, ValueError, KeyError):  # or it is of another kind of period, before the contract changed
        return None


def is_to_be_fetched(use_case: UseCase) -> bool:
    """Whether the use case has a history that is fetched, and was not yet in this home."""
    return use_case.contract.history_is_fetched and whole_until(use_case) is None


def fetch_history(
    use_case: UseCase,
    *,
    on_period: OnPeriod = lambda source, period: None,
    on_line: Callable[[str], None] = lambda line: None,
) -> FetchedHistory:
    """Fetch what the history lacks: of the base each period that is over by the real time, from the first one on until
    nothing comes, and of the other sources as far. `on_line` gets what the functions print, of the same line in a row
    the first.

    Raises:
        WrongUseError: the use case has another history or a generator, or no period of the base has a file; the text
            says what the function printed.
        FetchError: a function failed. What was fetched stays, and the next call goes on there.
        BusyError: another process fetches it.
    """
    contract = use_case.contract
    if not contract.history_is_fetched:
        raise WrongUseError(
            f"use case {use_case.name} has no history to fetch: it names a `generator` or a `history`, or has a source "
            "without `fetch`"
        )
    said: deque[str] = deque(maxlen=1)

    def tell(line: str) -> None:
        if line not in said:
            said.append(line)
            on_line(line)

    base = contract.feature_source
    over = range(max(0, contract.event_time.number_at(moment_of_now(use_case))))
    last, new = _fetch_source(use_case, base, over, LONGEST_GAP, on_period, tell)
    if last is None:
        raise WrongUseError(_nothing(use_case, "".join(said)))
    for source in contract.sources:
        if source != base:
            new += _fetch_source(use_case, source, range(last + 1), None, on_period, tell)[1]
    folder, until = fetched_folder(use_case), contract.period_name(last)
    write_text(folder / WHOLE, json.dumps({"until": until}))
    log.info("event=history_fetched use_case=%s until=%s new_files=%d", use_case.name, until, new)
    return FetchedHistory(folder, until, new)


def leave_to_history(use_case: UseCase, numbers: Iterable[int]) -> None:
    """Have `fetch` take periods for fetched, since they are delivered from the history.

    Raises:
        BusyError: another process fetches one of the sources.
    """
    names = [use_case.contract.period_name(number) for number in numbers]
    for source in use_case.contract.sources:
        files = FetchedFiles(use_case, source)
        with files.alone():
            files.note(names)


def _fetch_source(
    use_case: UseCase,
    source: str,
    numbers: Iterable[int],
    longest_gap: int | None,
    on_period: OnPeriod,
    on_line: Callable[[str], None],
) -> tuple[int | None, int]:
    """The last of these periods that the history has of a source now, and how many of its files are new."""
    files = FetchedFiles(use_case, source, fetched_folder(use_case))
    last: int | None = None
    missing = 0
    with files.alone():
        new = sum(map(len, files.complete().values()))
        there = files.periods
        for number in numbers:
            name = use_case.contract.period_name(number)
            found: list[Path] = []
            if name not in there:
                on_period(source, name)
                found = files.take(name, partial(write_period, use_case, source, name, on_line))
                new += len(found)
            if found or name in there:
                last, missing = number, 0
                continue
            missing += 1
            if missing == longest_gap:
                break
    return last, new


def _nothing(use_case: UseCase, said: str) -> str:
    contract = use_case.contract
    base, spec = contract.feature_source, contract.sources[contract.feature_source].fetch
    assert spec is not None
    start, period = contract.event_time.start, contract.period
    why = f"; it says: {said}" if said else f"; is {start} in `event_time.start` right?"
    return (
        f"the history of {use_case.name} should be fetched, and {spec.command} gives no file of {base} for any "
        f"{period} from {start} on that is over{why}"
    )
