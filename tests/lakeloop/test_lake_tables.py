"""The lake read without Spark."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.read.tables import list_tables, open_table
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import open_lake_table, read_lake_records, read_lake_table
from lakeloop.settings import PROJECT, Settings, load_settings
from lakeloop.use_case import UseCase, open_use_case

READ_AND_END = """
import sys
from lakeloop.lake_tables import read_lake_records
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
use_case = open_use_case(load_settings(home=sys.argv[1], use_case="insurance"))
assert len(read_lake_records(use_case, "gold/some", [("name", "=", "b 7")])) == 1
"""
TIMES = 6


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with a space in its name and a table of eight files."""
    home = tmp_path / "a home"
    for number in range(8):
        rows = pa.table({"name": [f"{letter} {number}" for letter in "abc"], "n": [number] * 3})
        folder = home / "lake" / "gold" / "insurance" / "some"
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_deltalake(folder, rows, mode="append")
    return load_settings(home=home, use_case="insurance")


def test_rows_are_read_by_filter_and_column(use_case: UseCase) -> None:
    frame = read_lake_table(use_case, "gold/some", ["n"], [("name", "=", "b 7")])
    assert frame is not None and frame.to_dict("records") == [{"n": 7}]
    assert read_lake_records(use_case, "gold/some", [("n", ">", 6)])[0] == {"name": "a 7", "n": 7}
    assert read_lake_table(use_case, "gold/none") is None and read_lake_records(use_case, "gold/none") == []


def test_tables_are_found_by_a_url_as_by_a_folder(settings: Settings) -> None:
    by_url = settings.model_copy(update={"lake": (settings.home / "lake").as_uri()})
    for one in (settings, by_url):
        assert [(info.full_name, info.rows, info.version) for info in list_tables(open_use_case(one))] == [
            ("gold/some", 24, 7)
        ]
        assert open_table(open_use_case(one), "some", 2).version() == 2
    nowhere = settings.model_copy(update={"lake": (settings.home / "nowhere").as_uri()})
    assert list_tables(open_use_case(nowhere)) == []


def test_a_version_that_is_not_there_is_named(use_case: UseCase) -> None:
    at_first = open_lake_table(use_case, "gold/some", 0)
    assert at_first is not None and at_first.version() == 0
    with pytest.raises(NotFoundError, match="gold/some has no version 99"):
        open_lake_table(use_case, "gold/some", 99)


def test_a_process_that_has_read_a_table_ends_well(settings: Settings) -> None:
    """With delta-rs's own file system, more than half of them aborted at their end."""
    for _ in range(TIMES):
        done = subprocess.run(
            [sys.executable, "-c", READ_AND_END, str(settings.home)], cwd=PROJECT, capture_output=True, text=True,
            timeout=400, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
