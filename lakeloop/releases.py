"""Which version of a model serves, and which did before: pushes and what people decided, folded into one state.

A pushed version serves at once, as long as nobody pinned another and the contract has no `release`. With one it is a
challenger first: in the shadow, then as a canary, then promoted or aborted. What people decide (promote, pin, unpin,
roll back, retire, restore, abort), and what Lakeloop does with a challenger, is appended to the operational database,
numbered, so that of two who decide at once one is told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, get_args

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from lakeloop.contract.release_plan import Stage
from lakeloop.exceptions import BusyError, NotFoundError, WrongUseError
from lakeloop.model_folders import complete_versions, models_folder
from lakeloop.operational_db import engine
from lakeloop.operational_db import releases as entries
from lakeloop.settings import Settings

Action = Literal["promote", "pin", "unpin", "rollback", "retire", "restore", "challenge", "canary", "abort"]
ACTIONS: tuple[Action, ...] = get_args(Action)
WHO = "lakeloop"
"""Who decides where nobody does: the stages of a release follow each other by the contract."""
CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous", "challenger"
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

    @property
    def when(self) -> str:
        """When that was, to the minute, as people read it."""
        return _minute(self.at)


@dataclass(frozen=True)
class Release:
    """The state of a use case's versions. `champion` serves and `previous` did before; '' for none.

    `pin` is the entry by which no push replaces the champion, with the version that is pinned; None where one does.
    `retired` never serve. `by` is the entry that made the champion serve; None where its push did. `gone` is a version
    that should serve and is not there any more, else ''.

    `challenger` is measured against the champion ('' for none), at a `stage` that began at `since`, by `challenge`.
    `held` are versions that have challenged, and that nobody has promoted since.
    """

    champion: str = ""
    previous: str = ""
    pin: ReleaseEntry | None = None
    retired: frozenset[str] = frozenset()
    by: ReleaseEntry | None = None
    gone: str = ""
    challenge: ReleaseEntry | None = None
    stage: Stage = "shadow"
    since: str = ""
    held: frozenset[str] = frozenset()

    @property
    def challenger(self) -> str:
        """The version that challenges the champion; '' for none."""
        return "" if self.challenge is None else self.challenge.version

    @property
    def stage_words(self) -> str:
        """Which stage the challenge is in, and since when: `in the shadow since 2026-11-30 12:59 UTC`."""
        return f"in the {self.stage} since {_minute(self.since)}"

    @property
    def pinned(self) -> bool:
        """Whether no push replaces the champion."""
        return self.pin is not None

    @property
    def pinned_version(self) -> str:
        """The version that is pinned, though another one serves where it is gone; '' where none is."""
        return "" if self.pin is None else self.pin.version

    @property
    def pin_words(self) -> str:
        """Which version is pinned, by whom and why; '' where none is."""
        return "" if self.pin is None else f"version {self.pin.version} is pinned ({self.pin.who}: {self.pin.why})"

    def why_not(self, version: str) -> str:
        """Why a pushed version does not serve; '' where it does."""
        if version == self.champion:
            return ""
        if version in self.retired:
            return f"it is retired; `lakeloop models restore {version}` takes that back"
        if version == self.challenger:
            return (
                f"it challenges version {self.champion}, {self.stage_words}; "
                f"`lakeloop models promote {version}` ends that and has it serve"
            )
        return f"{self.pin_words or f'version {self.champion} does'}; `lakeloop models promote {version}` has it serve"

    def standing(self, version: str) -> str:
        """How a version stands, in a word or two; '' for one among others.

        >>> fold([], ["1", "2"]).standing("2")
        'champion'
        """
        if version in self.retired:
            return "retired"
        if version == self.champion:
            return "champion, pinned" if version == self.pinned_version else CHAMPION
        if version == self.challenger:
            return f"{CHALLENGER}, {self.stage}"
        return PREVIOUS if version == self.previous else ""

    @property
    def labels(self) -> dict[str, str]:
        """Versions by label."""
        known = ((CHAMPION, self.champion), (PREVIOUS, self.previous), (CHALLENGER, self.challenger))
        return {name: version for name, version in known if version}


def fold(found: Iterable[ReleaseEntry], pushed: Sequence[str]) -> Release:
    """The state after these entries, in their order, where these versions are pushed, oldest first.

    >>> fold([], ["1", "2"]).labels
    {'champion': '2', 'previous': '1'}
    """
    state, after = Release(), -1
    for entry in found:
        newest = int(entry.newest or -1)
        state = _after_pushes(state, [v for v in pushed if after < int(v) <= newest])
        after = max(after, newest)
        state = _after(state, entry, [version for version in pushed if int(version) <= after])
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
    if who == WHO and action == "promote" and version != before.challenger:  # a person was quicker
        raise WrongUseError(f"version {version} of {name} challenges nothing any more")
    entry = _next(known, action, version, pushed, who, why)
    _append(settings, name, entry)
    return fold([*known, entry], pushed)


def challenge(settings: Settings, name: str, version: str, why: str) -> str:
    """Have a version challenge the champion as soon as it is pushed; called before, so that it never serves meanwhile.

    Gives why it cannot be, '' if it can: without a champion it serves at once, beside a pinned one it does not serve.
    A challenge under way ends: its challenger would be measured against what may soon not serve any more.

    Raises:
        BusyError: somebody else decided at the same time.
    """
    known, pushed = read_entries(settings, name), pushed_of(settings, name)
    state = fold(known, pushed)
    if not state.champion:
        return f"no version of {name} serves yet, so version {version} does at once"
    if state.pinned:
        return f"{state.pin_words}, so version {version} challenges nothing"
    if state.challenger:
        ended = _next(known, "abort", state.challenger, pushed, WHO, f"version {version} challenges in its place")
        _append(settings, name, ended)
        known.append(ended)
    _append(settings, name, _next(known, "challenge", version, pushed, WHO, why))
    return ""


def _minute(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"


def _next(
    known: Sequence[ReleaseEntry], action: Action, version: str, pushed: Sequence[str], who: str, why: str
) -> ReleaseEntry:
    return ReleaseEntry(
        number=known[-1].number + 1 if known else 1,
        action=action,
        version=version,
        newest=pushed[-1] if pushed else "",
        who=who,
        why=why,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _append(settings: Settings, name: str, entry: ReleaseEntry) -> None:
    try:
        with engine(settings.operational_db).begin() as connection:
            connection.execute(insert(entries).values(use_case=name, **vars(entry)))
    except IntegrityError:
        raise BusyError(
            f"somebody else decided of {name} at the same moment; look with `lakeloop models show`, then decide again"
        ) from None


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
    if action in ("abort", "canary"):
        if not state.challenger or version not in ("", state.challenger):
            if not state.challenger:
                raise WrongUseError(f"no version of {name} challenges version {state.champion or 'none'}")
            raise WrongUseError(f"version {version} of {name} challenges nothing; version {state.challenger} does")
        if action == state.stage:
            raise WrongUseError(f"version {state.challenger} of {name} is a canary already")
        return state.challenger
    if version not in pushed:
        raise NotFoundError(f"there is no pushed version {version} of {name}; pushed: {', '.join(pushed) or 'none'}")
    if action in ("promote", "pin", "challenge") and version in state.retired:
        raise WrongUseError(f"version {version} of {name} is retired; `lakeloop models restore {version}` first")
    if action in ("promote", "challenge") and version == state.champion:
        raise WrongUseError(f"version {version} of {name} serves already")
    if action == "pin" and version == state.champion == state.pinned_version:
        raise WrongUseError(f"version {version} of {name} is pinned already")
    if action == "challenge" and (state.pinned or state.challenger):
        busy = state.pin_words or f"version {state.challenger} of {name} challenges version {state.champion} already"
        raise WrongUseError(f"{busy}; `lakeloop models {'unpin' if state.pinned else 'abort'}` first")
    if action == "restore" and version not in state.retired:
        raise WrongUseError(f"version {version} of {name} is not retired")
    if action == "retire":
        if version in state.retired:
            raise WrongUseError(f"version {version} of {name} is retired already")
        if version == state.champion == state.pinned_version:
            raise WrongUseError(f"version {version} of {name} is pinned; `lakeloop models unpin` first")
    return version


def _after(state: Release, entry: ReleaseEntry, pushed: Sequence[str]) -> Release:
    """A challenge lasts as long as nobody decides for another champion, and ends with a pin, too."""
    after = _decided(state, entry, pushed)
    if after.champion != state.champion or entry.action == "pin" or state.challenger in after.retired:
        after = replace(after, challenge=None)
    return replace(after, held=after.held - {after.champion})


def _decided(state: Release, entry: ReleaseEntry, pushed: Sequence[str]) -> Release:
    if entry.action == "challenge":
        return replace(state, challenge=entry, stage="shadow", since=entry.at, held=state.held | {entry.version})
    if entry.action == "canary":
        return replace(state, stage="canary", since=entry.at)
    if entry.action == "abort":
        return replace(state, challenge=None)
    if entry.action == "unpin":
        return replace(state, pin=None)
    if entry.action == "restore":
        state = replace(state, retired=state.retired - {entry.version})
        return state if state.champion else replace(state, champion=entry.version, by=entry)
    if entry.action == "retire":
        state = replace(state, retired=state.retired | {entry.version})
        if entry.version != state.champion:
            return state
        next_best = next(iter(_best(state, pushed)), "")
        return replace(state, champion=next_best, previous="", by=entry)
    pin = entry if entry.action == "pin" else state.pin if entry.action == "promote" else None
    if pin is not None:  # who promotes another one leaves the pin, on that one
        pin = replace(pin, version=entry.version)
    if entry.version == state.champion:
        return replace(state, pin=pin)
    return replace(state, champion=entry.version, previous=state.champion, pin=pin, by=entry)


def _after_pushes(state: Release, versions: Iterable[str]) -> Release:
    for version in versions:
        if not state.pinned and version not in state.retired and version not in state.held:
            state = replace(state, champion=version, previous=state.champion, by=None, challenge=None)
    return state


def _where_there(state: Release, pushed: Sequence[str]) -> Release:
    """The state where versions are gone or retired: the next best serve."""
    gone = state.champion if state.champion and state.champion not in pushed else ""
    champion, previous, *_ = [*_best(state, pushed), "", ""]
    by = state.by if champion == state.champion else None
    goes_on = state.challenger != champion and state.challenger in pushed and state.challenger not in state.retired
    challenge = state.challenge if champion and goes_on else None
    return replace(state, champion=champion, previous=previous, by=by, gone=gone, challenge=challenge)


def _best(state: Release, pushed: Sequence[str]) -> list[str]:
    """Those that may serve of these versions, the best first; one that challenged in vain only where it is the last."""
    there = [version for version in pushed if version not in state.retired]
    fit = [version for version in reversed(there) if version not in state.held]
    order = dict.fromkeys([state.champion, state.previous, *fit])
    return [version for version in order if version in there] or there[-1:]
