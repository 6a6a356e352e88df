"""Own code in a process of its own: what it gives, and what becomes of it when it hangs, is slow, fails or dies."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lakeloop.exceptions import OwnCodeError, OwnCodeTooSlowError
from serving.gateway import own_process
from serving.gateway.own_functions import RULES, Question, Wanted
from serving.gateway.own_process import OwnProcess

CODE = """
import os
import sys
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path


class Answer(str):
    pass


def deaf():
    while True:
        try:
            sum(range(10**12))  # no line of Python in which it could be told
        finally:
            pass


def rules(row):
    print("said by own code")
    if row["do"] == "hang":
        while "it hangs":
            pass
    if row["do"] == "sleep":
        try:
            time.sleep(600)
        except Exception:
            pass
    return {
        "text": lambda: Answer("low"),
        "names": lambda: (name for name in ("a", "b")),
        "fraction": lambda: Fraction(1, 2),
        "object": lambda: Path("/nowhere"),
        "raise": lambda: row["missing"],
        "end": lambda: os._exit(3),
        "leave": lambda: sys.exit("enough"),
        "deaf": deaf,
    }.get(row["do"], lambda: row["do"])()


def ratio(amount, count=2):
    return amount / count
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("case") / "rules.py"
    path.write_text(CODE)
    return path


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


Ask = Callable[..., Any]


@pytest.fixture
def ask(file: Path, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Ask the rules what to do; gives the answer, or those to many."""
    monkeypatch.setattr(own_process, "HELD_OFF_SECONDS", 0.2)
    monkeypatch.setattr(own_process, "GRACE_SECONDS", 0.1)
    process = OwnProcess("case", [Wanted(file, "ratio", ("amount", "count")), Wanted(file, "rules", None)], 0.5)

    def asked(*does: object, questions: list[Question] | None = None) -> Any:
        found = runner.run(process.call(questions or [(RULES, {"do": do}) for do in does]))
        return found if len(found) > 1 else found[0]

    asked.process = process  # type: ignore[attr-defined]
    yield asked
    runner.run(process.stop())


def eventually(runner: asyncio.Runner, condition: Callable[[], bool]) -> None:
    """Let the loop run until it is so."""

    async def wait() -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.02)

    runner.run(wait())


def test_values_come_back_as_what_the_gateway_knows(ask: Ask, file: Path) -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert ask(None, True, 7, 2.5, Decimal("1.20"), moment) == [None, True, 7, 2.5, Decimal("1.20"), moment]
    text, names, half, unknown = ask("text", "names", "fraction", "object")
    assert (type(text), text, names, half) == (str, "low", ["a", "b"], 0.5)
    assert unknown.kind == "PosixPath" and repr(unknown) == "PosixPath('/nowhere')"
    questions = [("ratio", {"amount": 3.0}), ("ratio", {"amount": 3.0, "count": 0}), ("ratio", {"amount": "x"})]
    half, missing, failed = ask(questions=questions)
    assert (half, missing) == (1.5, None)
    assert (failed.file, failed.line) == (file, CODE.splitlines().index("    return amount / count") + 1)
    assert ask.process.known["ratio"].optional == {"count"}  # type: ignore[attr-defined]


def test_what_fails_is_told_with_its_line_and_harms_nothing(ask: Ask) -> None:
    failed, left, good = ask("raise", "leave", "good")
    assert isinstance(failed, OwnCodeError) and failed.problem == "KeyError: 'missing'" and failed.line
    assert left.problem == "ended itself: enough" and good == "good"


@pytest.mark.parametrize("do", ["hang", "sleep"])
def test_what_hangs_is_told_where_and_after_three_times_nobody_waits_for_it(
    ask: Ask, runner: asyncio.Runner, do: str
) -> None:
    with pytest.raises(OwnCodeTooSlowError) as late:
        ask("good", do)
    said = 'while "it hangs":' if do == "hang" else "time.sleep(600)"
    lines = [line.strip() for line in CODE.splitlines()]
    assert late.value.problem == "it took longer than 500 ms" and late.value.line in (
        lines.index(said) + 1,
        lines.index(said) + 2,
    )
    assert ask("good") == "good" and not ask.process.problem  # type: ignore[attr-defined]
    if do == "hang":
        for _ in range(3):
            with pytest.raises(OwnCodeTooSlowError):
                ask(do)
        began = time.monotonic()
        with pytest.raises(OwnCodeTooSlowError, match=r"held off, because rules\.py, line \d+: it took longer"):
            ask("good")
        assert time.monotonic() - began < 0.4
        eventually(runner, lambda: not ask.process.problem)  # type: ignore[attr-defined]
        assert ask("good") == "good"


@pytest.mark.parametrize(("do", "why"), [("end", "it ended its process"), ("deaf", "and had to be ended")])
def test_a_process_that_dies_or_does_not_hear_is_started_anew(
    ask: Ask, runner: asyncio.Runner, do: str, why: str
) -> None:
    with pytest.raises(OwnCodeTooSlowError, match=why):
        ask(do)
    assert why in ask.process.problem  # type: ignore[attr-defined]
    eventually(runner, lambda: not ask.process.problem)  # type: ignore[attr-defined]
    assert ask("good") == "good"


def test_others_get_their_turn_between_the_rows_of_a_batch(ask: Ask, runner: asyncio.Runner) -> None:
    async def both() -> list[str]:
        done: list[str] = []

        async def one(name: str, rows: int) -> None:
            await ask.process.call([(RULES, {"do": "good"})] * rows)  # type: ignore[attr-defined]
            done.append(name)

        await asyncio.gather(one("batch", 1000), one("single", 1))
        return done

    assert runner.run(both()) == ["single", "batch"]


def test_one_that_cannot_be_had_is_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(OwnCodeError, match="has no function `nothing`"):
        OwnProcess("case", [Wanted(file, "nothing", None)], 1)
    ends = tmp_path / "rules.py"
    ends.write_text("import os\nos._exit(1)\n")
    with pytest.raises(OwnCodeError, match="importing it ended its process"):
        OwnProcess("case", [Wanted(ends, "rules", None)], 1)
