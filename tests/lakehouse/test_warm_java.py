"""A Java process that commands borrow: real commands, real Java, and what becomes of it when one of them dies."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lakeloop.settings import PROJECT
from tests.waiting import eventually

# What an ingest does with Spark, small: Delta written and merged, and a stream that calls back into Python.
BORROW = """
import sys, time
from pathlib import Path
from lakehouse.session import spark_session
from lakehouse.warm_java import borrowed_java
from lakeloop.settings import load_settings

settings, table = load_settings(use_case="insurance"), sys.argv[1]
with borrowed_java(settings, lambda: None) as borrowed:
    spark = spark_session(settings)
    java = spark._jvm.java.lang.ProcessHandle.current().pid()
    spark.range(3).write.format("delta").mode("append").save(table)
    print("started", borrowed, java, flush=True)
    if "wait" in sys.argv:
        time.sleep(600)
    seen = []
    stream = spark.readStream.format("delta").load(table).writeStream.trigger(availableNow=True)
    stream.foreachBatch(lambda rows, _: seen.append(rows.count())).start().awaitTermination()
    rows = spark.read.format("delta").load(table).count()
    spark.stop()
print("done", sum(seen), rows, flush=True)
"""
ASK = """
from lakehouse.warm_java import borrowed_java
from lakeloop.settings import load_settings
with borrowed_java(load_settings(use_case="insurance"), lambda: None, wait_seconds=1) as borrowed:
    print(borrowed)
"""
KEEP = """
from lakehouse.warm_java import keep
from lakeloop.settings import load_settings
print("kept", keep(load_settings(use_case="insurance")), flush=True)
"""

LAKELOOP = "from lakeloop.cli import main; main()"


class Home:
    """A home with a keeper, and commands that borrow from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "lake" / "_work" / "insurance" / "java.sock"

    def start(self, code: str, *arguments: str, keep: str = "60", **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=PROJECT,
            env={
                **os.environ, "LAKELOOP_HOME": str(self.folder), "LAKELOOP_SPARK_KEEP_SECONDS": keep,
                "LAKELOOP_SPARK_MEMORY": "512m", **environment,
            },
        )  # fmt: skip

    def borrow(self, table: str) -> "subprocess.Popen[str]":
        return self.start(BORROW, str(self.folder / table))

    def is_lent(self, **environment: str) -> bool:
        return self.start(ASK, **environment).communicate(timeout=60)[0] == "True\n"


class Borrowed:
    """What a command said: whether Java was lent to it, which process that was, and what it counted."""

    def __init__(self, command: "subprocess.Popen[str]") -> None:
        told, _ = command.communicate(timeout=120)
        words = told.split()
        assert words[:1] == ["started"], told
        self.lent, self.java = words[1] == "True", int(words[2])
        self.counts = [int(word) for word in words[4:6]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def keeper(home: Home) -> Iterator["subprocess.Popen[str]"]:
    process = home.start(KEEP)
    eventually(home.socket.exists)
    yield process
    process.kill()
    process.wait()


def test_commands_share_java_one_after_the_other_and_nothing_else(home: Home, keeper: "subprocess.Popen[str]") -> None:
    second_keeper = home.start(KEEP)
    at_once = [home.borrow("one"), home.borrow("other")]
    first, second = Borrowed(at_once[0]), Borrowed(at_once[1])
    third = Borrowed(home.borrow("one"))
    assert first.lent and second.lent and third.lent
    assert first.java == second.java == third.java
    assert first.counts == second.counts == [3, 3]
    assert third.counts == [6, 6]  # its stream reads the table from the beginning
    assert home.is_lent()
    assert not home.is_lent(LAKELOOP_SPARK_MEMORY="600m"), "Java cannot change its memory"
    assert not home.is_lent(LAKELOOP_SPARK_KEEP_SECONDS="0"), "nobody asked for it"
    assert second_keeper.communicate(timeout=60)[0] == "kept False\n"


def test_java_is_lent_to_one_at_a_time_and_ends_with_a_borrower_that_dies(
    home: Home, keeper: "subprocess.Popen[str]"
) -> None:
    working = home.start(BORROW, str(home.folder / "one"), "wait")
    assert working.stdout is not None
    words = working.stdout.readline().split()
    assert words[:2] == ["started", "True"]
    assert not home.is_lent()
    working.kill()
    working.wait()
    eventually(lambda: not psutil.pid_exists(int(words[2])))
    assert keeper.wait(30) == 0
    assert not home.socket.exists()


def test_java_ends_when_nobody_asks_and_when_its_keeper_is_killed(home: Home) -> None:
    brief = home.start(KEEP, keep="1")
    told, _ = brief.communicate(timeout=60)
    assert told == "kept True\n"
    killed = home.start(KEEP)
    eventually(home.socket.exists)
    (java,) = eventually(lambda: [p.pid for p in psutil.Process(killed.pid).children() if p.name() == "java"])
    killed.kill()
    killed.wait()
    eventually(lambda: not psutil.pid_exists(java))


def test_a_command_that_finds_no_keeper_starts_one_that_ends_by_itself(home: Home) -> None:
    told, _ = home.start(LAKELOOP, "lake", "optimize", keep="8").communicate(timeout=120)
    assert told.split() == ["table", "files", "merged", "into", "files"]
    assert home.socket.exists()
    assert (home.folder / "logs" / "java-keeper.log").exists()
    eventually(lambda: not home.socket.exists())


def test_a_missing_java_is_told_by_the_command_itself(home: Home, tmp_path: Path) -> None:
    told, _ = home.start(LAKELOOP, "lake", "optimize", JAVA_HOME=str(tmp_path)).communicate(timeout=60)
    assert "apt-get install openjdk-17-jre-headless" in told and "Traceback" not in told
    assert not home.socket.exists()
