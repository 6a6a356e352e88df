"""Staged lines that can be split in one way only, split by Arrow: a tenth of the work of Spark's own parser.

Whatever is not plain beyond doubt is left to that parser (`odd_lines`), which alone tells what is wrong with a line.
"""

import numpy as np
import pyarrow as pa
from pyarrow import csv

BLOCK_BYTES = 4 << 20
_BOM = b"\xef\xbb\xbf"


def plain_fields(data: bytes, separator: str, fields: int) -> pa.Table | None:
    """The lines' fields as texts, columns `c0`, `c1`, …; an empty text is null. None where any line is not plain.

    Plain are lines of this many fields, two at least, in UTF-8, with a line end and without empty lines between them;
    quotes stand around whole fields and nowhere else.
    """
    if fields < 2 or not separator.isascii() or not data.endswith(b"\n") or data.startswith((b"\n", _BOM)):
        return None
    if any(odd in data for odd in (b"\r", b"\0", b"\n\n", b"\n" + _BOM)) or not _quotes_are_plain(data, separator):
        return None
    names = [f"c{position}" for position in range(fields)]
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(column_names=names, use_threads=False, block_size=BLOCK_BYTES),
            csv.ParseOptions(delimiter=separator),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:  # another number of fields, not UTF-8, or a line longer than a block
        return None
    return table if table.num_rows == data.count(b"\n") else None


def _quotes_are_plain(data: bytes, separator: str) -> bool:
    """Whether every quote opens a field right at its start or closes it right at its end, on the same line."""
    if b'"' not in data:
        return True
    text = np.frombuffer(data, np.uint8)
    quotes, ends = np.flatnonzero(text == ord('"')), np.flatnonzero(text == ord("\n"))
    if np.any(np.searchsorted(quotes, ends) & 1):
        return False
    before, after = text[quotes[0::2] - 1], text[quotes[1::2] + 1]  # before the first byte: the last, a line end
    return all(bool(np.all((beside == ord(separator)) | (beside == ord("\n")))) for beside in (before, after))
