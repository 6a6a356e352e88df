"""A Spark that commands share: real processes, real Java, and what becomes of it when one of them dies."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lakehouse.storage.shared_spark import SERVER
from lakeloop.local_server import ask_to_end
from lakeloop.settings import PROJECT
from tests.waiting import eventually

pytestmark = pytest.mark.long

# Appends three rows with a note in the commit, waits for a line where it is told to, and appends three more.
WORK = """
import json, sys
from delta.tables import DeltaTable
from lakehouse.storage.commits import commit_note
from lakehouse.storage.shared_spark import shared_spark
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case

table = sys.argv[1]
with shared_spark(open_use_case(load_settings(use_case="insurance")), lambda: None) as spark:
    java = spark._jvm.java.lang.ProcessHandle.current().pid()
    with commit_note(spark, {"table": table}):
        spark.range(3).write.format("delta").mode("append").save(table)
        print("started", java, flush=True)
        if "wait" in sys.argv:
            sys.stdin.readline()
        spark.range(3).write.format("delta").mode("append").save(table)
    rows = spark.read.format("delta").load(table).count()
    notes = {row[0] for row in DeltaTable.forPath(spark, table).history().select("userMetadata").collect()}
    assert notes == {json.dumps({"table": table})}, notes
print("done", rows, flush=True)
"""
ASK = """
from lakehouse.storage.shared_spark import shared_spark
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
with shared_spark(open_use_case(load_settings(use_case="insurance")), lambda: None) as spark:
    print(spark and spark._jvm.java.lang.ProcessHandle.current().pid())
"""
KEEP = """
from lakehouse.storage.shared_spark import keep
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
print("kept", keep(open_use_case(load_settings(use_case="insurance"))), flush=True)
"""
# What every command does that needs Spark.
COMMAND = """
import sys
from console.cli.failures import explain
from console.cli.spark import spark_of
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
try:
    with spark_of(open_use_case(load_settings(use_case="insurance"))) as spark:
        print(spark.range(5).rdd.map(lambda row: sys.executable).distinct().collect() == [sys.executable])
except Exception as error:
    print(*explain(error))
"""


class Home:
    """A home with a keeper, and commands that work in its Spark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "lake" / "_work" / "insurance"
        self.socket = self.work / f"{SERVER}.sock"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()

    def start(self, code: str, *arguments: str, keep: str = "60", **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, cwd=PROJECT,
            env={
                **os.environ, "LAKELOOP_HOME": str(self.folder), "LAKELOOP_SPARK_KEEP_SECONDS": keep,
                "LAKELOOP_SPARK_MEMORY": "512m", "TMPDIR": str(self.temporary), **environment,
            },
        )  # fmt: skip

    def java(self, **environment: str) -> int | None:
        """The Java process that a command would work in; None: one of its own."""
        told = self.start(ASK, **environment).communicate(timeout=1400)[0]
        return None if told == "None\n" else int(told)


class Command:
    """A command at work: which Java it works in, and what it says in the end."""

    def __init__(self, home: Home, table: str, *arguments: str) -> None:
        self.process = home.start(WORK, str(home.folder / table), *arguments)
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        assert words[:1] == ["started"], (words, self.process.stdout.read())
        self.java = int(words[1])

    def go_on(self) -> str:
        return self.process.communicate("\n", timeout=1400)[0]

    def die(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def keeper(home: Home) -> Iterator["subprocess.Popen[str]"]:
    process = home.start(KEEP)
    eventually(home.socket.exists, 1400)
    yield process
    process.kill()
    process.wait()


def test_commands_share_spark_at_the_same_time_and_nothing_else(home: Home, keeper: "subprocess.Popen[str]") -> None:
    second_keeper = home.start(KEEP)
    first = Command(home, "one", "wait")
    second = Command(home, "other")
    assert first.java == second.java
    assert second.go_on() == "done 6\n"  # while the first is still at work
    assert first.process.poll() is None
    assert home.java(LAKELOOP_SPARK_MEMORY="600m") is None, "Java cannot change its memory"
    assert home.java(LAKELOOP_SPARK_KEEP_SECONDS="0") is None, "nobody asked for it"
    assert second_keeper.communicate(timeout=1400)[0] == "kept False\n"
    assert ask_to_end(home.work, SERVER)
    assert home.java() is None, "it is ending"
    assert first.go_on() == "done 6\n"  # it is left to end its work
    assert keeper.communicate(timeout=1400)[0] == "kept True\n"
    assert keeper.returncode == 0
    assert not psutil.pid_exists(first.java)
    assert not ask_to_end(home.work, SERVER)


def test_who_dies_at_work_takes_java_along_unless_others_are_at_work(
    home: Home, keeper: "subprocess.Popen[str]"
) -> None:
    dying, working = Command(home, "one", "wait"), Command(home, "other", "wait")
    dying.die()
    assert working.go_on() == "done 6\n"
    alone = Command(home, "one", "wait")
    assert alone.java == working.java
    assert list(home.temporary.glob("lakeloop-java-*/spark-*"))
    alone.die()
    eventually(lambda: not psutil.pid_exists(alone.java), 1400)
    assert keeper.wait(1400) == 0
    assert not home.socket.exists()
    assert not list(home.temporary.glob("lakeloop-java-*")), "a killed Java does not tidy up"


def test_spark_ends_when_its_keeper_is_killed_and_when_its_home_is_deleted(home: Home) -> None:
    for end in (lambda process: process.kill(), lambda process: shutil.rmtree(home.work)):
        keeper = home.start(KEEP)
        eventually(home.socket.exists, 1400)
        java = home.java()
        assert java is not None and psutil.pid_exists(java)
        end(keeper)
        eventually(lambda pid=java: not psutil.pid_exists(pid), 1400)  # type: ignore[misc]
        keeper.wait(1400)


def test_a_command_that_finds_no_spark_starts_one_that_ends_by_itself(home: Home) -> None:
    told, _ = home.start(COMMAND, keep="8").communicate(timeout=1400)
    assert told.splitlines()[-1] == "True"  # its workers are of its own Python
    assert home.socket.exists()
    assert (home.folder / "logs" / "spark-keeper.log").exists()
    eventually(lambda: not home.socket.exists(), 1400)


def test_a_missing_java_is_told_by_the_command_itself(home: Home, tmp_path: Path) -> None:
    told, _ = home.start(COMMAND, JAVA_HOME=str(tmp_path)).communicate(timeout=1400)
    assert "apt-get install openjdk-17-jre-headless" in told and "Traceback" not in told
    assert not home.socket.exists()
