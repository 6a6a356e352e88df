"""What was decided of a use case's versions, on record: read into a state, and a decision appended.

What people decide (promote, pin, unpin, roll back, retire, restore, abort), and what Lakeloop does with a challenger,
is appended to the operational database, numbered, so that of two who decide at once one is told.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from lakeloop.exceptions import BusyError, WrongUseError
from lakeloop.model_folders import complete_versions, models_folder
from lakeloop.operational_db import engine
from lakeloop.operational_db import releases as entries
from lakeloop.release_state import Action, Release, ReleaseEntry, checked, fold
from lakeloop.settings import Settings

WHO = "lakeloop"
"""Who decides where nobody does: the stages of a release follow each other by the contract."""


def read_release(settings: Settings, name: str) -> Release:
    """The state of a use case's versions now; its contract plays no part."""
    return fold(read_entries(settings, name), pushed_of(settings, name), name)


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
    before = fold(known, pushed, name)
    version = checked(before, name, action, before.labels.get(version, version), pushed)
    if who == WHO and action == "promote" and version != before.challenger:  # a person was quicker
        raise WrongUseError(f"version {version} of {name} challenges nothing any more")
    entry = _next(known, action, version, pushed, who, why)
    _append(settings, name, entry)
    return fold([*known, entry], pushed, name)


def challenge(settings: Settings, name: str, version: str, why: str) -> str:
    """Have a version challenge the champion as soon as it is pushed; called before, so that it never serves meanwhile.

    Gives why it cannot be, '' if it can: without a champion it serves at once, beside a pinned one it does not serve.
    A challenge under way ends: its challenger would be measured against what may soon not serve any more.

    Raises:
        BusyError: somebody else decided at the same time.
    """
    known, pushed = read_entries(settings, name), pushed_of(settings, name)
    state = fold(known, pushed, name)
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
            f"somebody else decided of {name} at the same moment; look with {Release(name).command('show')}, then "
            "decide again"
        ) from None
