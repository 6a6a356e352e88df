"""The chapter on an own use case is run as it stands there, from a file to an answer, with an invented table."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from docs.book.contents import DOCS
from lakeloop.settings import PROJECT
from tests.docs.chapter import Typed, missing_lines, typed
from tests.ports import free_ports
from tests.quick_java import FIRST_COMPILER
from tests.untouched_tables import taxi_trips

pytestmark = pytest.mark.long
ROWS = 9_000
PORTS = ("MODEL_SERVER", "MODEL_SERVER_GRPC", "GATEWAY", "MONITOR")
STARTED = 'trap "kill \\$(jobs -p); wait" EXIT\nset -e\n'


@dataclass(frozen=True)
class Followed:
    """What each command of the chapter printed, and how the whole ended."""

    printed: list[tuple[Typed, str]]
    code: int
    said: str

    def of(self, words: str) -> str:
        return next(printed for step, printed in self.printed if words in step.command)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """All of it in one shell, but for `make`, whose platform other tests run."""
    folder = tmp_path_factory.mktemp("chapter")
    taxi_trips(folder, ROWS)
    (folder / "data").mkdir()
    (folder / "bin").mkdir()
    command = folder / "bin" / "lakeloop"
    command.write_text(f"#!{sys.executable}\nfrom console.cli import main\nmain()\n")
    command.chmod(0o755)
    ports = free_ports(len(PORTS))
    inherited = {name: value for name, value in os.environ.items() if name != "LAKELOOP_SPARK_KEEP_SECONDS"}
    environment = {
        **inherited, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT),
        "LAKELOOP_HOME": str(folder / "home"), "LAKELOOP_USE_CASES": str(folder / "data"),
        "JDK_JAVA_OPTIONS": FIRST_COMPILER,
        **{f"LAKELOOP_{name}_PORT": str(port) for name, port in zip(PORTS, ports, strict=True)},
    }  # fmt: skip
    steps = [
        step for step in typed(DOCS / "own-use-case.md", "From a file to an answer") if step.command[:5] != "make "
    ]
    script = STARTED + "".join(f"echo '<<{number}>>'\n{_run(step)}\n" for number, step in enumerate(steps))
    script = script.replace(":8000/", f":{ports[2]}/")
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=1400
    )
    parts = [done.stdout.partition(f"<<{number}>>\n")[2].partition("<<")[0] for number in range(len(steps))]
    yield Followed(list(zip(steps, parts, strict=True)), done.returncode, done.stdout + done.stderr)
    shutil.rmtree(folder / "home", ignore_errors=True)


def _run(step: Typed) -> str:
    if not step.command.endswith("&"):
        return step.command
    return step.command.removesuffix("&") + ">>served.log 2>&1 &"


def test_every_command_of_the_chapter_works_as_it_stands_there(followed: Followed) -> None:
    assert followed.code == 0, followed.said


def test_what_the_chapter_shows_is_what_is_printed(followed: Followed) -> None:
    shown = [(step, printed) for step, printed in followed.printed if step.shown]
    assert len(shown) >= 2
    for step, printed in shown:
        assert not missing_lines(step.shown, printed), f"$ {step.command}\n{printed}"


def test_the_model_passed_its_gate_and_says_how_far_it_is_from_what_it_has_to_beat(followed: Followed) -> None:
    trained = followed.of("lakeloop train")
    assert "blessed, pushed as version" in trained and "majority 0." in trained and "trees 0." in trained


def test_no_row_is_lost_on_the_way(followed: Followed) -> None:
    assert "rejected" not in followed.of("lake ingest")
