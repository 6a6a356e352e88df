"""`lakeloop models`: what serves, a hand on it, and the same in the list of decisions."""

import pytest
from click.testing import Result
from typer.testing import CliRunner

from console.cli.app import app
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase


def test_versions_are_listed_promoted_pinned_and_rolled_back(
    use_case: UseCase, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKELOOP_HOME", str(settings.home))
    monkeypatch.setenv("LAKELOOP_GATEWAY_URL", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("COLUMNS", "200")

    def lakeloop(*words: str) -> Result:
        return CliRunner().invoke(app, words)

    assert "no model of insurance was pushed yet" in lakeloop("models", "list").output
    assert "no version of insurance serves" in lakeloop("models", "show").output
    assert "nothing was decided yet" in lakeloop("decisions", "list").output
    for version in ("1", "2"):
        folder = use_case.folder("models") / version
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").touch()

    assert isinstance(lakeloop("models", "promote", "1").exception, WrongUseError), "without a reason"
    assert isinstance(lakeloop("models", "pin", "7", "--why", "w").exception, NotFoundError)
    gone = lakeloop("models", "promote", "1", "--why", "it was right more often", "--who", "ann").output
    assert "version 1 of insurance serves; before it 2" in gone and "no gateway at" in gone
    assert "version 1 of insurance serves, pinned" in lakeloop("models", "pin", "--why", "the year's end").output
    listed = lakeloop("models", "list").output.splitlines()
    assert any("2" in line and "previous" in line for line in listed)
    assert any("1" in line and "champion, pinned" in line for line in listed)
    for shown in (lakeloop("models", "show").output, lakeloop("decisions", "list").output):
        assert "it was right more often" in shown and "ann" in shown and "pin" in shown
    assert "version 2 of insurance serves" in lakeloop("models", "rollback", "--why", "slow").output
