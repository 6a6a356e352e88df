"""People are told each thing once: after restarts, by several processes, after a target was down, in a digest."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from lakeloop.events import now
from lakeloop.notifications import OLDEST_SECONDS, notify_of, target_states, told_notifications
from lakeloop.operational_db import engine, notification_targets, notifications
from lakeloop.settings import Settings
from monitoring.notifier import LONGEST_WAIT_SECONDS, Notifier
from tests.monitoring.notification_servers import Hook, Mailbox
from tests.waiting import eventually

SECRETS = ("p4ssw0rd", Hook.TOKEN, "k3y-in-a-header")


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    yield box
    box.stop()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.stop()


def settings_of(home: Path, *urls: str, window: float = 300.0) -> Settings:
    return Settings(home=home, notify=SecretStr(" ".join(urls)), notify_window_seconds=window)


def tell(settings: Settings, text: str, use_case: str = "insurance", once_by: str = "") -> bool:
    return notify_of(settings, use_case, "alarm", text, "http://127.0.0.1:8085/dashboard", once_by=once_by or text)


def tell_all(notifier: Notifier) -> None:
    """Until nothing waits; another one may be telling meanwhile."""
    eventually(lambda: not notifier.deliver() and not notifier.waiting, 60)


def due_again(settings: Settings) -> None:
    """As if the time to wait were over."""
    with engine(settings.operational_db).begin() as connection:
        connection.execute(update(notification_targets).values(attempt_after=""))


def waiting_times(settings: Settings) -> list[str]:
    with engine(settings.operational_db).connect() as connection:
        return list(connection.scalars(select(notification_targets.c.attempt_after)))


def test_mail_and_webhook_get_it_with_its_use_case_and_link(tmp_path: Path, mailbox: Mailbox, hook: Hook) -> None:
    settings = settings_of(tmp_path, mailbox.url, hook.start().url)
    tell(settings, "Dataset drift: miles moved.")
    tell(settings, "Dataset drift: price moved.", "rentals")
    notifier = Notifier(settings)
    assert (notifier.deliver(), notifier.deliver()) == (4, 0)
    assert [title for title, _ in mailbox.mails] == ["[insurance] alarm", "[rentals] alarm"]
    assert "Dataset drift: miles moved." in mailbox.mails[0][1] and "127.0.0.1:8085/dashboard" in mailbox.mails[0][1]
    assert [post["title"] for post in hook.posts] == ["[insurance] alarm", "[rentals] alarm"]
    assert hook.posts[1]["message"].startswith("rentals, alarm: Dataset drift: price moved.\n\nhttp://127.0.0.1:8085/")
    assert [one.in_words[:4] for one in told_notifications(settings)] == ["told", "told"]
    assert [state.waiting for state in target_states(settings)] == [0, 0] and notifier.problem == ""


def test_what_was_told_is_not_told_again_not_even_after_a_restart(tmp_path: Path, hook: Hook) -> None:
    settings = settings_of(tmp_path, hook.start().url)
    assert tell(settings, "first", once_by="e1") and not tell(settings, "in other words", once_by="e1")
    assert tell(settings, "of another use case", "rentals", once_by="e1")
    assert Notifier(settings).deliver() == 2
    assert not tell(settings, "again", once_by="e1")
    assert Notifier(settings).deliver() == 0 and len(hook.posts) == 2


def test_several_processes_tell_it_once(tmp_path: Path, hook: Hook) -> None:
    settings = settings_of(tmp_path, hook.start().url, window=0)
    notifiers = [Notifier(settings) for _ in range(4)]
    for number in range(12):
        tell(settings, f"n{number}")
    threads = [threading.Thread(target=tell_all, args=[notifier]) for notifier in notifiers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hook.posts) == 12
    assert sorted(post["message"].split()[2] for post in hook.posts) == sorted(f"n{number}" for number in range(12))


def test_a_target_that_is_down_keeps_nobody_waiting_and_is_told_once_when_it_is_back(
    tmp_path: Path, mailbox: Mailbox, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = settings_of(tmp_path, hook.url, mailbox.url)
    tell(settings, "while it is down")
    notifier = Notifier(settings)
    assert notifier.deliver() == 1 and len(mailbox.mails) == 1 and notifier.waiting == 1
    assert notifier.deliver() == 0, "it is not due yet"
    hook.start()
    hook.status = 503
    due_again(settings)
    assert notifier.deliver() == 0 and hook.posts == []
    first, second = target_states(settings)
    assert (first.waiting, second) == (1, type(second)("2 mailto://127.0.0.1", 0, ""))
    assert first.name == "1 json://127.0.0.1" and "503" in first.problem and notifier.problem.startswith(first.name)
    hook.status = 200
    due_again(settings)
    assert notifier.deliver() == 1 and notifier.problem == "" and notifier.waiting == 0
    assert len(hook.posts) == len(mailbox.mails) == 1
    assert "event=not_delivered" in caplog.text and not any(secret in caplog.text for secret in SECRETS)
    assert not any(secret in first.problem for secret in SECRETS)


def test_waits_grow_and_end_at_the_longest(tmp_path: Path, hook: Hook) -> None:
    settings = settings_of(tmp_path, hook.url)
    tell(settings, "nobody listens")
    waits = []
    for _ in range(10):
        began = now()
        Notifier(settings).deliver()
        (until,) = waiting_times(settings)
        assert began < until < now(LONGEST_WAIT_SECONDS + 1)
        waits.append(until)
        due_again(settings)
    assert waits == sorted(waits) and waits[-1] > now(LONGEST_WAIT_SECONDS - 60)


def test_many_are_one_digest_that_lists_them(tmp_path: Path, hook: Hook) -> None:
    settings = settings_of(tmp_path, hook.start().url)
    notifier = Notifier(settings)
    tell(settings, "the first")
    assert notifier.deliver() == 1
    for number in range(6):
        tell(settings, f"n{number}", "insurance" if number % 2 else "rentals")
    assert notifier.deliver() == 1
    assert hook.posts[1]["title"] == "[rentals, insurance] 6 notifications (rentals 3, insurance 3)"
    lines = hook.posts[1]["message"].splitlines()
    assert len(lines) == 6 and all(f": n{number} http" in line for number, line in enumerate(lines))
    tell(settings, "the third message")
    assert notifier.deliver() == 1
    tell(settings, "one too many in this window")
    assert notifier.deliver() == 0 and notifier.waiting == 1 and notifier.problem == ""
    assert Notifier(settings.model_copy(update={"notify_window_seconds": 0.0})).deliver() == 1
    assert "one too many" in hook.posts[3]["message"]


def test_what_waits_goes_to_the_target_that_takes_the_place_of_one(tmp_path: Path, hook: Hook) -> None:
    """As when a password was wrong."""
    wrong = settings_of(tmp_path, "json://127.0.0.1:9/wrong")
    tell(wrong, "it waits")
    assert Notifier(wrong).deliver() == 0
    mended = settings_of(tmp_path, hook.start().url)
    assert Notifier(mended).deliver() == 1 and "it waits" in hook.posts[0]["message"]
    assert [one.waits_for for one in told_notifications(mended)] == [()]


def test_a_target_that_is_set_late_is_not_told_of_old_things(tmp_path: Path, hook: Hook) -> None:
    settings = settings_of(tmp_path, hook.start().url)
    tell(settings, "long ago")
    with engine(settings.operational_db).begin() as connection:
        connection.execute(update(notifications).values(created_at=now(-OLDEST_SECONDS - 60)))
    tell(settings, "of today")
    assert Notifier(settings).deliver() == 1 and "of today" in hook.posts[0]["message"]
    assert [one.in_words[:11] for one in told_notifications(settings)] == ["told nobody", f"told {now()[:6]}"]


def test_a_started_notifier_tells_what_another_process_wrote_down(tmp_path: Path, hook: Hook) -> None:
    settings = settings_of(tmp_path, hook.start().url)
    notifier = Notifier(settings)
    notifier.start()
    tell(settings, "from elsewhere")
    eventually(lambda: hook.posts)
    notifier.stop()


def test_telling_never_fails_what_it_tells_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "lakeloop.db").mkdir()
    assert not tell(Settings(home=tmp_path), "no database")
    assert "event=notification_lost" in caplog.text
