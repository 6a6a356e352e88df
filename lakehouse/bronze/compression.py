"""What a delivered file holds, taken out of the gzip, zstd or zip it came in; its content tells, not its name."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from lakehouse.bronze.chunks import beginning
from lakehouse.exceptions import FileRefusedError

GZIP, ZSTD, ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"
CHUNK_BYTES = 4 << 20
EXCEL = "[Content_Types].xml"


class _Readable(io.RawIOBase):
    """Chunks as a file that can be read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._held = chunks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._held:
            self._held = memoryview(next(self._chunks, b""))
        size = min(len(buffer), len(self._held))
        buffer[:size] = self._held[:size]
        self._held = self._held[size:]
        return size


def decompressed(chunks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """The same chunks, or what they hold compressed; `path` is where they come from.

    Raises:
        FileRefusedError: while it is read: it breaks off, is damaged, or is an archive of several files.
    """
    start, whole = beginning(chunks, len(ZIP))
    if start.startswith(GZIP):
        return _checked(_read(gzip.GzipFile(fileobj=io.BufferedReader(_Readable(whole)))), "gzip")
    if start.startswith(ZSTD):
        readable = io.BufferedReader(_Readable(whole))
        return _checked(_read(pa.CompressedInputStream(pa.PythonFile(readable, "r"), "zstd")), "zstd")
    if start.startswith((ZIP, EMPTY_ZIP)):
        for _ in whole:  # an archive is read from its end, and whoever counts or hashes the chunks needs them all
            pass
        return _checked(_only_member(path), "zip")
    return whole


def _read(stream: gzip.GzipFile | pa.CompressedInputStream) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _checked(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    try:
        yield from chunks
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        raise FileRefusedError(
            f"is compressed with {name} and breaks off or is damaged ({error}); compress and deliver it again"
        ) from None


def _only_member(path: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        if EXCEL in archive.namelist():
            raise FileRefusedError("is an Excel workbook; deliver the table in it as CSV or Parquet")
        files = [file for file in archive.infolist() if not file.is_dir() and not _is_hidden(file.filename)]
        if len(files) != 1:
            raise FileRefusedError(f"is a zip archive of {len(files)} files; deliver each by itself, compressed or not")
        if files[0].flag_bits & 1:
            raise FileRefusedError("is a zip archive with a password; deliver it without one")
        try:
            with archive.open(files[0]) as member:
                while chunk := member.read(CHUNK_BYTES):
                    yield chunk
        except NotImplementedError as error:
            raise FileRefusedError(f"is a zip archive that cannot be read ({error}); deliver it as gzip") from None


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
