"""What is written for a source is what the lake reads of it."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from lakehouse.bronze.staging import stage_file
from lakeloop.contract import Source
from lakeloop.exceptions import WrongUseError
from operations.delivered_file import write_delivered
from tests.lakehouse.bronze.staged import lines_of, rows_of

FRAME = pd.DataFrame(
    {"key": ["a", "b, c", 'd "e"', "\u00e4"], "size": [0.1, 1234.5, float("nan"), 0.0125], "many": [1, 2, 3, 2**60]}
)
TEXTS = [("a", "0.1", "1"), ("b, c", "1234.5", "2"), ('d "e"', None, "3"), ("\u00e4", "0.0125", str(2**60))]
COMMA = [(key, size and size.replace(".", ","), many) for key, size, many in TEXTS]


def read_back(path: Path, source: Source, folder: Path) -> list[tuple[str | None, ...]]:
    """The texts of the columns, as they would be in bronze."""
    staged = stage_file(path, path.name, 1, source, folder)
    assert staged.refusal == ""
    if staged.content.split:
        return [tuple(row.get(name) or None for name in source.columns) for row in rows_of(folder)]
    lines = b"".join(line + b"\n" for line in lines_of(folder).values())
    options = {"delimiter": source.separator}
    table = pa.csv.read_csv(
        pa.BufferReader(lines),
        pa.csv.ReadOptions(column_names=staged.content.header),
        pa.csv.ParseOptions(**options),
        pa.csv.ConvertOptions(column_types=dict.fromkeys(staged.content.header, pa.string())),
    )
    return [tuple(row[name] or None for name in source.columns) for row in table.to_pylist()]


@pytest.mark.parametrize(
    ("name", "words", "texts"),
    [
        ("rows.csv", {}, TEXTS),
        ("rows.csv.gz", {"separator": ";"}, TEXTS),
        ("rows.csv.zip", {"read": {"encoding": "latin-1", "skip_lines": 3}}, TEXTS),
        ("rows.txt", {"read": {"quote": "'", "decimal": ","}}, COMMA),
        ("rows.csv", {"read": {"escape": "\\", "separator": ","}}, TEXTS),
        ("rows.csv", {"read": {"header": False}, "columns": {"key": 2, "size": 5, "many": 1}}, TEXTS),
        ("rows.csv", {"columns": {"key": "Key, or name", "size": ("Size", "s"), "many": "Z\u00e4hler"}}, TEXTS),
        ("rows.jsonl.zst", {}, TEXTS),
        ("rows.json", {"read": {"records": "1.data"}, "columns": {"key": "at.key", "size": "s", "many": None}}, TEXTS),
        ("rows.parquet", {"columns": {"key": "at.key", "size": "s", "many": None}}, TEXTS),
    ],
)
def test_rows_are_written_as_the_contract_says_that_files_are(
    tmp_path: Path, name: str, words: dict[str, Any], texts: list[tuple[str | None, ...]]
) -> None:
    source = Source(**{"description": "rows", "files": name, "columns": ("key", "size", "many"), **words})
    write_delivered(FRAME, source, tmp_path / name)
    assert read_back(tmp_path / name, source, tmp_path / "parts") == texts
    before = (tmp_path / name).read_bytes()
    write_delivered(FRAME, source, tmp_path / name)
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize(
    "read", [{"encoding": "ascii"}, {"quote": "", "separator": ","}], ids=["no such letter", "nothing is quoted"]
)
def test_what_cannot_be_written_so_is_a_sentence(tmp_path: Path, read: dict[str, Any]) -> None:
    source = Source(description="rows", files="rows.csv", columns=("key", "size", "many"), read=read)  # type: ignore[arg-type]
    with pytest.raises(WrongUseError, match=r"rows\.csv cannot be written as the contract's `read` says"):
        write_delivered(FRAME, source, tmp_path / "rows.csv")
    assert not (tmp_path / "rows.csv").exists()
