import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lakehouse.storage.delta_jar import REGISTER, delta_jar
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import load_settings


def test_the_cut_jar_registers_delta_and_holds_nothing_else(tmp_path: Path) -> None:
    jar = delta_jar(load_settings(), cache=tmp_path)
    assert jar is not None and jar.parent == tmp_path
    with zipfile.ZipFile(jar) as entries:
        names = entries.namelist()
        assert entries.read(REGISTER).decode().strip() == "org.apache.spark.sql.delta.sources.DeltaDataSource"
    assert "io/delta/tables/DeltaTable.class" in names
    assert not [n for n in names if n.startswith(("org/rumbledb", "org/apache/iceberg", "org/mongodb", "scala/"))]
    assert [p.name for p in tmp_path.iterdir()] == [jar.name]


def test_a_cut_jar_is_not_cut_again(tmp_path: Path) -> None:
    first = delta_jar(load_settings(), cache=tmp_path)
    assert first is not None
    first.write_bytes(b"kept")
    assert delta_jar(load_settings(), cache=tmp_path) == first
    assert first.read_bytes() == b"kept"


def test_a_set_jar_comes_first(tmp_path: Path) -> None:
    mine = tmp_path / "mine.jar"
    mine.touch()
    assert delta_jar(load_settings(delta_jar=mine), cache=tmp_path / "cache") == mine
    with pytest.raises(WrongUseError, match=r"LAKELOOP_DELTA_JAR is .*gone.jar, which is not a file"):
        delta_jar(load_settings(delta_jar=tmp_path / "gone.jar"))


def test_finding_the_jar_does_not_import_pyspark() -> None:
    code = "import sys, lakehouse.storage.delta_jar; sys.exit('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
