"""Targets by their URLs: what cannot be one is named with the form it should have, and no secret is in any text."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from lakeloop.exceptions import WrongUseError
from lakeloop.notifications import target_name
from lakeloop.settings import Settings
from monitoring.notification_messages import Message
from monitoring.notification_targets import NotToldError, read_targets
from tests.monitoring.notification_servers import Hook

MESSAGE = Message("title", "body", ())
SECRET = "s3cr3t-of-mine"


def targets_of(text: str, **more: object) -> Settings:
    return Settings(notify=SecretStr(text), **more)  # type: ignore[arg-type]


def test_several_urls_stand_beside_each_other(tmp_path: Path) -> None:
    text = "mailto://a:b@smtp.example.com?from=l@e.com&to=x@e.com,y@e.com, json://h1/p\njsons://h2/p"
    names = ["1 mailto://smtp.example.com", "2 json://h1", "3 jsons://h2"]
    assert [target.name for target in read_targets(targets_of(text))] == names
    file = tmp_path / "targets"
    file.write_text(f"# whom to tell\n{text}\n\n")
    assert [target.name for target in read_targets(Settings(notify_file=file))] == names
    assert read_targets(Settings(notify=SecretStr("  "))) == ()


@pytest.mark.parametrize(
    ("url", "form"),
    [
        (f"mailtos://me:{SECRET}@", "write it as mailtos://USER:PASSWORD@SMTP-HOST?to=ADDRESS"),
        (f"slack://{SECRET}", "write it as https://hooks.slack.com/services/T…/B…/…"),
        (f"json://:{SECRET}", "write it as json://HOST:PORT/PATH"),
        (f"tgram://{SECRET}", "write it as tgram://BOT_TOKEN"),
        (f"phone://{SECRET}", "apprise knows no phone:// that looks so; write mailtos://USER"),
        (f"https://example.com/{SECRET}", "apprise knows no https:// that looks so; write"),
    ],
)
def test_what_cannot_be_used_is_named_with_the_form_it_should_have(url: str, form: str) -> None:
    with pytest.raises(WrongUseError, match="LAKELOOP_NOTIFY: target 2 ") as wrong:
        read_targets(targets_of(f"json://fine/ {url}"))
    assert form in str(wrong.value) and SECRET not in str(wrong.value)


def test_names_hold_no_secret() -> None:
    assert target_name(f"slack://{SECRET}/b/c", 1) == "1 slack://…"
    assert (
        target_name(f"mailtos://me:{SECRET}@smtp.example.com?to=ops@example.com", 2) == "2 mailtos://smtp.example.com"
    )
    assert target_name(f"https://hooks.slack.com/services/{SECRET}", 3) == "3 https://hooks.slack.com"
    assert SECRET not in repr(read_targets(targets_of(f"json://me:{SECRET}@host/")))


def test_why_it_was_not_told_holds_no_secret() -> None:
    hook = Hook()
    (target,) = read_targets(targets_of(hook.url))
    with pytest.raises(NotToldError, match=r"127\.0\.0\.1"):
        target.tell(MESSAGE)
    hook.start()
    hook.status = 403
    with pytest.raises(NotToldError, match="403") as refused:
        target.tell(MESSAGE)
    hook.stop()
    assert Hook.TOKEN not in str(refused.value)


def test_a_slow_target_is_waited_for_and_not_told_again() -> None:
    (target,) = read_targets(targets_of("json://host/"))
    (service,) = target._service
    assert service.request_timeout == (15.0, 15.0)


def test_a_slack_compatible_hook_gets_a_text() -> None:
    hook = Hook().start()
    (target,) = read_targets(targets_of(f"json://127.0.0.1:{hook.port}/services/x?:message=text"))
    target.tell(MESSAGE)
    hook.stop()
    assert hook.posts[0]["text"] == "body"


def test_who_tells_nobody_does_not_import_apprise() -> None:
    code = (
        "import sys, console.cli.platform, console.cli.lake_ingest, console.cli.notify, console.cli.monitor\n"
        "from lakeloop.settings import Settings\nfrom monitoring.notification_targets import read_targets\n"
        "assert read_targets(Settings()) == () and 'apprise' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
