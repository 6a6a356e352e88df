"""Copies one delivered file into the staging folder while hashing and checking it.

What Spark reads afterwards is the copy: data lines only, `\\n` line ends, one record a line, in parts that start at a
known line. So a file that grows or vanishes cannot hurt, and every row knows its line without counting rows on the
cluster. A copy serves the ingest that made it and no other: what was interrupted is copied again.
"""

import csv
import fcntl
import hashlib
import re
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lakehouse.bronze.quoted_lines import LINE_BREAK, joined_records
from lakehouse.exceptions import FileRefusedError, NotReadableYetError
from lakeloop.contract import Source

CHUNK_BYTES = 4 << 20
PART_BYTES = 32 << 20
LINE_BYTES = 32 << 20
HEADER_BYTES = 128 << 10
HEADER_COLUMNS = 2_000
BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
SEPARATORS = {";": "';'", ",": "','", "\t": "a tab", "|": "'|'"}
OTHER_FORMATS = {
    b"\x1f\x8b": "compressed (gzip)",
    b"BZh": "compressed (bzip2)",
    b"\xfd7zXZ\0": "compressed (xz)",
    b"\x28\xb5\x2f\xfd": "compressed (zstd)",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"%PDF": "a PDF document",
}
NUL_BYTES = "holds NUL bytes, so it is not UTF-8 text; deliver it as UTF-8"


@dataclass(frozen=True)
class FileState:
    """What the file system says of a file: bytes and microseconds since 1970."""

    bytes: int
    modified: int


@dataclass(frozen=True)
class Staged:
    """One file's copy. `header` holds its columns as delivered; a refused file has a `refusal` and no parts.

    `quoted`: some record has line breaks inside its fields, and LINE_BREAK stands for each in the copy.
    """

    file: str
    sha256: str
    state: FileState
    header: tuple[str, ...] = ()
    rows: int = 0
    quoted: bool = False
    refusal: str = ""


def file_state(path: Path) -> FileState:
    """Size and time of the file at `path`, to the microsecond.

    Raises:
        NotReadableYetError: it is not there any more, or may not be looked at.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise _not_readable(error) from None
    return FileState(stat.st_size, stat.st_mtime_ns // 1000)


def file_sha256(path: Path) -> str:
    """The checksum of a file's content.

    Raises:
        NotReadableYetError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _not_readable(error) from None


def stage_file(path: Path, number: int, source: Source, folder: Path) -> Staged:
    """Copy the file's data lines into `folder` as parts named `<line>.<number>.<cut>`.

    `line` is the number of the part's first line in the delivered file (12 digits), `number` the delivery's number
    (8 digits); `cut` is 1 for a last line without line end. A refused file is hashed to its end all the same.

    Raises:
        NotReadableYetError: the file vanished, cannot be read, is being written, or changed while it was read.
        OSError: the staging folder cannot be written.
    """
    before = file_state(path)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise _not_readable(error) from None
    digest = hashlib.sha256()
    with stream:
        if _open_for_writing(stream):
            raise NotReadableYetError("is still being written, will be taken at the next ingest")
        chunks = _hashed(stream, digest)
        try:
            header, lines = _read_header(chunks, source)
            parts = _Parts(folder, number)
            quoted = False
            try:
                for chunk in joined_records(lines, source.separator, len(header)):
                    quoted = quoted or LINE_BREAK in chunk
                    parts.write(chunk)
            finally:
                parts.close()
            refusal, rows = "", parts.rows
        except FileRefusedError as problem:
            refusal, header, rows, quoted = str(problem), (), 0, False
            for part in folder.glob(f"*.{number:08d}.*"):
                part.unlink()
            for _ in chunks:
                pass
    if file_state(path) != before:
        raise NotReadableYetError("still growing, will be taken at the next ingest")
    return Staged(path.name, digest.hexdigest(), before, header, rows, quoted, refusal)


def _not_readable(error: OSError) -> NotReadableYetError:
    if isinstance(error, FileNotFoundError):
        return NotReadableYetError("vanished before it was read whole; it is taken when it is there again")
    return NotReadableYetError(f"cannot be read ({error.strerror}); it is taken when it can be")


def _open_for_writing(stream: BinaryIO) -> bool:
    """Whether a process of this machine has the file open to write, as far as the file system tells.

    A read lease is only given while nobody has. It is given back at once; whoever opens the file in between waits for
    that, and the signal that asks for it back is one that is ignored.
    """
    try:
        fcntl.fcntl(stream, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(stream, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(stream, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:  # somebody else's file, or a file system without leases
        pass
    return False


def _hashed(stream: BinaryIO, digest: "hashlib._Hash") -> Iterator[bytes]:
    while True:
        try:
            chunk = stream.read(CHUNK_BYTES)
        except OSError as error:
            raise _not_readable(error) from None
        if not chunk:
            return
        digest.update(chunk)
        yield chunk


def _read_header(chunks: Iterator[bytes], source: Source) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """The header's columns, and the lines below it with `\\n` line ends."""
    start = b""
    while b"\n" not in start and len(start) <= HEADER_BYTES and (more := next(chunks, b"")):
        start += more
    wanted = source.separator.join(source.columns)
    if not start:
        raise FileRefusedError(f"is empty; a file of this source starts with the header {wanted}")
    for magic, format_name in OTHER_FORMATS.items():
        if start.startswith(magic):
            raise FileRefusedError(f"is {format_name}, no CSV text; deliver the table in it as CSV")
    if start.startswith(UTF16):
        raise FileRefusedError("is UTF-16 text; deliver it as UTF-8")
    start = start.removeprefix(BOM)
    old_macintosh = b"\n" not in start and b"\r" in start.rstrip(b"\r")
    rest = (piece for source_of in ((start,), chunks) for piece in source_of)
    lines = _unix_lines(_checked(rest), old_macintosh)
    start = next(lines, b"")
    while b"\n" not in start and len(start) <= HEADER_BYTES and (more := next(lines, b"")):
        start += more
    line, _, below = start.partition(b"\n")
    line = line.rstrip(b"\r")
    if len(line) > HEADER_BYTES:
        raise FileRefusedError(
            f"has a first line of more than {HEADER_BYTES:,} bytes, so that is no header; it should be {wanted}"
        )
    if b"\r" in line:
        raise FileRefusedError(
            "has a carriage return inside its header; end every line in the same way, with a line feed"
        )
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise FileRefusedError(f"has a header that is not UTF-8; it should be {wanted}") from None
    header = _columns(text, source.separator)
    _check_header(header, text, source)
    return header, (piece for lines_of in ((below,), lines) for piece in lines_of if piece)


def _check_header(header: tuple[str, ...], text: str, source: Source) -> None:
    wanted = source.separator.join(source.columns)
    missing = [name for name in source.columns if name not in header]
    if missing:
        for separator, spelled in SEPARATORS.items():
            if set(source.columns) <= set(_columns(text, separator)):
                wants = SEPARATORS.get(source.separator, repr(source.separator))
                raise FileRefusedError(f"seems to use {spelled} between its columns; the contract wants {wants}")
        raise FileRefusedError(f"lacks {listed(missing)}; its header is {text[:300]!r}, and it must name {wanted}")
    if text.count('"') % 2:
        raise FileRefusedError(
            "has a quote in its header that is not closed on that line; write the names without quotes"
        )
    if doubles := sorted({name for name in header if header.count(name) > 1}):
        raise FileRefusedError(f"names {listed(doubles)} more than once in its header; name each column once")
    if len(header) > HEADER_COLUMNS:
        raise FileRefusedError(
            f"has {len(header):,} columns, and up to {HEADER_COLUMNS:,} can be read; leave out those that are not in "
            "the contract"
        )


def _columns(line: str, separator: str) -> tuple[str, ...]:
    try:
        names = next(csv.reader([line], delimiter=separator), [])
    except csv.Error as error:
        raise FileRefusedError(
            f"has a header that cannot be read ({error}); names are separated by {separator!r}"
        ) from None
    return tuple(name.strip() or f"column_{position}" for position, name in enumerate(names, 1))


def listed(names: Sequence[str]) -> str:
    """`column `a`` or `columns `a`, `b``."""
    return ("column " if len(names) == 1 else "columns ") + ", ".join(f"`{name}`" for name in names)


def extra_columns(header: tuple[str, ...], source: Source) -> tuple[str, ...]:
    """Columns of a header that the contract does not name."""
    return tuple(name for name in header if name not in source.columns)


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
        if len(held) > LINE_BYTES:
            raise FileRefusedError(f"has more than {LINE_BYTES:,} carriage returns in a row; it is no CSV text")
        yield kept
    if held:
        yield held


class _Parts:
    """Writes lines into parts of about PART_BYTES; a line never spans two. The header was line 1."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number
        self.line, self.rows = 2, 0
        self._line_bytes = 0
        self._stream: BinaryIO | None = None
        self._size = self._last_end = 0
        self._at_line_start = True

    def write(self, data: bytes) -> None:
        if self._stream is not None and self._size >= PART_BYTES and (end := data.find(b"\n") + 1):
            self._append(data[:end])
            self._finish()
            data = data[end:]
        if data:
            self._append(data)

    def _append(self, data: bytes) -> None:
        if self._stream is None:
            self._stream = self._open(self.line, cut=False)
            self._size = self._last_end = 0
        self._check_length(data)
        self._stream.write(data)
        lines = data.count(b"\n")
        empty = self._at_line_start and data.startswith(b"\n")
        blanks = int(empty) + (len(re.findall(rb"(?<=\n)\n", data)) if b"\n\n" in data else 0)
        self.line += lines
        self.rows += lines - blanks
        if lines:
            self._last_end = self._size + data.rfind(b"\n") + 1
        self._size += len(data)
        self._at_line_start = data.endswith(b"\n")

    def _check_length(self, data: bytes) -> None:
        first, last = data.find(b"\n"), data.rfind(b"\n")
        if self._line_bytes + (len(data) if first < 0 else first) > LINE_BYTES:
            raise FileRefusedError(
                f"has more than {LINE_BYTES:,} bytes in line {self.line}, more than can be read at once; check where "
                "its lines end"
            )
        self._line_bytes = len(data) - last - 1 if last >= 0 else self._line_bytes + len(data)

    def _open(self, line: int, cut: bool) -> BinaryIO:
        self.folder.mkdir(parents=True, exist_ok=True)
        return (self.folder / f"{line:012d}.{self.number:08d}.{int(cut)}").open("w+b")

    def _finish(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def close(self) -> None:
        """Close the last part; bytes after the last line end move into a part of their own, marked as cut."""
        if self._stream is not None and self._last_end < self._size:
            self._stream.seek(self._last_end)
            with self._open(self.line, cut=True) as tail:
                tail.write(self._stream.read())
            self._stream.truncate(self._last_end)
            self.rows += 1
            if self._last_end == 0:
                Path(self._stream.name).unlink()
        self._finish()
