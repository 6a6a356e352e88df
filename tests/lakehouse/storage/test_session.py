from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.storage.session import check_java, spark_options
from lakeloop.exceptions import MissingToolError
from lakeloop.settings import Settings


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


def test_only_on_this_machine_the_driver_is_told_its_address(tmp_path: Path) -> None:
    cluster = spark_options(Settings(home=tmp_path, use_case="any", spark_master="spark://master:7077"))
    local = spark_options(Settings(home=tmp_path, use_case="any"))
    assert local["spark.driver.host"] == local["spark.driver.bindAddress"] == "127.0.0.1"
    assert cluster["spark.master"] == "spark://master:7077"
    assert not cluster.keys() & {"spark.driver.host", "spark.driver.bindAddress"}


def test_the_session_speaks_utc_and_has_no_web_page(spark: SparkSession) -> None:
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.sparkContext.uiWebUrl is None
