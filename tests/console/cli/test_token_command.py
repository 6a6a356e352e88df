"""`lakeloop token`, and the name that commands put on record."""

from pathlib import Path

from tests.command_line import lakeloop_in


def test_tokens_are_made_shown_once_and_ended_and_switches_name_their_user(tmp_path: Path) -> None:
    lakeloop = lakeloop_in(tmp_path / "var")
    made = lakeloop("token", "create", "--name", "boss", "--role", "administer")
    boss = made.stdout.strip()
    assert made.returncode == 0 and boss.startswith("lakeloop_") and boss not in made.stderr
    listed = lakeloop("token", "list").stdout
    assert "boss" in listed and boss not in listed and "LAKELOOP_AUTH is off" in listed

    asked = lakeloop_in(tmp_path / "var", LAKELOOP_AUTH="on")
    nobody = asked("token", "create", "--name", "ann", "--role", "decide")
    assert nobody.returncode == 2 and "set LAKELOOP_TOKEN" in nobody.stderr
    ann = asked("token", "create", "--name", "ann", "--role", "decide", LAKELOOP_TOKEN=boss).stdout.strip()
    less = asked("token", "revoke", "boss", LAKELOOP_TOKEN=ann)
    assert less.returncode == 2 and "needs the role administer; the token of ann has the role decide" in less.stderr

    add = ("fallback", "add", "age < 25", "--why", "a test")
    assert asked(*add).returncode == 2
    assert asked(*add, "--who", "bob", LAKELOOP_TOKEN=ann).returncode == 2
    assert "(ann: a test)" in asked(*add, LAKELOOP_TOKEN=ann).stdout
    assert asked("fallback", "remove", "1", "--who", "bob", LAKELOOP_TOKEN=boss).returncode == 0
    assert "bob (through boss)" in asked("fallback", "list", "--history").stdout

    assert asked("token", "revoke", "ann", LAKELOOP_TOKEN=boss).returncode == 0
    ended = asked(*add, LAKELOOP_TOKEN=ann)
    assert ended.returncode == 2 and "was revoked" in ended.stderr and ann not in ended.stderr
