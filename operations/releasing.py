"""Decides which version of a model serves, puts that on record, tells of it, and waits until clients see it."""

import logging
import time

import httpx

from lakeloop.access.acting import authorization
from lakeloop.exceptions import WrongUseError
from lakeloop.notifications import NotificationKind, notify
from lakeloop.pushed_models import version_states
from lakeloop.release_state import Action, Release
from lakeloop.releases import WHO, decide, read_entries, read_release
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)

WAIT_SECONDS = 60.0
FOLLOW_SECONDS = 10.0
"""A model server that follows releases has looked and begun to load by then."""
_DONE: dict[Action, str] = {
    "promote": "promoted", "pin": "pinned", "unpin": "unpinned", "rollback": "rolled back", "retire": "retired",
    "restore": "restored", "challenge": "set to challenge", "canary": "made a canary", "abort": "taken back",
}  # fmt: skip
_LOOK_SECONDS, _ASK_SECONDS = 0.1, 2.0


def release(use_case: UseCase, action: Action, version: str, who: str, why: str) -> tuple[Release, Release]:
    """Decide, put it on record in ML Metadata, tell people where another version serves; the states before and after.

    Raises as `lakeloop.releases.decide` does; WrongUseError, too, for a challenge that the contract has no terms for.
    """
    before = read_release(use_case.settings, use_case.name)
    if action == "challenge" and use_case.contract.release is None:
        raise WrongUseError(
            f"the contract of {use_case.name} has no `release`, so nothing would become of a challenge; write one, or "
            f"{before.command('promote', version)}"
        )
    after = decide(use_case.settings, use_case.name, action, version, who, why)
    _record_in_metadata(use_case)
    log.warning(
        "event=release use_case=%s action=%s version=%s who=%r why=%r serves=%s",
        use_case.name, action, version, who, why, after.champion,
    )  # fmt: skip
    if after.champion != before.champion or action == "abort":
        now = f"version {after.champion} serves" if after.champion else "no version is left, the rules answer"
        about = before.labels.get(version, version) or (before.challenger if action == "abort" else before.champion)
        text = f"Version {about} was {_DONE[action]} ({who}: {why}); {now}."
        kind: NotificationKind = "rollback" if action in ("rollback", "retire", "abort") else "promotion"
        once_by = f"{action} {about} {before.champion} {after.champion} {time.time():.0f}"
        notify(use_case, kind, text, f"{use_case.settings.pages(use_case.name)}/", once_by=once_by)
    return before, after


def release_by_contract(use_case: UseCase, action: Action, version: str, why: str) -> None:
    """Do what follows for a challenger by the contract's `release`; as `release`, in Lakeloop's own name."""
    release(use_case, action, version, WHO, why)


def _record_in_metadata(use_case: UseCase) -> None:
    """Each entry that is not there yet; what is decided is in effect, whatever becomes of this."""
    from tfx_pipeline.metadata.releases import record_releases  # ML Metadata: a second of imports

    try:
        record_releases(use_case, read_entries(use_case.settings, use_case.name))
    except Exception:
        log.exception("event=release_not_in_metadata use_case=%s", use_case.name)


def wait_until_answered_by(use_case: UseCase, version: str, seconds: float = WAIT_SECONDS) -> float | None:
    """Wait until the gateway asks that version; after how many seconds, None where no gateway answers or it does not.

    A version that has to be loaded first takes as long as that.
    """
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        asked = _asked_version(use_case)
        if asked is None:
            return None
        if asked == version:
            return elapsed
        time.sleep(_LOOK_SECONDS)
    return None


def why_not_answered(use_case: UseCase, version: str, seconds: float = FOLLOW_SECONDS) -> str:
    """Why no gateway answers by a version that was decided on: none is there, or the model server does not follow.

    A server that follows knows the version in some seconds, though it may load it for longer.
    """
    server, deadline = use_case.settings.model_server, time.monotonic() + seconds
    while version and (states := version_states(server, use_case.name)) and version not in states:
        if time.monotonic() > deadline:
            return (
                f"the model server at {server} does not load version {version}: it was started with a folder or a "
                "config file of its own, and follows no release; start `lakeloop serve models` or `lakeloop up` instead"
            )
        time.sleep(_LOOK_SECONDS)
    return f"no gateway at {use_case.settings.gateway} answers by it yet"


def _asked_version(use_case: UseCase) -> str | None:
    """The version that the gateway asks now, '' for none; None where no gateway answers."""
    address = f"{use_case.settings.gateway}/{use_case.name}/health"
    try:
        shown = authorization(use_case.settings.own_token)
        answer = httpx.get(address, timeout=_ASK_SECONDS, trust_env=False, headers=shown).raise_for_status().json()
        return str(answer["model_version"] or "")
    except (httpx.HTTPError, ValueError, KeyError):
        return None
