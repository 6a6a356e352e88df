"""Which version of a model serves, and which did before: pushes and what people decided, folded into one state.

A pushed version serves at once, as long as nobody pinned another and the contract has no `release`. With one it is a
challenger first: in the shadow, then as a canary, then promoted or aborted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lakeloop.contract.release_plan import Stage
from lakeloop.exceptions import NotFoundError, WrongUseError

Action = Literal["promote", "pin", "unpin", "rollback", "retire", "restore", "challenge", "canary", "abort"]
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

    `use_case` is whose versions they are, for commands in texts; '' where nobody says.
    """

    use_case: str = ""
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
            return f"it is retired; {self.command('restore', version)} takes that back"
        if version == self.challenger:
            return (
                f"it challenges version {self.champion}, {self.stage_words}; "
                f"{self.command('promote', version)} ends that and has it serve"
            )
        does = self.pin_words or f"version {self.champion} does"
        return f"{does}; {self.command('promote', version)} has it serve"

    def command(self, action: Action | Literal["show", "list"], version: str = "") -> str:
        """The command that somebody decides by, or looks, as texts have it.

        >>> Release("churn").command("restore", "3")
        '`lakeloop models restore 3 -u churn`'
        """
        words = ("lakeloop models", action, version, self.use_case and f"-u {self.use_case}")
        return f"`{' '.join(filter(None, words))}`"

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


def fold(found: Iterable[ReleaseEntry], pushed: Sequence[str], use_case: str = "") -> Release:
    """The state after these entries, in their order, where these versions are pushed, oldest first.

    >>> fold([], ["1", "2"]).labels
    {'champion': '2', 'previous': '1'}
    """
    state, after = Release(use_case), -1
    for entry in found:
        newest = int(entry.newest or -1)
        state = _after_pushes(state, [v for v in pushed if after < int(v) <= newest])
        after = max(after, newest)
        state = _after(state, entry, [version for version in pushed if int(version) <= after])
    state = _after_pushes(state, [version for version in pushed if int(version) > after])
    return _where_there(state, pushed)


def checked(state: Release, name: str, action: Action, version: str, pushed: Sequence[str]) -> str:
    """The version that an action is about.

    Raises:
        WrongUseError: it changes nothing, or is not possible in this state; the text says what is.
        NotFoundError: there is no such version, or none to go back to.
    """
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
        raise WrongUseError(f"version {version} of {name} is retired; {state.command('restore', version)} first")
    if action in ("promote", "challenge") and version == state.champion:
        raise WrongUseError(f"version {version} of {name} serves already")
    if action == "pin" and version == state.champion == state.pinned_version:
        raise WrongUseError(f"version {version} of {name} is pinned already")
    if action == "challenge" and (state.pinned or state.challenger):
        busy = state.pin_words or f"version {state.challenger} of {name} challenges version {state.champion} already"
        raise WrongUseError(f"{busy}; {state.command('unpin' if state.pinned else 'abort')} first")
    if action == "restore" and version not in state.retired:
        raise WrongUseError(f"version {version} of {name} is not retired")
    if action == "retire":
        if version in state.retired:
            raise WrongUseError(f"version {version} of {name} is retired already")
        if version == state.champion == state.pinned_version:
            raise WrongUseError(f"version {version} of {name} is pinned; {state.command('unpin')} first")
    return version


def _minute(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"


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
