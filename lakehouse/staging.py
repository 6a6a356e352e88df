"""Copies one delivered file into the staging folder while hashing and checking it.

What Spark reads afterwards is the copy: data lines only, `\\n` line ends, in parts that start at a known line. So a
file that grows or vanishes cannot hurt, and every row knows its line without counting rows on the cluster.
"""

import csv
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lakeloop.contract import Source

CHUNK_BYTES = 4 << 20
PART_BYTES = 32 << 20
BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
SEPARATORS = {";": "';'", ",": "','", "\t": "a tab", "|": "'|'"}


class NotTaken(Exception):
    """The file changed while it was read; nothing of it counts. The text says when it is looked at again."""


class Refusal(Exception):
    """The file's content cannot be taken; the text says why and what the contract wants."""


@dataclass(frozen=True)
class FileState:
    """What the file system says of a file: bytes and microseconds since 1970."""

    bytes: int
    modified: int


@dataclass(frozen=True)
class Staged:
    """One file's copy. `header` holds its columns as delivered; a refused file has a `refusal` and no parts."""

    file: str
    sha256: str
    state: FileState
    header: tuple[str, ...] = ()
    rows: int = 0
    notices: tuple[str, ...] = ()
    refusal: str = ""


def file_state(path: Path) -> FileState:
    """Size and time of the file at `path`, to the microsecond."""
    stat = path.stat()
    return FileState(stat.st_size, stat.st_mtime_ns // 1000)


def stage_file(path: Path, number: int, source: Source, folder: Path) -> Staged:
    """Copy the file's data lines into `folder` as parts named `<line>.<number>.<cut>.<file>`.

    `line` is the number of the part's first line in the delivered file (12 digits), `number` the delivery's number
    (8 digits); `cut` is 1 for a last line without line end. A refused file is hashed to its end all the same.

    Raises:
        NotTaken: the file vanished, or grew or changed while it was read.
        OSError: the staging folder cannot be written.
    """
    try:
        before = file_state(path)
        stream = path.open("rb")
    except FileNotFoundError:
        raise NotTaken(f"{path.name}: vanished before it was read; it is taken when it is there again") from None
    digest = hashlib.sha256()
    with stream:
        chunks = _hashed(stream, digest)
        try:
            header, first = _read_header(chunks, source)
            notices = _header_notices(path.name, header, source)
            parts = _Parts(folder, number, path.name)
            try:
                for chunk in _unix_lines(_checked(first, chunks)):
                    parts.write(chunk)
            finally:
                parts.close()
            refusal, rows = "", parts.rows
        except Refusal as problem:
            refusal, header, notices, rows = str(problem), (), (), 0
            for part in folder.glob(f"*.{number:08d}.*"):
                part.unlink()
            for _ in chunks:
                pass
    try:
        after = file_state(path)
    except FileNotFoundError:
        raise NotTaken(f"{path.name}: vanished while it was read; it is taken when it is there again") from None
    if after != before:
        raise NotTaken(f"{path.name}: still growing, will be taken at the next ingest")
    if not refusal and rows == 0:
        notices = (*notices, f"{path.name}: has a header and no rows")
    return Staged(path.name, digest.hexdigest(), before, header, rows, notices, refusal)


def _hashed(stream: BinaryIO, digest: "hashlib._Hash") -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        digest.update(chunk)
        yield chunk


def _read_header(chunks: Iterator[bytes], source: Source) -> tuple[tuple[str, ...], bytes]:
    """The header's columns and the bytes read beyond it."""
    start = next(chunks, b"")
    wanted = source.separator.join(source.columns)
    if not start:
        raise Refusal(f"is empty; a file of this source starts with the header {wanted}")
    if start.startswith(UTF16):
        raise Refusal("is UTF-16 text; deliver it as UTF-8")
    start = start.removeprefix(BOM)
    while b"\n" not in start and (more := next(chunks, b"")):
        start += more
    line, _, rest = start.partition(b"\n")
    if b"\0" in line:
        raise Refusal("holds NUL bytes, so it is not UTF-8 text; deliver it as UTF-8")
    try:
        text = line.decode("utf-8").removesuffix("\r")
    except UnicodeDecodeError:
        raise Refusal(f"has a header that is not UTF-8; it should be {wanted}") from None
    header = _columns(text, source.separator)
    doubles = sorted({name for name in header if header.count(name) > 1})
    missing = [name for name in source.columns if name not in header]
    if missing:
        for separator, spelled in SEPARATORS.items():
            if set(source.columns) <= set(_columns(text, separator)):
                wants = SEPARATORS.get(source.separator, repr(source.separator))
                raise Refusal(f"seems to use {spelled} between its columns; the contract wants {wants}")
        raise Refusal(f"lacks {_listed(missing)}; its header is {text[:300]!r}, and it must name {wanted}")
    if doubles:
        raise Refusal(f"names {_listed(doubles)} more than once in its header; name each column once")
    return header, rest


def _columns(line: str, separator: str) -> tuple[str, ...]:
    names = next(csv.reader([line], delimiter=separator), [])
    return tuple(name.strip() or f"column_{position}" for position, name in enumerate(names, 1))


def _listed(names: list[str]) -> str:
    return ("column " if len(names) == 1 else "columns ") + ", ".join(f"`{name}`" for name in names)


def _header_notices(file: str, header: tuple[str, ...], source: Source) -> tuple[str, ...]:
    extra = [name for name in header if name not in source.columns]
    if not extra:
        return ()
    return (f"{file}: {_listed(extra)} not in the contract; kept in bronze (`_extra`), used nowhere",)


def _checked(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in (piece for source in ((first,), chunks) for piece in source):
        if b"\0" in chunk:
            raise Refusal("holds NUL bytes, so it is not UTF-8 text; deliver it as UTF-8")
        if chunk:
            yield chunk


def _unix_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes with `\\r\\n` as `\\n`, also where a chunk ends between the two."""
    held = b""
    for chunk in chunks:
        chunk = held + chunk
        held = b"\r" if chunk.endswith(b"\r") else b""
        chunk = chunk.removesuffix(b"\r")
        yield chunk.replace(b"\r\n", b"\n") if b"\r" in chunk else chunk
    if held:
        yield held


class _Parts:
    """Writes lines into parts of about PART_BYTES; a line never spans two. The header was line 1."""

    def __init__(self, folder: Path, number: int, file: str) -> None:
        self.folder, self.number, self.file = folder, number, file
        self.line, self.rows = 2, 0
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

    def _open(self, line: int, cut: bool) -> BinaryIO:
        self.folder.mkdir(parents=True, exist_ok=True)
        return (self.folder / f"{line:012d}.{self.number:08d}.{int(cut)}.{self.file}").open("w+b")

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
