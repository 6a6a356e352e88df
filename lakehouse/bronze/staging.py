"""Copies one delivered file into the staging folder while hashing and checking it.

What is read afterwards is the copy: rows, or data lines only, UTF-8, `\\n` line ends, one record a line, in parts that
start at a known line. So a file that grows or vanishes cannot hurt, and every row knows its line without counting rows
on the cluster. A copy serves the ingest that made it and no other: what was interrupted is copied again.
"""

import fcntl
import hashlib
import signal
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lakehouse.bronze.compression import decompressed
from lakehouse.bronze.csv_text import stage_csv
from lakehouse.bronze.delivered_columns import Content
from lakehouse.bronze.json_records import stage_json_document, stage_json_lines
from lakehouse.bronze.parquet_rows import stage_parquet
from lakehouse.exceptions import FileRefusedError, NotReadableYetError
from lakeloop.contract import Source
from lakeloop.landing_files import FileState, state_of
from lakeloop.manifest import file_sha256

CHUNK_BYTES = 4 << 20
READERS = {"csv": stage_csv, "jsonl": stage_json_lines, "json": stage_json_document}


@dataclass(frozen=True)
class Staged:
    """One file's copy: the file by its path below the source's folder, and its content.

    A refused file has a `refusal` and no parts.
    """

    file: str
    sha256: str
    state: FileState
    content: Content
    refusal: str = ""

    @property
    def rows(self) -> int:
        """Rows of the file, 0 where it was refused."""
        return self.content.rows


def file_state(path: Path) -> FileState:
    """Size and time of the file at `path`, to the microsecond.

    Raises:
        NotReadableYetError: it is not there any more, or may not be looked at.
    """
    try:
        return state_of(path.stat())
    except OSError as error:
        raise _not_readable(error) from None


def content_sha256(path: Path) -> str:
    """The checksum of a delivered file's content.

    Raises:
        NotReadableYetError: it cannot be read.
    """
    try:
        return file_sha256(path)
    except OSError as error:
        raise _not_readable(error) from None


def stage_file(
    path: Path, file: str, number: int, source: Source, folder: Path, may_lack: Collection[str] = ()
) -> Staged:
    """Copy what is in a file into `folder` as parts named `<line>.<number>.<cut>`, or `<line>.<number>.rows`.

    `file` is its path below the source's folder. `line` is the number of the part's first line in the delivered file
    (12 digits), `number` the delivery's number (8 digits); `cut` is 1 for a last line without line end. A refused file
    is hashed to its end all the same. `may_lack`: columns that the file need not have.

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
            content, refusal = _staged(chunks, path, file, number, source, folder, may_lack), ""
        except FileRefusedError as problem:
            content, refusal = Content(), str(problem)
            for part in folder.glob(f"*.{number:08d}.*"):
                part.unlink()
        for _ in chunks:
            pass
    if file_state(path) != before:
        raise NotReadableYetError("still growing, will be taken at the next ingest")
    return Staged(file, digest.hexdigest(), before, content, refusal)


def _staged(
    chunks: Iterator[bytes], path: Path, file: str, number: int, source: Source, folder: Path, may_lack: Collection[str]
) -> Content:
    inside = decompressed(chunks, path)
    written = source.format_of(file)
    if written == "parquet":
        return stage_parquet(inside, path, source, may_lack, folder, number)
    return READERS[written](inside, source, may_lack, folder, number)


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
