"""Which version of a model serves, and which did before: pushes and what people decided, folded into one state.

A pushed version serves at once, as long as nobody pinned another. What people decide (promote, pin, unpin, roll back,
retire, restore) is appended to the operational database, numbered, so that of two who decide at once one is told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, get_args

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from lakeloop.exceptions import BusyError, NotFoundError, WrongUseError
from lakeloop.model_folders import complete_versions, models_folder
from lakeloop.operational_db import engine
from lakeloop.operational_db import releases as entries
from lakeloop.settings import Settings

Action = Literal["promote", "pin", "unpin", "rollback", "retire", "restore"]
ACTIONS: tuple[Action, ...] = get_args(Action)
CHAMPION, PREVIOUS = "champion", "previous"
"""Labels by which a model server knows versions."""


@dataclass(frozen=True)
class ReleaseEntry:
    """What somebody decided. `newest`: the newest version that was pushed then; `at`: ISO 8601 in UTC."""

    number: int
    action: Action
    version: str
    newest: str
    who: str
    why: str
    at: str


@dataclass(frozen=True)
class Release:
    """The state of a use case's versions. `champion` serves and `previous` did before; '' for none.

    `pin` is the entry by which no push replaces the champion; None where one does. `retired` never serve. `by` is the
    entry that made the champion serve; None where its push did. `gone` is a version that should serve and is not there
    any more, else ''.
    """

    champion: str = ""
    previous: str = ""
    pin: ReleaseEntry | None = None
    retired: frozenset[str] = frozenset()
    by: ReleaseEntry | None = None
    gone: str = ""

    @property
    def pinned(self) -> bool:
        """Whether no push replaces the champion."""
        return self.pin is not None

    @property
    def pin_words(self) -> str:
        """Which version is pinned, by whom and why; '' where none is."""
        return "" if self.pin is None else f"version {self.champion} is pinned ({self.pin.who}: {self.pin.why})"

    def why_not(self, version: str) -> str:
        """Why a pushed version does not serve; '' where it does."""
        if version == self.champion:
            return ""
        if version in self.retired:
            return f"it is retired; `lakeloop models restore {version}` takes that back"
        return f"{self.pin_words or f'version {self.champion} does'}; `lakeloop models promote {version}` has it serve"

    @property
    def labels(self) -> dict[str, str]:
        """Versions by label."""
        return {name: version for name, version in ((CHAMPION, self.champion), (PREVIOUS, self.previous)) if version}


def fold(found: Iterable[ReleaseEntry], pushed: Sequence[str]) -> Release:
    """The state after these entries, in their order, where these versions are pushed, oldest first.

    >>> fold([], ["1", "2"]).labels
    {'champion': '2', 'previous': '1'}
    """
    state, after = Release(), -1
    for entry in found:
        newest = int(entry.newest or -1)
        state = _after_pushes(state, [v for v in pushed if after < int(v) <= newest])
        state, after = _after(state, entry), max(after, newest)
    state = _after_pushes(state, [version for version in pushed if int(version) > after])
    return _where_there(state, pushed)


def read_release(settings: Settings, name: str) -> Release:
    """The state of a use case's versions now; its contract plays no part."""
    return fold(read_entries(settings, name), pushed_of(settings, name))


def read_entries(settings: Settings, name: str) -> list[ReleaseEntry]:
    """What was decided of a use case's versions, the oldest first."""
    columns = [column for column in entries.c if column.name not in ("id", "use_case")]
    query = select(*columns).where(entries.c.use_case == name).order_by(entries.c.number)
    with engine(settings.operational_db).connect() as connection:
        return [ReleaseEntry(*row) for row in connection.execute(query)]


def pushed_of(settings: Settings, name: str) -> list[str]:
    """The complete versions of a use case, oldest first."""
    return complete_versions(models_folder(settings, name))


def decide(settings: Settings, name: str, action: Action, version: str, who: str, why: str) -> Release:
    """Append what somebody decided; effective in running services within seconds. Gives the state after it.

    `version` may be a label; for `unpin` and `rollback` it is left out.

    Raises:
        WrongUseError: it changes nothing, or is not possible as things stand; the text says what is.
        NotFoundError: there is no such version, or none to go back to.
        BusyError: somebody else decided at the same time.
    """
    known, pushed = read_entries(settings, name), pushed_of(settings, name)
    before = fold(known, pushed)
    version = _checked(before, name, action, before.labels.get(version, version), pushed)
    entry = ReleaseEntry(
        number=known[-1].number + 1 if known else 1,
        action=action,
        version=version,
        newest=pushed[-1] if pushed else "",
        who=who,
        why=why,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    try:
        with engine(settings.operational_db).begin() as connection:
            connection.execute(insert(entries).values(use_case=name, **vars(entry)))
    except IntegrityError:
        raise BusyError(
            f"somebody else decided of {name} at the same moment; look with `lakeloop models show`, then decide again"
        ) from None
    return fold([*known, entry], pushed)


def _checked(state: Release, name: str, action: Action, version: str, pushed: Sequence[str]) -> str:
    """The version that an action is about, if it can be done."""
    if action == "unpin":
        if not state.pinned:
            raise WrongUseError(f"no version of {name} is pinned")
        return state.champion
    if action == "rollback":
        if not state.previous:
            raise NotFoundError(
                f"there is no version of {name} before {state.champion or 'the first push'} to go back to"
            )
        return state.previous
    if version not in pushed:
        raise NotFoundError(f"there is no pushed version {version} of {name}; pushed: {', '.join(pushed) or 'none'}")
    if action in ("promote", "pin") and version in state.retired:
        raise WrongUseError(f"version {version} of {name} is retired; `lakeloop models restore {version}` first")
    if action == "promote" and version == state.champion:
        raise WrongUseError(f"version {version} of {name} serves already")
    if action == "pin" and state.pinned and version == state.champion:
        raise WrongUseError(f"version {version} of {name} is pinned already")
    if action == "restore" and version not in state.retired:
        raise WrongUseError(f"version {version} of {name} is not retired")
    if action == "retire":
        if version in state.retired:
            raise WrongUseError(f"version {version} of {name} is retired already")
        if state.pinned and version == state.champion:
            raise WrongUseError(f"version {version} of {name} is pinned; `lakeloop models unpin` first")
    return version


def _after(state: Release, entry: ReleaseEntry) -> Release:
    if entry.action == "unpin":
        return replace(state, pin=None)
    if entry.action == "restore":
        return replace(state, retired=state.retired - {entry.version})
    if entry.action == "retire":
        state = replace(state, retired=state.retired | {entry.version})
        return (
            state if entry.version != state.champion else replace(state, champion=state.previous, previous="", by=entry)
        )
    pin = entry if entry.action == "pin" else state.pin if entry.action == "promote" else None
    if entry.version == state.champion:
        return replace(state, pin=pin)
    return replace(state, champion=entry.version, previous=state.champion, pin=pin, by=entry)


def _after_pushes(state: Release, versions: Iterable[str]) -> Release:
    for version in versions:
        if not state.pinned and version not in state.retired:
            state = replace(state, champion=version, previous=state.champion, by=None)
    return state


def _where_there(state: Release, pushed: Sequence[str]) -> Release:
    """The state where versions are gone or retired: the next best serve."""
    there = [version for version in pushed if version not in state.retired]
    gone = state.champion if state.champion and state.champion not in pushed else ""
    order = list(dict.fromkeys([state.champion, state.previous, *reversed(there)]))
    best = [version for version in order if version in there]
    champion = best[0] if best else ""
    previous = best[1] if len(best) > 1 else ""
    by = state.by if champion == state.champion else None
    return replace(state, champion=champion, previous=previous, by=by, gone=gone)
