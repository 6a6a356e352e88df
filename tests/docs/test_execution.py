"""The workshop's chapters are run in order on one home, and a cell that fails is told."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
import psutil
import pytest

from console.platform.marked_processes import marked_processes
from docs.book.contents import DOCS
from docs.book.execution import ChapterError, run_chapters

HEADER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
```{code-cell}
%load_ext show
```
"""
Run = Callable[..., Sequence[str]]


def cell(source: str) -> str:
    return f"```{{code-cell}}\n{source}\n```\n"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs chapters given by their cells; gives what was told."""

    def run_them(**chapters: Sequence[str]) -> Sequence[str]:
        shutil.copy(DOCS / "workshop" / "show.py", tmp_path)
        for name, cells in chapters.items():
            (tmp_path / f"{name}.md").write_text(HEADER + "".join(map(cell, cells)))
        told: list[str] = []
        run_chapters(
            list(chapters), tmp_path, tmp_path / "made", tmp_path / "home", tmp_path / "pages", told.append
        )  # fmt: skip
        return told

    return run_them


def printed(notebook: Path) -> str:
    outputs = [output for one in nbformat.read(notebook, 4).cells for output in one.get("outputs", ())]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_a_chapter_finds_what_the_one_before_left_and_nothing_stays_behind(run: Run, tmp_path: Path) -> None:
    told = run(
        first=['%%bash -e\nsleep 600 > /dev/null 2>&1 &\necho "$!" > "$LAKELOOP_HOME/pid"'],
        second=['%%bash -e\nkill -0 "$(cat "$LAKELOOP_HOME/pid")"\necho "älter als $LAKELOOP_HOME" >&2'],
    )
    assert [line.split()[3] for line in told] == ["first", "second"]
    assert printed(tmp_path / "made" / "second.ipynb") == "älter als var\n"
    assert not psutil.pid_exists(int((tmp_path / "home" / "pid").read_text()))
    assert marked_processes(tmp_path / "home") == []


def test_a_command_that_fails_is_told_with_its_chapter_and_its_output(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ChapterError) as failed:
        run(first=["1 + 1"], second=["%%bash -e\necho before\nlakeloop lake inject\necho after"], third=["2"])
    text = str(failed.value)
    assert "chapter second: this cell failed" in text and "> lakeloop lake inject" in text
    assert "| before" in text and "No such command" in text and "| after" not in text
    assert not (tmp_path / "made" / "third.ipynb").exists()


def test_an_expected_code_is_no_failure_and_another_one_is(run: Run) -> None:
    with pytest.raises(ChapterError, match="chapter second: this cell failed"):
        run(first=["%%bash -e\n(exit 3) || test $? = 3"], second=["%%bash -e\n(exit 1) || test $? = 3"])


def test_a_failing_part_of_a_pipe_fails_the_cell(run: Run) -> None:
    with pytest.raises(ChapterError):
        run(first=["%%bash -e\nfalse | cat"])


def test_settings_of_whoever_builds_do_not_reach_the_chapters(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKELOOP_USE_CASE", "other")
    monkeypatch.setenv("LAKELOOP_HOME", "/elsewhere")
    asked = (
        "import os\nassert 'LAKELOOP_USE_CASE' not in os.environ\nassert os.environ['LAKELOOP_HOME'] != '/elsewhere'"
    )
    run(first=[asked])
