"""`lakeloop token`, and the name that commands put on record."""

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from console.cli.app import app


def test_tokens_are_made_shown_once_and_ended_and_switches_name_their_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKELOOP_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("COLUMNS", "200")

    def lakeloop(*words: str, **environment: str) -> Result:
        return CliRunner().invoke(app, words, env=environment)

    made = lakeloop("token", "create", "--name", "boss", "--role", "administer")
    boss = made.stdout.strip()
    assert (
        "good for" not in made.stderr
        and made.exit_code == 0
        and boss.startswith("lakeloop_")
        and boss not in made.stderr
    )
    listed = lakeloop("token", "list").output
    assert "boss" in listed and boss not in listed and "LAKELOOP_AUTH is off" in listed

    monkeypatch.setenv("LAKELOOP_AUTH", "on")
    nobody = lakeloop("token", "create", "--name", "ann", "--role", "decide")
    assert "set LAKELOOP_TOKEN" in str(nobody.exception)
    given = lakeloop("token", "create", "--name", "ann", "--role", "decide", "--days", "30", LAKELOOP_TOKEN=boss)
    assert "good for 30 days" in given.stderr
    ann = given.stdout.strip()
    less = lakeloop("token", "revoke", "boss", LAKELOOP_TOKEN=ann)
    assert "needs the role administer; the token of ann has the role decide" in str(less.exception)

    add = ("fallback", "add", "age < 25", "--why", "a test")
    assert lakeloop(*add).exit_code and lakeloop(*add, "--who", "bob", LAKELOOP_TOKEN=ann).exit_code
    assert "(ann: a test)" in lakeloop(*add, LAKELOOP_TOKEN=ann).output
    assert lakeloop("fallback", "remove", "1", "--who", "bob", LAKELOOP_TOKEN=boss).exit_code == 0
    assert "bob (through boss)" in lakeloop("fallback", "list", "--history").output

    assert lakeloop("token", "revoke", "ann", LAKELOOP_TOKEN=boss).exit_code == 0
    ended = str(lakeloop(*add, LAKELOOP_TOKEN=ann).exception)
    assert "was revoked" in ended and ann not in ended
