"""Every command is listed without being imported, is what the list says, teaches, and imports no more than it needs."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import console.cli
from console.cli.app import app, application
from console.cli.commands import COMMANDS, GROUPS

HEAVY = {"pandas", "numpy", "pyarrow", "sqlalchemy", "httpx", "pyspark", "tensorflow", "fastapi", "pydantic_settings"}
MODULES = {f"console.cli.{command.module}" for command in COMMANDS.values()}
RUN = "import sys; from console.cli import main; sys.argv[1:] = {arguments!r}\ntry: main()\nexcept SystemExit: pass\n"
LOADED = "print(*sys.modules, file=sys.stderr)"


@cache
def whole(lazy: bool) -> Any:
    return get_command(application(lazy))


def command_of(words: str, lazy: bool = False) -> Any:
    found = whole(lazy)
    for word in words.split():
        found = found.commands[word]
    return found


def loaded_by(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", f"import sys\n{code}\n{LOADED}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["lake", "--help"], ["decisions", "--help"], ["lake", "tabels"]])
def test_a_list_of_commands_imports_none_of_them(arguments: list[str]) -> None:
    loaded = loaded_by(RUN.format(arguments=arguments))
    assert "console.cli.app" in loaded
    assert not loaded & (MODULES | HEAVY)


@pytest.mark.parametrize(
    ("words", "completed", "imported"),
    [("lakeloop lake hist", "history", set()), ("lakeloop events list --a", "--all", {"console.cli.events"})],
)
def test_completion_imports_the_command_whose_options_it_completes_and_no_other(
    monkeypatch: pytest.MonkeyPatch, words: str, completed: str, imported: set[str]
) -> None:
    monkeypatch.setenv("_LAKELOOP_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    code = RUN.format(arguments=[]) + LOADED
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [completed]
    assert set(done.stderr.split()) & MODULES == imported


@pytest.mark.parametrize(
    ("command", "without"),
    [
        ("lake tables", {"pandas", "sqlalchemy", "pyspark", "httpx"}),
        ("lake history", {"pandas", "sqlalchemy", "pyspark", "httpx"}),
        ("lake show", {"pandas", "sqlalchemy", "pyspark", "httpx"}),
        ("decisions list", {"pandas", "sqlalchemy", "pyspark", "httpx"}),
        ("retrain", {"pandas", "numpy", "sqlalchemy", "pyarrow", "pyspark", "httpx"}),
        ("events list", {"pandas", "pyarrow", "pyspark", "httpx"}),
        ("clock show", {"pyspark", "httpx"}),
        ("drift", {"pyspark", "httpx"}),
        ("features list", {"pyspark", "httpx"}),
        ("serve gateway", {"pandas", "pyarrow", "pyspark"}),
        ("deploy", {"pandas", "pyarrow", "pyspark"}),
    ],
)
def test_a_light_command_imports_nothing_that_it_does_not_use(command: str, without: set[str]) -> None:
    loaded = loaded_by(f"import console.cli.{COMMANDS[command].module}")
    assert not loaded & without


def test_no_command_imports_tensorflow_before_it_begins() -> None:
    """Its help, its completion and its refusals would wait for it."""
    loaded = loaded_by("from console.cli.app import application; application(lazy=False)")
    assert loaded >= MODULES
    assert not loaded & {"tensorflow", "tfx", "apache_beam", "tensorflow_data_validation", "evidently"}


def test_every_command_is_what_the_list_says_of_it() -> None:
    for group in ("", *GROUPS):
        assert list(command_of(group).commands) == list(command_of(group, lazy=True).commands)
    for words, command in COMMANDS.items():
        one, other = command_of(words, lazy=True), command_of(words)
        assert (one.name, one.hidden, one.help) == (other.name, other.hidden, command.summary)
        assert (other.help or "").split("\n")[0] == command.summary, f"`{words}` says something else of itself"


@pytest.mark.parametrize("words", ["", *GROUPS, *COMMANDS])
def test_every_help_works_and_teaches(words: str) -> None:
    shown = CliRunner().invoke(app, [*words.split(), "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert shown.exit_code == 0, shown.output
    text = re.sub(r"[\s│`]+", " ", shown.output)
    summary = COMMANDS[words].summary if words in COMMANDS else GROUPS.get(words, "Exit codes: 0 done, 1 failed")
    assert summary.replace("`", "") in text
    for parameter in command_of(words).params:
        assert getattr(parameter, "help", None), f"`{words}` does not say what {parameter.name} is"


def test_who_imports_inside_a_function_says_why() -> None:
    """Ruff wants every import at the top (PLC0415); each exception gives its reason."""
    for file in Path(console.cli.__path__[0]).glob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert "noqa: PLC0415" not in line or re.search(r"noqa: PLC0415 - \S+ \S", line), f"{file.name}: {line}"
