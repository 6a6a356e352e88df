"""What `lakeloop retrain` refuses before anything starts."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli.app import app
from lakeloop.exceptions import WrongUseError


def refused(home: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> str:
    monkeypatch.setenv("LAKELOOP_HOME", str(home))
    result = CliRunner().invoke(app, ["retrain", *options])
    assert isinstance(result.exception, WrongUseError), result.exception
    assert not (home / "lake").exists()
    return str(result.exception)


def test_an_unknown_strategy_is_answered_with_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = refused(tmp_path, monkeypatch, "--strategy", "hope")
    assert "'hope'" in text and "auto, newest, all, drop, reweight, resample, tune, kinds, keep" in text


def test_months_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--periods 12-3 runs backwards" in refused(tmp_path, monkeypatch, "--periods", "12-3")


def test_the_generators_labels_are_no_option_for_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKELOOP_HOME", str(tmp_path))
    assert CliRunner().invoke(app, ["retrain", "--oracle"]).exit_code == 2
