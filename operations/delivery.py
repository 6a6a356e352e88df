"""Delivers drawn or replayed periods as files into the landing folder, and holds back what is not known yet.

What is known says a simulated clock. By the wall clock a file is known since it was delivered: nothing is held back.
"""

import logging
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from lakeloop.atomic_file import replacing
from lakeloop.clock import play, read_clock
from lakeloop.drawn_rows import drawn_period
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase
from operations.delivered_file import write_delivered
from operations.history import check_in_history, file_rows, history_files, joined_files

log = logging.getLogger(__name__)
HELD = ".held"


@dataclass(frozen=True)
class Delivery:
    """One written file; `due` is the clock at which it is delivered, None when it already is."""

    path: Path
    source: str
    period: int
    rows: int
    due: int | None


def generate(
    use_case: UseCase,
    periods: Iterable[int],
    *,
    rows: int | None = None,
    seed: int | None = None,
    out: Path | None = None,
    sources: Collection[str] | None = None,
    on_file: Callable[[Delivery], None] = lambda delivery: None,
) -> list[Delivery]:
    """Write `<source>/<file of the period>` for every source and period; a history's files are copied as they are.

    The landing folder (no `out`) gets the features of every period asked for and the ground truth a simulated clock
    allows; later truth waits in a hidden folder beside it until `release` delivers it. By the wall clock it gets all,
    and so does `out` where it is given. `sources`: only these; default: all. `rows` and `seed` are for a generator.

    Raises:
        WrongUseError: the use case has no such period, or neither generator nor history; a period has not begun by the
            wall clock; or the clock is simulated now, and this home has taken files in by the wall clock.
    """
    contract = use_case.contract
    if contract.has_history and (rows is not None or seed is not None):
        raise WrongUseError(
            f"use case {use_case.name} replays its history as it was; rows and seed are for a `generator`, leave "
            "them out"
        )
    write = _replayed(use_case) if contract.has_history else _drawn(use_case, rows, seed)
    clock, deliveries = read_clock(use_case), []
    if clock.is_played and out is None:
        play(use_case)
    for period in periods:
        if clock.is_wall and out is None and contract.period_start(period) > clock.now:
            raise WrongUseError(
                f"{contract.period} {period} ({contract.period_name(period)}) has not begun by {clock.in_words}; to "
                "play it all the same, set LAKELOOP_CLOCK=simulated, in a home of its own"
            )
        for source, spec in contract.sources.items():
            if sources is not None and source not in sources:
                continue
            late = source == contract.label.source or spec.join is not None
            due = contract.arrives(source, period) if late and spec.delay else 0
            held = out is None and not clock.is_wall and due > clock.period
            folder = (out or use_case.folder("landing")) / (HELD if held else "") / source
            for path, size in write(source, period, folder):
                delivery = Delivery(path, source, period, size, due if held else None)
                on_file(delivery)
                deliveries.append(delivery)
    return deliveries


Writer = Callable[[str, int, Path], Iterator[tuple[Path, int]]]
"""Source, period and folder -> the files written there, each with its rows."""


def _drawn(use_case: UseCase, rows: int | None, seed: int | None) -> Writer:
    contract = use_case.contract
    draw = lru_cache(1)(partial(drawn_period, use_case, rows=rows, seed=seed))

    def write(source: str, period: int, folder: Path) -> Iterator[tuple[Path, int]]:
        spec, frame = contract.sources[source], draw(period)
        path = folder / spec.file_name(contract.period_name(period))
        write_delivered(frame[list(spec.columns)], spec, path)
        yield path, len(frame)

    return write


def _replayed(use_case: UseCase) -> Writer:
    def write(source: str, period: int, folder: Path) -> Iterator[tuple[Path, int]]:
        joined = source in use_case.contract.joins
        if not joined:
            check_in_history(use_case, period)
        for path in _history_files(use_case, source, period):
            if not joined or not _is_delivered(use_case, source, path.name, folder):
                yield _copy(path, folder), file_rows(use_case, source, path)

    return write


def missing_sources(use_case: UseCase, period: int, sources: Iterable[str]) -> list[str]:
    """Those of `sources` of which a file of the period lies neither in the landing folder nor among those held back."""
    landing = use_case.folder("landing")
    return [
        source
        for source in sources
        if not all(
            any((folder / source / name).exists() for folder in (landing, landing / HELD))
            for name in _file_names(use_case, source, period)
        )
    ]


def _history_files(use_case: UseCase, source: str, period: int) -> list[Path]:
    """The files that a period brings; of a joined source those of the time before, too, and those of no period."""
    of_period = joined_files if source in use_case.contract.joins else history_files
    return of_period(use_case, source, period)


def _is_delivered(use_case: UseCase, source: str, name: str, folder: Path) -> bool:
    landing = use_case.folder("landing")
    places = (landing / source, landing / HELD / source) if folder.is_relative_to(landing) else (folder,)
    return any((place / name).exists() for place in places)


def _file_names(use_case: UseCase, source: str, period: int) -> list[str]:
    contract = use_case.contract
    if contract.has_history:
        return [path.name for path in _history_files(use_case, source, period)]
    return [contract.sources[source].file_name(contract.period_name(period))]


def release(use_case: UseCase) -> list[Path]:
    """Deliver every held-back file whose time has come by the clock; the paths it now has in the landing folder."""
    contract = use_case.contract
    landing, clock = use_case.folder("landing"), read_clock(use_case).period
    delivered = []
    for source, spec in contract.sources.items():
        held = landing / HELD / source
        generated = {spec.file_name(contract.period_name(number)): number for number in range(clock + 1)}
        for path in sorted(path for path in held.rglob("*") if path.is_file()):
            name = path.relative_to(held).as_posix()
            said = contract.period_of_file(source, name)
            number = contract.period_number(said) if said else generated.get(name)
            if number is not None and contract.arrives(source, number) <= clock:
                target = landing / source / name
                target.parent.mkdir(parents=True, exist_ok=True)
                delivered.append(path.rename(target))
    log.info("event=released use_case=%s clock=%d files=%d", use_case.name, clock, len(delivered))
    return delivered


def _copy(path: Path, folder: Path) -> Path:
    """A file's copy in the folder, under the same name."""
    copy = folder / path.name
    with replacing(copy) as part:
        shutil.copyfile(path, part)
    return copy
