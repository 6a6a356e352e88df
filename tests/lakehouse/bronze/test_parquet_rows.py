"""Parquet files: values of every type as texts; broken files are refused."""

import gzip
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.bronze import parquet_rows
from tests.lakehouse.bronze.staged import Stage, stage

__all__ = ["stage"]


def parquet(**columns: Any) -> bytes:
    made = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), made)
    return bytes(made.getvalue())


THINGS = parquet(key=["a", None, "c"], size=[1.5, float("nan"), 2.0])


def test_values_of_every_type_become_texts(stage: Stage) -> None:
    content = parquet(
        key=pa.array(["a", None]).dictionary_encode(), size=[0.1, None], flag=[True, False], day=[date(2023, 1, 5)] * 2,
        price=[Decimal("1.50"), None], at=pa.array([0, 1], pa.timestamp("s", "UTC")), whole=[2**60, None],
        inner=[{"x": 1, "y": {"z": "q"}}, None], many=[[1, 2], []], raw=[b"\xff", b"ok"], none=pa.nulls(2),
    )  # fmt: skip
    staged, rows = stage(content, "things.parquet", columns={"key": None, "size": None, "z": "inner.y.z"})
    assert staged.rows == 2
    assert rows[0] == {
        "key": "a", "size": "0.1", "z": "q", "_line": 1,
        "_extra": '{"flag":"true","day":"2023-01-05","price":"1.50","at":"1970-01-01 00:00:00.000Z",'
                  '"whole":"1152921504606846976","inner.x":"1","many":"[1, 2]","raw":"ff","none":null}',
    }  # fmt: skip
    assert rows[1]["_line"] == 2 and "key" not in rows[1] and "z" not in rows[1]


@pytest.mark.parametrize("content", [THINGS, gzip.compress(THINGS)])
def test_rows_are_numbered_over_batches_and_a_file_may_be_compressed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(parquet_rows, "BATCH_ROWS", 2)
    staged, rows = stage(content, "things.parquet")
    assert rows == [
        {"key": "a", "size": "1.5", "_line": 1}, {"size": "nan", "_line": 2}, {"key": "c", "size": "2", "_line": 3},
    ]  # fmt: skip
    assert staged.rows == 3


def test_a_table_without_rows_is_taken(stage: Stage) -> None:
    staged, rows = stage(parquet(key=pa.array([], pa.string()), size=pa.array([], pa.int8())), "things.parquet")
    assert (staged.refusal, staged.rows, rows) == ("", 0, [])


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (THINGS[:-20], "is no Parquet file that can be read, or breaks off"),
        (THINGS[:4] + b"\0" * 100 + THINGS[104:], "is no Parquet file that can be read, or breaks off"),
        (b"key,size\na,1\n", "is no Parquet file that can be read"),
        (b"", "is no Parquet file that can be read"),
        (parquet(Key=["a"], size=[1]), "lacks column `key`; its columns are Key, size"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(stage: Stage, content: bytes, refusal: str) -> None:
    staged, rows = stage(content, "things.parquet")
    assert staged.refusal.startswith(refusal) and rows == {}
