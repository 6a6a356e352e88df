"""What the outbox does when the receiver fails, and when two of them run."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import update

from lakeloop.events import Event, all_events, record_event
from lakeloop.exceptions import LakeloopError
from lakeloop.operational_db import engine, events
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from monitoring.outbox import Outbox, undelivered


class Inbox:
    """Receives, or fails while it is down."""

    def __init__(self) -> None:
        self.down = False
        self.received: list[str] = []
        self._lock = threading.Lock()

    def post(self, event: Event) -> None:
        if self.down:
            raise LakeloopError("it is down")
        with self._lock:
            self.received.append(event.key)

    def was_posted(self, event: Event) -> bool:
        return event.key in self.received


@pytest.fixture
def ledger(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path, use_case="insurance")
    for number in range(3):
        record_event(open_use_case(settings), "drift", f"e{number}", {})
    return settings


def due_again(settings: Settings) -> None:
    """As if the time to wait were over."""
    with engine(settings.operational_db).begin() as connection:
        connection.execute(update(events).where(events.c.delivered_at.is_(None)).values(attempt_after=""))


def test_events_arrive_in_order_and_once(ledger: Settings) -> None:
    inbox = Inbox()
    outbox = Outbox(ledger, inbox)
    assert (outbox.deliver(), outbox.deliver()) == (3, 0)
    assert inbox.received == ["e0", "e1", "e2"] and undelivered(open_use_case(ledger)) == 0


def test_what_failed_waits_and_arrives_later_once(ledger: Settings) -> None:
    inbox = Inbox()
    inbox.down = True
    outbox = Outbox(ledger, inbox)
    assert outbox.deliver() == 0 and outbox.problem == "it is down"
    inbox.down = False
    assert outbox.deliver() == 0, "it is not due yet"
    assert undelivered(open_use_case(ledger)) == 3
    due_again(ledger)
    assert outbox.deliver() == 3 and outbox.problem == ""
    assert inbox.received == ["e0", "e1", "e2"]
    assert {(event.attempts, event.problem) for event in all_events(open_use_case(ledger))} == {(2, "")}


def test_it_waits_longer_each_time_and_never_too_long(ledger: Settings) -> None:
    inbox = Inbox()
    inbox.down = True
    waits = []
    for _ in range(7):
        Outbox(ledger, inbox).deliver()
        with engine(ledger.operational_db).connect() as connection:
            row = connection.execute(events.select().where(events.c.key == "e0")).one()
        waits.append(row.attempt_after)
        due_again(ledger)
    assert all_events(open_use_case(ledger))[0].attempts == 7 and waits == sorted(waits)


def test_two_outboxes_send_nothing_twice(ledger: Settings) -> None:
    for number in range(3, 30):
        record_event(open_use_case(ledger), "drift", f"e{number}", {})
    inbox = Inbox()
    threads = [threading.Thread(target=Outbox(ledger, inbox).deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        sorted(inbox.received) == sorted(f"e{number}" for number in range(30))
        and undelivered(open_use_case(ledger)) == 0
    )


def test_a_started_outbox_delivers_when_it_is_woken(ledger: Settings) -> None:
    inbox = Inbox()
    outbox = Outbox(ledger, inbox)
    outbox.start()
    outbox.wake()
    for _ in range(200):
        if len(inbox.received) == 3:
            break
        threading.Event().wait(0.05)
    outbox.stop()
    assert inbox.received == ["e0", "e1", "e2"]
