"""`lakeloop score` says what is missing or wrong before a Spark starts."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli.app import app


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKELOOP_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("COLUMNS", "200")


def test_what_is_not_ready_to_be_scored_is_no_failure_where_that_is_asked_for() -> None:
    answer = CliRunner().invoke(app, ["score", "--if-ready"])
    assert answer.exit_code == 0 and "nothing to score yet: there is no table `silver/policies`" in answer.output
    assert "there is no table `silver/policies`" in str(CliRunner().invoke(app, ["score"]).exception)


def test_a_table_or_model_that_was_named_is_missing_even_where_nothing_is_ready() -> None:
    table = CliRunner().invoke(app, ["score", "silver/polices", "--if-ready", "--model", "7"])
    assert "there is no table `silver/polices`" in str(table.exception)


def test_a_file_of_a_kind_that_is_not_written_is_named_with_those_that_are() -> None:
    answer = CliRunner().invoke(app, ["score", "--if-ready", "--file", "xlsx"])
    assert "--file 'xlsx': a file of scores is csv or parquet" in str(answer.exception)
