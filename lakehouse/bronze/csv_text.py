"""CSV text of any writing -> parts: UTF-8, `\\n` line ends, one record a line, below a header whose columns are known.

Files in the usual dialect go on as lines, which Arrow or Spark split; others are split at once (`dialect_rows`).
"""

import codecs
import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from lakehouse.bronze import parts
from lakehouse.bronze.chunks import beginning, joined
from lakehouse.bronze.delivered_columns import Content, check_columns, in_own_names, renamed_columns
from lakehouse.bronze.dialect_rows import dialect, stage_dialect
from lakehouse.bronze.parts import LineParts, RowParts
from lakehouse.bronze.quoted_lines import LINE_BREAK, joined_records
from lakehouse.exceptions import FileRefusedError
from lakeloop.contract import Source

HEADER_BYTES = 128 << 10
HEADER_COLUMNS = 2_000
MOST_LINES_ABOVE = 1_000
"""Among so many lines the header is looked for."""
BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
UTF8 = codecs.lookup("utf-8").name
SEPARATORS = {";": "';'", ",": "','", "\t": "a tab", "|": "'|'"}
OTHER_FORMATS = {
    b"BZh": "compressed (bzip2)",
    b"\xfd7zXZ\0": "compressed (xz)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"%PDF": "a PDF document",
}
NUL_BYTES = "holds NUL bytes, so it is not UTF-8 text; deliver it as UTF-8"


def stage_csv(chunks: Iterator[bytes], source: Source, may_lack: Collection[str], folder: Path, number: int) -> Content:
    """The file's data lines as parts in `folder`.

    Raises:
        FileRefusedError: it is no CSV text in the contract's writing, or lacks a column.
    """
    head = _Head(_text_lines(chunks, source), source, may_lack)
    header = head.read()
    own, renamed = in_own_names(header, source), renamed_columns(header, source)
    lines = head.lines()
    if source.read.quote != '"' or source.read.escape:
        split = stage_dialect(lines, source, own, RowParts(folder, number, source.columns), head.number + 1)
        return replace(split, renamed=renamed)
    written = LineParts(folder, number, head.number + 1)
    quoted = False
    joined = joined_records(lines, source.separator, len(header))
    try:
        for chunk in _without_comments(joined, source.read.comment.encode()) if source.read.comment else joined:
            quoted = quoted or LINE_BREAK in chunk
            written.write(chunk)
    finally:
        written.close()
    return Content(own, written.rows, quoted, renamed=renamed)


def utf8(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The same text in UTF-8, without byte order mark; what is said to be UTF-8 goes on as it is, checked or not.

    Raises:
        FileRefusedError: while it is read: it is not text in this encoding.
    """
    start, whole = beginning(chunks, len(BOM))
    if codecs.lookup(encoding).name in (UTF8, "utf-8-sig"):
        if start.startswith(UTF16):
            raise FileRefusedError(
                "is UTF-16 text; deliver it as UTF-8, or say in the contract: `read: {encoding: utf-16}`"
            )
        return joined(start.removeprefix(BOM), chunks)
    if start.startswith(BOM):
        raise FileRefusedError(f"begins with the mark of UTF-8, and the contract says it is written in {encoding}")
    return _recoded(whole, encoding)


def _recoded(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder, line = codecs.getincrementaldecoder(encoding)("strict"), 1
    try:
        for chunk in chunks:
            text = decoder.decode(chunk)
            line += text.count("\n")
            if text:
                yield text.encode("utf-8")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += error.object[: error.start].count(b"\n")
        raise _wrong_encoding(encoding, f"the byte 0x{error.object[error.start]:02x} in line {line:,}") from None
    except UnicodeError as error:
        raise _wrong_encoding(encoding, str(error)) from None


def _wrong_encoding(encoding: str, why: str) -> FileRefusedError:
    return FileRefusedError(f"is not written in {encoding}, as the contract says ({why}); say its `encoding` there")


def _text_lines(chunks: Iterator[bytes], source: Source) -> Iterator[bytes]:
    """The file's text in UTF-8 with `\\n` line ends, in chunks."""
    start, lines = beginning(utf8(_known_as_text(chunks, source), source.read.encoding), HEADER_BYTES + 1, b"\n")
    old_macintosh = b"\n" not in start and b"\r" in start.rstrip(b"\r")
    return _unix_lines(_checked(lines), old_macintosh)


def _known_as_text(chunks: Iterator[bytes], source: Source) -> Iterator[bytes]:
    start, whole = beginning(chunks, max(map(len, OTHER_FORMATS)))
    if not start:
        wanted = "the header " + _wanted(source) if source.read.header else f"{len(source.in_files)} columns"
        raise FileRefusedError(f"is empty; a file of this source starts with {wanted}")
    for magic, format_name in OTHER_FORMATS.items():
        if start.startswith(magic):
            hint = ", or say `format: parquet` in the contract" if magic == b"PAR1" else ""
            raise FileRefusedError(f"is {format_name}, no CSV text; deliver the table in it as CSV{hint}")
    return whole


class _Head:
    """The lines above the rows; `number` is that of the last of them in the delivered file."""

    def __init__(self, lines: Iterator[bytes], source: Source, may_lack: Collection[str]) -> None:
        self._lines, self._source, self._may_lack = lines, source, may_lack
        self._held = b""
        self.number = 0

    def read(self) -> tuple[str, ...]:
        """The columns as the header names them, or `column_1`, … of a file without header."""
        source, comment = self._source, self._source.read.comment.encode()
        if isinstance(source.read.skip_lines, int):
            self._skip(source.read.skip_lines)
        else:
            self._go_to_header()
        while comment and self._held_line().startswith(comment):
            self._take()
        if not source.read.header:
            return self._columns_by_position()
        line = self._held_line().rstrip(b"\r")
        self._take()
        if len(line) > HEADER_BYTES:
            raise FileRefusedError(
                f"has a first line of more than {HEADER_BYTES:,} bytes, so that is no header; it should be "
                f"{_wanted(source)}"
            )
        if b"\r" in line:
            raise FileRefusedError(
                "has a carriage return inside its header; end every line in the same way, with a line feed"
            )
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            raise FileRefusedError(
                f"has a header that is not UTF-8; it should be {_wanted(source)}, in UTF-8 or in the encoding that the "
                "contract says"
            ) from None
        header = _columns(text, source, source.separator)
        _check_header(header, text, source, self._may_lack)
        return header

    def lines(self) -> Iterator[bytes]:
        """What is below, in chunks; up to the line that ends the table."""
        until, below = self._source.read.until.encode(), joined(self._held, self._lines)
        return _before_line(below, until) if until else below

    def _skip(self, lines: int) -> None:
        for above in range(lines):
            if not self._has_line():
                raise FileRefusedError(
                    f"has {above:,} lines, and the contract says that {lines:,} stand above its rows"
                )
            self._take()

    def _go_to_header(self) -> None:
        """Pass what stands above the first line that names the columns."""
        source, wanted = self._source, [name for name in self._source.in_files if name not in self._may_lack]
        for _ in range(MOST_LINES_ABOVE):
            if not self._has_line():
                break
            named = _names_in(self._held_line().decode("utf-8", "replace"), source, source.separator)
            if set(wanted) <= set(in_own_names(named, source)):
                return
            self._take()
        raise FileRefusedError(f"has no header in its first {self.number:,} lines; it should name {_wanted(source)}")

    def _columns_by_position(self) -> tuple[str, ...]:
        """A file without header has as many columns as its first line that is not empty."""
        while self._held_line() == b"" and self._has_line():
            self._take()
        text = self._held_line().decode("utf-8", "replace")
        found = len(_columns(text, self._source, self._source.separator))
        names = tuple(f"column_{position}" for position in range(1, found + 1))
        lacking = [name for own in self._source.in_files for name in self._source.delivered(own) if name not in names]
        if text and lacking:
            raise FileRefusedError(
                f"has {found} columns in line {self.number + 1} ({text[:100]!r}), and the contract wants more, up to "
                f"{max(int(name.removeprefix('column_')) for name in lacking)}; between them stands "
                f"{SEPARATORS.get(self._source.separator, repr(self._source.separator))}"
            )
        return names if text else tuple(name for own in self._source.in_files for name in self._source.delivered(own))

    def _has_line(self) -> bool:
        """Whether a line is there; it is held then, whole or its first HEADER_BYTES."""
        while b"\n" not in self._held and len(self._held) <= HEADER_BYTES and (more := next(self._lines, b"")):
            self._held += more
        return bool(self._held)

    def _held_line(self) -> bytes:
        return self._held.partition(b"\n")[0] if self._has_line() else b""

    def _take(self) -> None:
        """Go on to the next line."""
        while b"\n" not in self._held and (more := next(self._lines, b"")):
            self._held = more
        self._held = self._held.partition(b"\n")[2]
        self.number += 1


def _wanted(source: Source) -> str:
    return source.separator.join(source.delivered(own)[0] for own in source.in_files)


def _check_header(header: tuple[str, ...], text: str, source: Source, may_lack: Collection[str]) -> None:
    try:
        check_columns(header, source, may_lack, f"its header is {text[:300]!r}, and it must name {_wanted(source)}")
    except FileRefusedError:
        for separator, spelled in SEPARATORS.items():
            other = in_own_names(_columns(text, source, separator), source)
            if separator != source.separator and set(source.in_files) <= set(other):
                wants = SEPARATORS.get(source.separator, repr(source.separator))
                raise FileRefusedError(
                    f"seems to use {spelled} between its columns; the contract wants {wants}"
                ) from None
        raise
    if source.read.quote and text.count(source.read.quote) % 2 and not source.read.escape:
        raise FileRefusedError(
            "has a quote in its header that is not closed on that line; write the names without quotes"
        )
    if len(header) > HEADER_COLUMNS:
        raise FileRefusedError(
            f"has {len(header):,} columns, and up to {HEADER_COLUMNS:,} can be read; leave out those that are not in "
            "the contract"
        )


def _names_in(line: str, source: Source, separator: str) -> tuple[str, ...]:
    """The columns that a line names; none where it cannot be a header."""
    try:
        return _columns(line, source, separator)
    except FileRefusedError:
        return ()


def _columns(line: str, source: Source, separator: str) -> tuple[str, ...]:
    try:
        names = next(csv.reader([line], **dialect(source) | {"delimiter": separator}), [])
    except (csv.Error, TypeError, ValueError) as error:
        raise FileRefusedError(
            f"has a header that cannot be read ({error}); names are separated by {separator!r}"
        ) from None
    return tuple(name.strip() or f"column_{position}" for position, name in enumerate(names, 1))


def _checked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if b"\0" in chunk:
            raise FileRefusedError(NUL_BYTES)
        yield chunk


def _unix_lines(chunks: Iterator[bytes], old_macintosh: bool) -> Iterator[bytes]:
    """The same bytes with `\\r\\n` (and `\\r\\r\\n`) as `\\n`, also where a chunk ends between them.

    `old_macintosh`: a carriage return alone ends a line.
    """
    held = b""
    for chunk in chunks:
        chunk = held + chunk if held else chunk
        if old_macintosh:
            yield chunk.replace(b"\r", b"\n")
            continue
        kept = chunk.rstrip(b"\r")
        held = chunk[len(kept) :]
        while b"\r\n" in kept:
            kept = kept.replace(b"\r\n", b"\n")
        if len(held) > parts.LINE_BYTES:
            raise FileRefusedError(f"has more than {parts.LINE_BYTES:,} carriage returns in a row; it is no CSV text")
        yield kept
    if held:
        yield held


def _without_comments(chunks: Iterator[bytes], comment: bytes) -> Iterator[bytes]:
    """The same lines, empty ones where they begin with `comment`."""
    begins = re.compile(rb"^%s[^\n]*" % re.escape(comment), re.MULTILINE)
    held = b""
    for chunk in chunks:
        whole, line_end, rest = chunk.rpartition(b"\n")
        if not line_end and len(held) < parts.LINE_BYTES:
            held += chunk
            continue
        yield begins.sub(b"", held + whole + line_end)
        held = rest
    if held and not held.startswith(comment):
        yield held


def _before_line(chunks: Iterator[bytes], mark: bytes) -> Iterator[bytes]:
    """The lines above the first one that begins with `mark`; the rest is read and left out."""
    begins, held, ended = re.compile(rb"^%s" % re.escape(mark), re.MULTILINE), b"", False
    for chunk in chunks:
        if ended:
            continue
        held += chunk
        if found := begins.search(held):
            yield held[: found.start()]
            held, ended = b"", True
        else:
            whole, line_end, held = held.rpartition(b"\n")
            yield whole + line_end
    if held:
        yield held
