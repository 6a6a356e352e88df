"""A file may lack a column whose values may be missing, whatever its format, and no other."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.lakehouse.bronze.staged import Stage, stage

__all__ = ["stage"]


def parquet() -> bytes:
    made = pa.BufferOutputStream()
    pq.write_table(pa.table({"key": ["a"]}), made)
    return bytes(made.getvalue())


@pytest.mark.parametrize(
    ("name", "content", "words", "rows"),
    [
        ("things.csv", b"key,x\na,1\n", {}, {2: b"a,1"}),
        ("things.csv", b"key,x\na,1\n", {"read": {"quote": "'"}}, [{"key": "a", "_extra": '{"x":"1"}', "_line": 2}]),
        ("things.jsonl", b'{"key": "a"}\n', {}, [{"key": "a", "_line": 1}]),
        ("things.json", b'[{"key": "a"}]', {}, [{"key": "a", "_line": 1}]),
        ("things.parquet", parquet(), {}, [{"key": "a", "_line": 1}]),
    ],
)
def test_a_column_that_may_be_missing_may_be_lacked(
    stage: Stage, name: str, content: bytes, words: dict[str, Any], rows: Any
) -> None:
    staged, found = stage(content, name, may_lack=("size",), **words)
    assert (staged.refusal, found) == ("", rows)
    assert "size" not in staged.content.header
    staged, _ = stage(content, name, may_lack=("key",), **words)
    assert staged.refusal.startswith("lacks column `size`")
