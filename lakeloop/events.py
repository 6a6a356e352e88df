"""The event ledger: what happened that somebody must act on, each thing once, until a run has handled it.

Airflow may join events or drop the wake-up of later ones; so they live here, and a run takes all that are open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import Row, Select, Update, insert, select, update
from sqlalchemy.exc import IntegrityError

from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.operational_db import engine, events
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase

EventKind = Literal["drift", "ground_truth"]
KINDS: tuple[EventKind, ...] = get_args(EventKind)


@dataclass(frozen=True)
class Event:
    """One event. `key` tells what it is about: use case, kind and key together occur once.

    '' stands for: not handled, not delivered, no problem. Times are ISO 8601 in UTC.
    """

    id: int
    use_case: str
    kind: str
    key: str
    payload: Mapping[str, Any]
    created_at: str
    handled_by: str = ""
    handled_at: str = ""
    attempts: int = 0
    problem: str = ""
    delivered_at: str = ""

    @property
    def asset(self) -> str:
        """The Airflow asset whose event this becomes."""
        return f"{self.use_case}/{self.kind}"

    @property
    def extra(self) -> dict[str, Any]:
        """What travels with the asset event: the ledger's number, kind and key, and the payload."""
        return {"event_id": self.id, "kind": self.kind, "key": self.key, "payload": dict(self.payload)}


def record_event(
    use_case: UseCase, kind: EventKind, key: str, payload: Mapping[str, Any], claim_seconds: float = 0.0
) -> tuple[Event, bool]:
    """Write an event down, and whether it is new; one with this key that is there already stays as it is.

    For `claim_seconds` the sending is the writer's own affair; after that the outbox looks whether Airflow has it.

    Raises:
        WrongUseError: there is no such kind, or the key is empty.
    """
    return record_event_of(use_case.settings, use_case.name, kind, key, payload, claim_seconds)


def record_event_of(
    settings: Settings, use_case: str, kind: EventKind, key: str, payload: Mapping[str, Any], claim_seconds: float = 0.0
) -> tuple[Event, bool]:
    """As `record_event`, of a use case by its name: an alert may tell of one whose contract is not at hand.

    Raises:
        WrongUseError: there is no such kind, or the key is empty.
    """
    if kind not in KINDS:
        raise WrongUseError(f"there are no events of kind {kind!r}; kinds: {', '.join(KINDS)}")
    if not key:
        raise WrongUseError(f"an event of kind {kind} needs a key that tells it from the others, e.g. its episode")
    values: dict[str, Any] = {
        "use_case": use_case,
        "kind": kind,
        "key": key,
        "payload": dict(payload),
        "created_at": now(),
    }
    if claim_seconds:
        values |= {"attempts": 1, "attempt_after": now(claim_seconds)}
    found = select(events).where(events.c.use_case == use_case, events.c.kind == kind, events.c.key == key)
    created = True
    try:
        with engine(settings.operational_db).begin() as connection:
            connection.execute(insert(events).values(**values))
    except IntegrityError:
        created = False
    return _read(settings, found)[0], created


def take_open_events(use_case: UseCase, run: str, among: Sequence[int] | None = None) -> tuple[Event, ...]:
    """Every open event of the use case, the oldest first, now handled by `run`; asked again, a run gets the same.

    Two runs never get the same event, however close together they ask. `among`: none but those with these numbers.

    Raises:
        WrongUseError: the run has no name.
    """
    if not run:
        raise WrongUseError("who takes the events? name the run, e.g. Airflow's run id")
    mine = update(events).where(_of(use_case), events.c.handled_by.is_(None)).values(handled_by=run, handled_at=now())
    _change(use_case.settings, mine if among is None else mine.where(events.c.id.in_(among)))
    return _read(
        use_case.settings, select(events).where(_of(use_case), events.c.handled_by == run).order_by(events.c.id)
    )


def release_events(use_case: UseCase, run: str) -> int:
    """Open a run's events again, because it failed; gives how many."""
    again = update(events).where(_of(use_case), events.c.handled_by == run).values(handled_by=None, handled_at=None)
    return _change(use_case.settings, again)


def open_events(use_case: UseCase) -> tuple[Event, ...]:
    """What no run has taken, the oldest first."""
    query = select(events).where(_of(use_case), events.c.handled_by.is_(None))
    return _read(use_case.settings, query.order_by(events.c.id))


def all_events(use_case: UseCase) -> tuple[Event, ...]:
    """Every event of the use case, the oldest first."""
    return _read(use_case.settings, select(events).where(_of(use_case)).order_by(events.c.id))


def find_event(use_case: UseCase, number: int) -> Event:
    """The use case's event with this number.

    Raises:
        NotFoundError: there is none.
    """
    found = _read(use_case.settings, select(events).where(_of(use_case), events.c.id == number))
    if not found:
        raise NotFoundError(
            f"there is no event {number} of use case {use_case.name}; `lakeloop events list --all` shows them"
        )
    return found[0]


def now(later_seconds: float = 0.0) -> str:
    """The time, or one later, as the ledger writes it: ISO 8601 in UTC, which sorts as text."""
    return (datetime.now(UTC) + timedelta(seconds=later_seconds)).isoformat(timespec="milliseconds")


def event_of(row: Row[Any]) -> Event:
    """A row of the table as an event."""
    return Event(
        row.id, row.use_case, row.kind, row.key, row.payload, row.created_at, row.handled_by or "",
        row.handled_at or "", row.attempts, row.problem, row.delivered_at or "",
    )  # fmt: skip


def _of(use_case: UseCase) -> Any:
    return events.c.use_case == use_case.name


def _read(settings: Settings, query: Select[Any]) -> tuple[Event, ...]:
    with engine(settings.operational_db).connect() as connection:
        return tuple(event_of(row) for row in connection.execute(query))


def _change(settings: Settings, change: Update) -> int:
    with engine(settings.operational_db).begin() as connection:
        return connection.execute(change).rowcount
