import subprocess
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.storage.java import archive_file, archive_options, check_java, java_command
from lakeloop.exceptions import MissingToolError


def test_missing_java_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="sudo apt-get install openjdk-17-jre-headless"):
        check_java()


def test_an_old_java_is_refused_with_its_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"needs Java 17 or 21, and .* is version 11"):
        check_java()


def test_spark_takes_its_classes_from_the_archive_that_set_up_wrote(spark: SparkSession) -> None:
    gateway = spark.sparkContext._gateway
    assert gateway is not None
    maps = Path(f"/proc/{gateway.proc.pid}/maps").read_text()
    assert str(archive_file()) in maps


def test_without_an_archive_java_is_told_nothing(tmp_path: Path) -> None:
    assert archive_options(tmp_path) == ""


def test_another_java_has_another_archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.touch(mode=0o755)
    (tmp_path / "release").write_text('JAVA_VERSION="21.0.1"\n')
    here = archive_file(tmp_path)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert archive_file(tmp_path) != here


def test_an_archive_that_does_not_fit_is_left_aside_in_silence(tmp_path: Path) -> None:
    archive_file(tmp_path).write_bytes(b"of another kind" * 1000)
    options = archive_options(tmp_path).split()
    answer = subprocess.run([java_command(), *options, "--version"], capture_output=True, text=True, check=False)
    assert answer.returncode == 0
    assert answer.stdout.startswith("openjdk") and len(answer.stdout.splitlines()) == 3
