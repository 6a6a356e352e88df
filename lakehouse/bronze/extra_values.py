"""Values of columns that the contract does not name, as one JSON text a row, made column by column by Arrow."""

import json
from collections.abc import Mapping
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

CONTROL = r"[\x00-\x1f]"


def extra_values(columns: Mapping[str, pa.ChunkedArray]) -> pa.ChunkedArray | None:
    """Name -> texts or nulls, as `{"name":"text","other":null}` a row; None without columns."""
    if not columns:
        return None
    members = [_members(name, texts) for name, texts in columns.items()]
    joined = reduce(lambda left, right: pc.binary_join_element_wise(left, right, ","), members)
    return pc.binary_join_element_wise("{", joined, "}", "")


def _members(name: str, texts: pa.ChunkedArray) -> pa.ChunkedArray:
    key = json.dumps(name, ensure_ascii=False) + ":"
    if pc.any(pc.match_substring_regex(texts, CONTROL)).as_py():
        quoted = pa.array([json.dumps(text, ensure_ascii=False) for text in texts.to_pylist()], pa.string())
    else:
        escaped = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
        quoted = pc.fill_null(pc.binary_join_element_wise('"', escaped, '"', ""), "null")
    return pc.binary_join_element_wise(key, quoted, "")
