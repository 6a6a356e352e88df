"""Compressed files are read by their content, and broken ones are refused with a sentence."""

import gzip
import hashlib
import io
import zipfile

import pyarrow as pa
import pytest

from tests.lakehouse.bronze.staged import Stage, stage

__all__ = ["stage"]
TEXT = b"key,size\na,1\nb,2\n"
ROWS = {2: b"a,1", 3: b"b,2"}


def zipped(**members: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", "/")), content)
    return made.getvalue()


def zstd(content: bytes) -> bytes:
    made = pa.BufferOutputStream()
    with pa.CompressedOutputStream(made, "zstd") as stream:
        stream.write(content)
    return bytes(made.getvalue())


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(TEXT),
        gzip.compress(TEXT[:12]) + gzip.compress(TEXT[12:]),
        zstd(TEXT),
        zipped(things=TEXT),
        zipped(folder__things=TEXT),
    ],
    ids=["gzip", "two gzips", "zstd", "zip", "zip with a folder"],
)
@pytest.mark.parametrize("name", ["things.csv", "things.csv.gz"])
def test_what_is_inside_is_read_whatever_the_name(stage: Stage, content: bytes, name: str) -> None:
    staged, lines = stage(content, name)
    assert (staged.refusal, staged.rows, lines) == ("", 2, ROWS)
    assert staged.sha256 == hashlib.sha256(content).hexdigest()


MANY = TEXT + b"".join(b"%d,%d\n" % (n, n * n) for n in range(3000))


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (gzip.compress(MANY)[:-9], "is compressed with gzip and breaks off or is damaged"),
        (gzip.compress(MANY)[:2000] + b"x" * 50 + gzip.compress(MANY)[2050:], "is compressed with gzip and breaks off"),
        (b"\x1f\x8b is no gzip", "is compressed with gzip and breaks off or is damaged"),
        (zstd(MANY)[:-9], "is compressed with zstd and breaks off or is damaged"),
        (zipped(things=MANY)[:-30], "is compressed with zip and breaks off or is damaged"),
        (zipped(things=TEXT, others=TEXT), "is a zip archive of 2 files; deliver each by itself"),
        (zipped(), "is a zip archive of 0 files"),
        (zipped(**{"[Content_Types].xml": b"<x/>"}), "is an Excel workbook; deliver the table in it as CSV or Parquet"),
        (gzip.compress(b""), "is empty; a file of this source starts with the header key,size"),
    ],
    ids=[
        "gzip cut off",
        "gzip changed",
        "no gzip",
        "zstd cut off",
        "zip cut off",
        "two files",
        "no file",
        "workbook",
        "nothing",
    ],
)
def test_a_broken_or_ambiguous_one_is_refused_and_still_hashed(stage: Stage, content: bytes, refusal: str) -> None:
    staged, lines = stage(content)
    assert staged.refusal.startswith(refusal)
    assert (staged.rows, lines) == (0, {})
    assert staged.sha256 == hashlib.sha256(content).hexdigest()


def test_what_a_mac_adds_to_an_archive_is_no_file_of_it(stage: Stage) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("things.csv", TEXT)
        archive.writestr("__MACOSX/._things.csv", b"\0\0")
    staged, lines = stage(made.getvalue())
    assert (staged.refusal, lines) == ("", ROWS)
