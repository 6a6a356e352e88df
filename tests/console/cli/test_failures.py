"""What fails ends as a sentence, with its traceback in a file, also where Java or the reader is gone by then."""

import errno
import logging
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from console.cli.failures import OneLine, explain, in_words, tell_other_threads_failures
from console.exceptions import SparkFailedError
from lakeloop.exceptions import NotFoundError
from lakeloop.settings import PROJECT, Settings
from tests.command_line import COMMAND, Run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKELOOP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class OfJavaError(Exception):
    """Its text lives in Java, and Java is gone."""

    def __str__(self) -> str:
        raise AssertionError("SparkContext._jvm is None")


OfJavaError.__module__ = "pyspark.errors.exceptions.captured"


@pytest.mark.long
@pytest.mark.parametrize("keep_seconds", ["0", "20"])
def test_an_error_of_spark_is_told_and_kept_after_its_java_is_gone(
    lakeloop: Run, settings: Settings, keep_seconds: str
) -> None:
    folder = settings.home / "lake" / "gold" / "insurance" / "some"
    folder.mkdir(parents=True)
    for number in range(2):
        write_deltalake(folder, pa.table({"n": [number]}), mode="append")
    gone = Path(DeltaTable(folder).file_uris()[0].removeprefix("file://"))
    gone.unlink()
    told = lakeloop("lake", "optimize", LAKELOOP_SPARK_KEEP_SECONDS=keep_seconds)
    assert told.returncode == 1 and told.stdout == ""
    assert "Traceback" not in told.stderr and "\tat " not in told.stderr
    assert len(told.stderr.splitlines()) == 2 and "unexpected" in told.stderr and gone.name in told.stderr
    kept = (settings.home / "logs" / "last-failure.log").read_text()
    assert "Traceback" in kept and "\tat org.apache.spark" in kept


def test_an_error_that_cannot_be_asked_for_its_text_is_told_all_the_same(home: Path) -> None:
    text, code = explain(OfJavaError())
    assert code == 1 and text.startswith("unexpected OfJavaError: it does not say why")
    assert "test_failures.OfJavaError" not in text and (home / "logs" / "last-failure.log").is_file()


def test_of_a_worker_of_spark_the_reason_is_told_and_not_its_traceback(home: Path) -> None:
    text = (
        "An exception was thrown from the Python worker. Please see the stack trace below.\n"
        'Traceback (most recent call last):\n  File "scoring.py", line 3, in answers\n    x = 1 / 0\n'
        "ZeroDivisionError: division by zero\n\nJVM stacktrace:\norg.apache.spark.api.python.PythonException"
    )
    assert (
        "unexpected PythonException: ZeroDivisionError: division by zero\n"
        in explain(SparkFailedError("PythonException", text, ""))[0]
    )


def test_only_what_came_from_java_is_put_into_words() -> None:
    ours, plain = NotFoundError("no such table"), ValueError("x")
    assert in_words(ours) is ours and in_words(plain) is plain
    plain.__cause__ = OfJavaError()
    told = in_words(plain)
    assert isinstance(told, SparkFailedError) and (told.kind, str(told)) == ("ValueError", "x")
    assert in_words(told) is told and "exception str() failed" in told.details


def test_settings_that_cannot_be_read_are_named(lakeloop: Run) -> None:
    wrong = lakeloop("lake", "tables", LAKELOOP_SPARK_KEEP_SECONDS="abc")
    assert wrong.returncode == 2 and "Traceback" not in wrong.stderr
    assert "LAKELOOP_SPARK_KEEP_SECONDS is 'abc': Input should be a valid number" in wrong.stderr


def test_the_failure_is_kept_elsewhere_where_the_logs_cannot_be_written(home: Path, tmp_path: Path) -> None:
    home.write_text("a file where the home should be")
    text, _ = explain(ValueError("several\nlines"))
    assert text.startswith("unexpected ValueError: several\n  the details are in ")
    assert Path(text.rpartition(" ")[2]).read_text().endswith("ValueError: several\nlines\n")


def test_a_full_disk_is_one_sentence(home: Path) -> None:
    assert explain(OSError(errno.ENOSPC, "no", "/x/y"))[0].startswith("the disk is full (/x/y)")
    of_java = SparkFailedError("Py4JJavaError", "java.io.IOException: No space left on device", "")
    assert explain(of_java)[0].startswith("the disk is full; ")


def test_a_place_that_cannot_be_written_is_one_sentence(home: Path) -> None:
    for code in (errno.EACCES, errno.EROFS, errno.ENOTDIR):
        text, _ = explain(OSError(code, os.strerror(code), "/x/y"))
        assert text.startswith(f"/x/y cannot be used ({os.strerror(code)}); ") and "set LAKELOOP_HOME" in text
    of_java = SparkFailedError("Py4JJavaError", "java.io.IOException: Read-only file system\n\tat", "")
    assert explain(of_java)[0].startswith("the home cannot be written (java.io.IOException: Read-only file system); ")


def test_a_database_that_may_not_be_written_is_one_sentence(home: Path) -> None:
    home.mkdir()
    sqlite3.connect(home / "some.db").execute("create table t (n)")
    read_only = create_engine(f"sqlite:///file:{home}/some.db?mode=ro&uri=true")
    with pytest.raises(OperationalError) as caught, read_only.begin() as connection:
        connection.exec_driver_sql("insert into t values (1)")
    assert explain(caught.value)[0].startswith("the home cannot be written (")


def test_a_reader_that_goes_away_hears_no_complaint(settings: Settings) -> None:
    folder = settings.home / "lake" / "gold" / "insurance" / "some"
    folder.mkdir(parents=True)
    write_deltalake(folder, pa.table({"n": list(range(50_000))}))
    command = [*COMMAND, "lake", "show", "some", "-n", "50000"]
    environment = {**os.environ, "LAKELOOP_HOME": str(settings.home)}
    for options in ([], ["--csv"]):
        with subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT,
            env=environment,
        ) as process:  # fmt: skip
            assert process.stdout is not None and process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == ""


def test_a_log_line_never_carries_a_traceback() -> None:
    line = OneLine("%(message)s")
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f.py", 1, "event=failed", None, sys.exc_info())
    assert line.format(record) == "event=failed\n  ValueError: first"


def test_a_thread_that_fails_says_so_in_one_line(
    home: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    tell_other_threads_failures()
    thread = threading.Thread(target=lambda: [][0], name="worker")
    thread.start()
    thread.join()
    (record,) = caplog.records
    assert record.getMessage().startswith("event=thread_failed thread=worker why='unexpected IndexError: ")
    assert record.exc_info is None
