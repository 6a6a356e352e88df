"""A hand on a release from a model's page: how a version stands, what may be done with it, and a form that was sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from sqlalchemy.exc import SQLAlchemyError

from lakeloop.access.acting import who_acts
from lakeloop.access.login import is_own_page
from lakeloop.exceptions import BusyError, LakeloopError, NotAllowedError, WrongUseError, first_line
from lakeloop.model_folders import pushed_at
from lakeloop.release_state import Action, Release, ReleaseEntry
from lakeloop.releases import pushed_of, read_entries, read_release
from lakeloop.use_case import UseCase
from operations.releasing import release

DOES: dict[Action, str] = {
    "promote": "Promote", "pin": "Pin", "unpin": "Unpin", "rollback": "Roll back", "retire": "Retire",
    "restore": "Restore", "challenge": "Challenge", "abort": "Abort",
}  # fmt: skip
"""What people do from a page, as its button says it."""
OF_CHAMPION: tuple[Action, ...] = ("rollback", "unpin")
"""Actions that name no version: they are about the one that serves."""


@dataclass(frozen=True)
class VersionRelease:
    """How a version stands, in a sentence; what may be done with it now; and what was decided of it, the newest first.

    `problem` is why none of that is known, else ''.
    """

    words: str = ""
    actions: Sequence[Action] = ()
    entries: Sequence[ReleaseEntry] = ()
    problem: str = ""


def release_of(use_case: UseCase, version: str) -> VersionRelease:
    """What the page of a version shows; nothing is raised."""
    try:
        state = read_release(use_case.settings, use_case.name)
        there = version in pushed_of(use_case.settings, use_case.name)
        entries = read_entries(use_case.settings, use_case.name)
    except (LakeloopError, SQLAlchemyError, OSError) as problem:
        return VersionRelease(problem=first_line(problem))
    about = tuple(entry for entry in reversed(entries) if entry.version == version)
    return VersionRelease(
        words_of(state, version, there),
        offered(state, version, tried=use_case.contract.release is not None) if there else (),
        about,
    )


def words_of(state: Release, version: str, there: bool) -> str:
    """How a version stands, since when, by whom and why."""
    if not there:
        return "Its folder was removed."
    if version in state.retired:
        return "It is retired: it never serves, unless somebody restores it."
    if version != state.champion:
        return f"It does not serve: {state.why_not(version)}." if state.champion else "It does not serve."
    pushed = f"since {pushed_at(version) or 'it was pushed'}"
    since = f"since {state.by.when}, by {state.by.who}: {state.by.why}" if state.by else pushed
    pinned = f" It is pinned by {state.pin.who}: {state.pin.why}." if state.pin and state.pin.version == version else ""
    return f"It is the champion {since}.{pinned}"


def offered(state: Release, version: str, tried: bool) -> tuple[Action, ...]:
    """What may be done with a version that is there; `tried`: the contract says how challengers are."""
    if version in state.retired:
        return ("restore",)
    if version == state.challenger:
        return ("promote", "abort", "retire")
    if version != state.champion:
        free = tried and not state.pinned and not state.challenger
        challenge: tuple[Action, ...] = ("challenge",) if free else ()
        return ("promote", *challenge, "pin", "retire")
    if state.pinned:
        return ("unpin", "rollback") if state.previous else ("unpin",)
    return ("pin", "rollback", "retire") if state.previous else ("pin", "retire")


def decide_by_form(use_case: UseCase, version: str, body: bytes, scope: Mapping[str, Any]) -> None:
    """Carry out a form of `action` and `why`, in the name of who is logged in.

    Raises:
        NotAllowedError: it comes from a page of another site, or who asks may not decide.
        WrongUseError: the form lacks something, or it is not possible as things stand.
        NotFoundError: there is no such version.
        BusyError: another version serves by now, or somebody else decided at the same moment.
    """
    if not is_own_page(dict(scope)):
        raise NotAllowedError("this comes from a page of another site, which may decide nothing here")
    given = {name: values[0].strip() for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    who = who_acts(use_case.settings, "decide", scope=scope)
    action = next((one for one in DOES if one == given.get("action")), None)
    if action is None:
        raise WrongUseError(f"action {given.get('action', '')!r} is none of {', '.join(DOES)}")
    if not given.get("why"):
        raise WrongUseError("say why: others will ask")
    if action in OF_CHAMPION and version != read_release(use_case.settings, use_case.name).champion:
        raise BusyError(f"version {version} does not serve any more; look at its page again")
    release(use_case, action, "" if action in OF_CHAMPION else version, who, given["why"])
