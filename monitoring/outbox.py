"""Sends the ledger's events to Airflow, each once, however long Airflow is down and whoever dies meanwhile."""

import logging
from typing import Protocol

from sqlalchemy import func, or_, select, update

from lakeloop.events import Event, event_of, now
from lakeloop.exceptions import LakeloopError
from lakeloop.operational_db import engine, events
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from monitoring.courier import Courier, growing_wait

log = logging.getLogger(__name__)

CLAIM_SECONDS = 60.0
"""For how long an event belongs to whoever is sending it; longer than Airflow may take to answer."""
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 30.0


class Receiver(Protocol):
    """Where events go: Airflow."""

    def post(self, event: Event) -> None: ...

    def was_posted(self, event: Event) -> bool: ...


def undelivered(use_case: UseCase) -> int:
    """How many events of the use case Airflow does not have yet."""
    query = select(func.count()).where(events.c.use_case == use_case.name, events.c.delivered_at.is_(None))
    with engine(use_case.settings.operational_db).connect() as connection:
        return connection.scalar(query) or 0


class Outbox(Courier):
    """Brings events to Airflow. Before one is sent a second time, Airflow is asked whether the first arrived."""

    def __init__(self, settings: Settings, receiver: Receiver) -> None:
        super().__init__("outbox")
        self._settings, self._receiver = settings, receiver

    def deliver(self) -> int:
        """Send what is due, the oldest first; gives how many arrived. A failure is noted and tried again later."""
        arrived = 0
        for event in self._due():
            if not self._claim(event):
                continue
            try:
                if event.attempts == 0 or not self._receiver.was_posted(event):
                    self._receiver.post(event)
            except LakeloopError as failure:
                self._failed(event, str(failure))
                continue
            self._note(event, delivered_at=now(), problem="")
            arrived += 1
            self.problem = ""
            log.info("event=delivered asset=%s id=%d key=%s", event.asset, event.id, event.key)
        return arrived

    def _due(self) -> list[Event]:
        query = select(events).where(events.c.delivered_at.is_(None), events.c.attempt_after <= now())
        with engine(self._settings.operational_db).connect() as connection:
            return [event_of(row) for row in connection.execute(query.order_by(events.c.id))]

    def _claim(self, event: Event) -> bool:
        """Make the event ours for a while; no if another process was faster."""
        mine = (
            update(events)
            .where(
                events.c.id == event.id,
                events.c.delivered_at.is_(None),
                events.c.attempts == event.attempts,
                or_(events.c.attempt_after == "", events.c.attempt_after <= now()),
            )
            .values(attempts=event.attempts + 1, attempt_after=now(CLAIM_SECONDS))
        )
        with engine(self._settings.operational_db).begin() as connection:
            return connection.execute(mine).rowcount == 1

    def _failed(self, event: Event, problem: str) -> None:
        wait = growing_wait(event.attempts, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
        self._note(event, attempt_after=now(wait), problem=problem)
        self.say(problem)

    def _note(self, event: Event, **values: str) -> None:
        with engine(self._settings.operational_db).begin() as connection:
            connection.execute(update(events).where(events.c.id == event.id).values(**values))
