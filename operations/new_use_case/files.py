"""The files a draft is made from: which they are, in what format, and their bytes from start, middle and end."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast
from urllib.parse import unquote

import pyarrow as pa

from lakeloop.contract.file_names import ENDINGS
from lakeloop.contract.sources import Format
from operations.new_use_case.problems import Findings

FORMATS = {ending: cast(Format, name) for name, endings in ENDINGS.items() for ending in endings}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
MOST_BYTES = 64 << 20
"""Bytes of text that are looked at; of more, a third each from start, middle and end."""
OTHERS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as CSV",
    b"%PDF": "a PDF document; a table is needed",
    b"\x89PNG": "a picture; a table is needed",
    b"\xff\xd8\xff": "a picture; a table is needed",
    b"\x7fELF": "a program; a table is needed",
    b"SQLite format 3": "an SQLite database; export the table as CSV",
    b"BZh": "compressed with bzip2; .gz, .zst and .zip are read",
    b"\xfd7zXZ": "compressed with xz; .gz, .zst and .zip are read",
    b"ORC": "an ORC file; CSV, JSON and Parquet are read",
    b"Obj\x01": "an Avro file; CSV, JSON and Parquet are read",
}


@dataclass(frozen=True)
class SampleFile:
    """One file; `ending` is its format's with that of its compression, such as `.csv.gz`.

    `columns` are those that its folders name: of `country=DE/part-0.parquet` every row has `country` DE.
    """

    path: Path
    format: Format
    compression: str
    ending: str
    columns: tuple[tuple[str, str | None], ...] = ()

    def open(self) -> IO[bytes]:
        """The bytes of its content, unpacked."""
        if self.compression == "zip":
            with zipfile.ZipFile(self.path) as archive:
                return io.BytesIO(archive.read(archive.namelist()[0]))
        if self.compression:
            return pa.input_stream(str(self.path), compression=self.compression)  # type: ignore[no-any-return]
        return self.path.open("rb")


def find_files(given: Iterable[Path], findings: Findings) -> list[SampleFile]:
    """The files named, and those in the folders named, in order of their names; what cannot be read is a problem."""
    found = []
    for path in given:
        if path.is_dir():
            inside = [file for file in sorted(path.rglob("*")) if file.is_file() and not _hidden(file, path)]
            known = [file for file in inside if _of_name(file) is not None]
            if not known:
                findings.problems.append(f"{path}: no file in it is one of {', '.join(FORMATS)}, plain or compressed")
            found += [
                replace(file, columns=_columns_in(file.path.relative_to(path))) if file is not None else None
                for file in (_known(file, findings) for file in known)
            ]
        elif path.exists():
            found.append(_known(path, findings))
        else:
            findings.problems.append(f"{path}: there is no such file or folder")
    return [file for file in found if file is not None]


def _columns_in(path: Path) -> tuple[tuple[str, str | None], ...]:
    """The columns that a file's folders say, as Hive, Spark and Arrow name them."""
    pairs = (folder.partition("=") for folder in path.parts[:-1])
    return tuple(
        (unquote(name), None if value == NO_VALUE else unquote(value)) for name, equals, value in pairs if equals
    )


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)


def _of_name(path: Path) -> tuple[Format, str, str] | None:
    """Format, compression and the whole ending by a file's name; None where no ending is known."""
    *_, before, last = ["", "", *path.suffixes]
    if last.lower() in COMPRESSIONS and before.lower() in FORMATS:
        return FORMATS[before.lower()], COMPRESSIONS[last.lower()], before + last
    return (FORMATS[last.lower()], "", last) if last.lower() in FORMATS else None


def _known(path: Path, findings: Findings) -> SampleFile | None:
    named = _of_name(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(4096)
        file = SampleFile(path, *(named or ("csv", "", path.suffix)))
        if start.startswith(b"PAR1"):
            file = SampleFile(path, "parquet", "", path.suffix)
        if start and file.compression:
            with file.open() as content:
                start = content.read(4096)
    except (OSError, zipfile.BadZipFile, IndexError, pa.ArrowInvalid) as error:
        findings.problems.append(f"{path}: cannot be read ({error})")
        return None
    if not start:
        findings.problems.append(f"{path}: is empty; a sample with a header and rows is needed")
        return None
    if file.format == "parquet":
        return file
    for magic, what in OTHERS.items():
        if start.startswith(magic):
            findings.problems.append(f"{path}: is {what}")
            return None
    if b"\0" in start and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        findings.problems.append(f"{path}: holds NUL bytes, so it is no text; CSV, JSON and Parquet are read")
        return None
    return file


def pieces(file: SampleFile, most: int = MOST_BYTES) -> tuple[list[bytes], bool]:
    """A text file's content in one piece, or of a larger one the start, the middle and the end, cut at line ends.

    Tells whether that is all of it.
    """
    if file.compression:
        with file.open() as stream:
            first = stream.read(most)
            more = stream.read(1)
        return ([first], True) if not more else ([first[: first.rfind(b"\n") + 1]], False)
    size = file.path.stat().st_size
    with file.path.open("rb") as stream:
        if size <= most:
            return [stream.read()], True
        third = most // 3
        return list(_thirds(stream, size, third)), False


def _thirds(stream: IO[bytes], size: int, third: int) -> Iterator[bytes]:
    for start in (0, size // 2 - third // 2, size - third):
        stream.seek(start)
        piece = stream.read(third)
        begin = piece.find(b"\n") + 1 if start else 0
        end = len(piece) if start + third >= size else piece.rfind(b"\n") + 1
        yield piece[begin:end]
