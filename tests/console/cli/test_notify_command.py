"""`lakeloop notify`: one message to each target, and what was told and what waits."""

from pathlib import Path

from lakeloop.notifications import notify_of
from lakeloop.settings import Settings
from monitoring.notifier import Notifier
from tests.command_line import warm_lakeloop_in
from tests.monitoring.notification_servers import Hook, Mailbox


def test_each_target_gets_a_message_and_it_is_said_what_came_of_it(tmp_path: Path) -> None:
    mailbox, hook = Mailbox(), Hook()
    lakeloop = warm_lakeloop_in(tmp_path / "var", LAKELOOP_NOTIFY=f"{mailbox.url} {hook.url}")
    ended = lakeloop("notify", "test")
    assert ended.returncode == 1 and ended.stdout.splitlines()[0] == "1 mailto://127.0.0.1: it took the message"
    assert ended.stdout.splitlines()[1].startswith("2 json://127.0.0.1: A Connection error")
    assert "1 of 2 targets did not take the message" in ended.stderr
    assert not any(secret in ended.stdout + ended.stderr for secret in ("p4ssw0rd", Hook.TOKEN))
    hook.start()
    assert lakeloop("notify", "test").returncode == 0
    hook.stop()
    mailbox.stop()
    assert [title for title, _ in mailbox.mails] == ["[insurance] test", "[insurance] test"]
    assert hook.posts[0]["title"] == "[insurance] test"


def test_without_a_target_or_with_a_wrong_one_it_is_wrong_use(tmp_path: Path) -> None:
    lakeloop = warm_lakeloop_in(tmp_path / "var")
    ended = lakeloop("notify", "test")
    assert ended.returncode == 2 and "set LAKELOOP_NOTIFY to URLs of apprise" in ended.stderr
    ended = lakeloop("up", LAKELOOP_NOTIFY="mailtos://me:p4ssw0rd@")
    assert ended.returncode == 2 and "write it as mailtos://USER:PASSWORD@SMTP-HOST" in ended.stderr
    assert "p4ssw0rd" not in ended.stderr and not (tmp_path / "var" / "platform").exists()


def test_the_list_says_what_was_told_and_what_waits(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "var")
    lakeloop = warm_lakeloop_in(settings.home, COLUMNS="300")
    assert "there was nothing to tell yet" in lakeloop("notify", "list").stdout
    notify_of(settings, "insurance", "promotion", "Version 7 was pushed.", "http://m/models/7", once_by="7")
    notify_of(settings, "rentals", "failed run", "The run failed.", once_by="r1")
    said = lakeloop("notify", "list").stdout
    assert "Version 7 was pushed. http://m/models/7" in said and "waits for a monitor with a target" in said
    assert "nobody is told: LAKELOOP_NOTIFY is not set" in said
    hook = Hook().start()
    told = Settings(home=settings.home, notify=hook.url)  # type: ignore[arg-type]
    assert Notifier(told).deliver() == 2
    hook.stop()
    said = lakeloop("notify", "list", "--use-case", "rentals", LAKELOOP_NOTIFY=hook.url).stdout
    assert "The run failed." in said and "told 2" in said and "Version 7" not in said
    assert "1 json://127.0.0.1: nothing waits" in said
    notify_of(settings, "rentals", "failed run", "Another run failed.", once_by="r2")
    Notifier(told).deliver()
    said = lakeloop("status", LAKELOOP_NOTIFY=hook.url).stdout
    assert "notifications: 1 wait for 1 json://127.0.0.1: A Connection error" in said
