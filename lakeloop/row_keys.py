"""Makes the keys that no file has as they are, compound ones and those of the row itself, from delivered texts."""

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from lakeloop.contract import Contract
from lakeloop.contract.key import JOINT
from lakeloop.mended_texts import mended_column

if TYPE_CHECKING:
    import pyarrow as pa

HASH_DIGITS = 32
BETWEEN = "\0"
"""Stands between the values that are hashed: no text file holds it."""


def row_keys(
    contract: Contract, source: str, texts: "Mapping[str, pa.Array]", files: "pa.Array | pa.Scalar", lines: "pa.Array"
) -> "pa.Array":
    """The keys of rows whose delivered `texts` are by column; null where a part of a compound key is.

    A part of a key is as it is meant where the contract mends it. `files` and `lines` say where the rows were
    delivered. A row hash is over the values of the source's columns, in their names' order, so the order in which the
    contract or a file has them does not count.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    key = contract.key
    if key.made == "file_line":
        return pc.binary_join_element_wise(files, lines.cast(pa.string()), ":")
    if key.made == "row_hash":
        values = [pc.fill_null(texts[name], "") for name in sorted(contract.sources[source].columns)]
        joined = pc.binary_join_element_wise(*values, BETWEEN)
        hashes = (sha256(row.encode()).hexdigest()[:HASH_DIGITS] for row in joined.to_pylist())
        return pa.array(hashes, pa.string())
    spec = contract.sources[source]
    return pc.binary_join_element_wise(*(mended_column(spec, name, texts[name]) for name in key.columns), JOINT)
