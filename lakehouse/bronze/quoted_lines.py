"""A line break inside quotes belongs to its field (RFC 4180): such a record is put on one line while it is staged.

Only a record that is whole and has as many fields as the header is joined. A quote that is never closed joins nothing:
its line is read alone, and is the only one that is flawed.
"""

import re
from collections.abc import Iterator

import numpy as np

# Stands for a line break inside a field of the staged copy: a delivered file never holds one, it would be refused.
LINE_BREAK = b"\0"
RECORD_BYTES = 1 << 20
HELD_BYTES = 64 << 20


def joined_records(chunks: Iterator[bytes], separator: str, fields: int) -> Iterator[bytes]:
    """The same lines, those of one record joined with LINE_BREAK and followed by empty lines in the others' place.

    So a line has the number it has in the delivered file. `chunks` have `\\n` line ends alone; records of more than
    RECORD_BYTES are not joined.
    """
    record: re.Pattern[bytes] | None = None
    line, given = b"", 0  # the line that is not complete yet, and how much of it was given out already
    for chunk in chunks:
        if b'"' not in chunk and given == len(line):
            end = chunk.rfind(b"\n") + 1
            line = chunk[end:] if end else line + chunk
            given = len(line)
            yield chunk
            continue
        record = record or _record_pattern(separator.encode(), fields)
        done, line = _join(line + chunk, record, at_end=False)
        yield done[given:]
        given = max(0, given - len(done))
        if len(line) > HELD_BYTES:  # longer than any line that is taken
            yield line[given:]
            given = len(line)
    if record and given < len(line):
        done, line = _join(line, record, at_end=True)
        line = done + line
    yield line[given:]


def _join(data: bytes, record: re.Pattern[bytes], at_end: bool) -> tuple[bytes, bytes]:
    """Whole records, and what may go on in the next chunk. `data` begins where a line begins."""
    text = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    quotes_before = np.searchsorted(np.flatnonzero(text == ord('"')), ends)
    # A line that ends inside quotes has an odd number of them; the other way round it need not.
    odd = np.flatnonzero(np.diff(quotes_before, prepend=0) & 1)
    whole = int(ends[-1]) + 1 if ends.size else 0
    pieces, done = [], 0
    for line in odd.tolist():
        start = int(ends[line - 1]) + 1 if line else 0
        if start < done:
            continue
        found = record.match(data, start, min(start + RECORD_BYTES, whole))
        if found is None:
            if not at_end and len(data) - start < RECORD_BYTES:
                whole = start
                break
            continue
        joined = data[start : found.end() - 1]
        breaks = joined.count(b"\n")
        if breaks:
            pieces += [data[done:start], joined.replace(b"\n", LINE_BREAK), b"\n" * (breaks + 1)]
            done = found.end()
    pieces.append(data[done:whole])
    return b"".join(pieces), data[whole:]


def _record_pattern(separator: bytes, fields: int) -> re.Pattern[bytes]:
    """One record with its line end. Possessive: what does not match fails at once."""
    end = re.escape(separator)
    plain = rb"(?!\")[^\n%s]*+" % end if len(separator) == 1 else rb"(?!\")(?:(?!%s)[^\n])*+" % end
    field = rb'(?:"(?:[^"]++|"")*+"|%s)' % plain
    return re.compile(rb"%s(?:%s%s){%d}\n" % (field, end, field, fields - 1))
