import csv
import hashlib
import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.bronze import parts as parts_of_files
from lakehouse.bronze import staging
from lakehouse.bronze.delivered_columns import extra_columns
from lakehouse.bronze.staging import Staged, stage_file
from lakehouse.exceptions import NotReadableYetError
from lakeloop.contract import Source

SOURCE = Source(description="things", files="things-{month}.csv", columns=("key", "size"), separator=";")


def stage(folder: Path, content: bytes) -> tuple[Staged, dict[str, bytes]]:
    path = folder / "things-2023-01.csv"
    path.write_bytes(content)
    staged = stage_file(path, path.name, 7, SOURCE, folder / "parts")
    return staged, {p.name: p.read_bytes() for p in sorted((folder / "parts").glob("*"))}


def test_the_copy_holds_the_data_lines_and_the_hash_is_the_file_s(tmp_path: Path) -> None:
    content = b"key;size\na;1\nb;2\n"
    staged, parts = stage(tmp_path, content)
    assert staged.sha256 == hashlib.sha256(content).hexdigest()
    assert (staged.content.header, staged.rows, staged.refusal) == (("key", "size"), 2, "")
    assert parts == {"000000000002.00000007.0": b"a;1\nb;2\n"}


def test_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    staged, parts = stage(tmp_path, b"\xef\xbb\xbfkey;size\r\na;1\r\nb;2\r\n")
    assert staged.content.header == ("key", "size")
    assert list(parts.values()) == [b"a;1\nb;2\n"]


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 64])
def test_parts_know_their_first_line_however_the_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(staging, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(parts_of_files, "PART_BYTES", 6)
    lines = [b"a;1", b"", b"bbbbbbbb;2", b"c;3", b"d;4", b"e;5"]
    staged, parts = stage(tmp_path, b"key;size\r\n" + b"\r\n".join(lines) + b"\r\nf;6")
    found = {}
    for name, content in parts.items():
        for offset, line in enumerate(content.removesuffix(b"\n").split(b"\n")):
            found[int(name[:12]) + offset] = (line, name[22])
    assert found == {n: (line, "0") for n, line in enumerate(lines, 2)} | {8: (b"f;6", "1")}
    assert staged.rows == 6
    assert len(parts) > (2 if chunk < 64 else 1)


def test_a_last_line_without_line_end_is_set_apart(tmp_path: Path) -> None:
    _, parts = stage(tmp_path, b"key;size\na;1\nb;2")
    assert parts == {
        "000000000002.00000007.0": b"a;1\n",
        "000000000003.00000007.1": b"b;2",
    }


def test_a_single_cut_line_leaves_no_empty_part(tmp_path: Path) -> None:
    _, parts = stage(tmp_path, b"key;size\na;1")
    assert parts == {"000000000002.00000007.1": b"a;1"}


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"", "is empty; a file of this source starts with the header key;size"),
        ("key;size\na;1\n".encode("utf-16"), "is UTF-16 text; deliver it as UTF-8"),
        ("key;size\na;1\n".encode("utf-16-le"), "holds NUL bytes"),
        (b"key;size\na;\0\n", "holds NUL bytes"),
        (b"key,size\na,1\n", "seems to use ',' between its columns; the contract wants ';'"),
        (b"key\tsize\na\t1\n", "seems to use a tab between its columns"),
        (b"key;weight\na;1\n", "lacks column `size`; its header is 'key;weight'"),
        (b"key;size;size\na;1;2\n", "names column `size` more than once"),
        (b"k\xe9y;size\na;1\n", "has a header that is not UTF-8"),
        (b"BZh91AY&SY", "is compressed (bzip2), no CSV text; deliver the table in it"),
        (b"PAR1\x15\x04\x15\x08", "is a Parquet file, no CSV text"),
        (b"key;size" + b";x" * 100_000 + b"\n", "has a first line of more than 131,072 bytes, so that is no header"),
        (b"k" * 5_000_000, "has a first line of more than 131,072 bytes"),
        (b"key;size" + b"".join(b";c%d" % n for n in range(3000)) + b"\n", "has 3,002 columns, and up to 2,000 can be"),
        (b"key;size\ra;1\r\nb;2\n", "has a carriage return inside its header; end every line in the same way"),
        (b'key;size;"two\nlines"\na;1;2\n', "has a quote in its header that is not closed on that line"),
        (b"\r\r\r\n", "lacks columns `key`, `size`"),
        (b"\n\n", "lacks columns `key`, `size`"),
    ],
)
def test_unusable_files_are_refused_with_a_reason_and_still_hashed(
    tmp_path: Path, content: bytes, refusal: str
) -> None:
    staged, parts = stage(tmp_path, content)
    assert refusal in staged.refusal
    assert staged.sha256 == hashlib.sha256(content).hexdigest()
    assert parts == {}


def test_nul_bytes_far_into_the_file_leave_no_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "CHUNK_BYTES", 16)
    content = b"key;size\n" + b"a;1\n" * 50 + b"\0" + b"b;2\n" * 50
    staged, parts = stage(tmp_path, content)
    assert "NUL" in staged.refusal and parts == {}
    assert staged.sha256 == hashlib.sha256(content).hexdigest()


def test_extra_columns_and_another_order_are_accepted(tmp_path: Path) -> None:
    staged, _ = stage(tmp_path, b"size;colour;key\n1;red;a\n")
    assert staged.content.header == ("size", "colour", "key")
    assert extra_columns(staged.content.header, SOURCE) == ("colour",)


@pytest.mark.parametrize("content", [b"key;size\n", b"key;size", b"key;size\r", b"key;size\r\n"])
def test_a_header_alone_is_no_rows(tmp_path: Path, content: bytes) -> None:
    staged, parts = stage(tmp_path, content)
    assert staged.rows == 0 and parts == {} and not staged.refusal


def test_a_file_that_grows_while_it_is_read_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = staging._hashed

    def grow(*arguments: object) -> Iterator[bytes]:
        yield from read(*arguments)  # type: ignore[arg-type]
        with (tmp_path / "things-2023-01.csv").open("ab") as stream:
            stream.write(b"b;2\n")

    monkeypatch.setattr(staging, "_hashed", grow)
    with pytest.raises(NotReadableYetError, match="still growing, will be taken at the next ingest"):
        stage(tmp_path, b"key;size\na;1\n")


def test_a_file_that_vanishes_while_it_is_read_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = staging._hashed

    def vanish(*arguments: object) -> Iterator[bytes]:
        yield from read(*arguments)  # type: ignore[arg-type]
        (tmp_path / "things-2023-01.csv").unlink()

    monkeypatch.setattr(staging, "_hashed", vanish)
    with pytest.raises(NotReadableYetError, match="vanished before it was read whole"):
        stage(tmp_path, b"key;size\na;1\n")
    with pytest.raises(NotReadableYetError, match="vanished before it was read whole"):
        stage_file(tmp_path / "things-2023-02.csv", "things-2023-02.csv", 1, SOURCE, tmp_path / "parts")


@pytest.mark.parametrize("end", [b"\r\n", b"\r\r\n", b"\r\r\r\n", b"\r"])
@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
def test_every_line_end_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes, chunk: int) -> None:
    monkeypatch.setattr(staging, "CHUNK_BYTES", chunk)
    staged, parts = stage(tmp_path, b"key;size" + end + b"a;1" + end + b"b;2" + end)
    assert (staged.content.header, staged.rows) == (("key", "size"), 2)
    assert b"".join(parts.values()) == b"a;1\nb;2\n"


def test_a_line_of_more_than_can_be_read_refuses_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_of_files, "LINE_BYTES", 1000)
    monkeypatch.setattr(staging, "CHUNK_BYTES", 64)
    staged, parts = stage(tmp_path, b"key;size\na;1\nb;" + b"2" * 1100 + b"\nc;3\n")
    assert staged.refusal.startswith("has more than 1,000 bytes in line 3") and parts == {}
    staged, parts = stage(tmp_path, b"key;size\na;1\nb;" + b"2" * 900 + b"\nc;3\n")
    assert (staged.refusal, staged.rows) == ("", 3)


def records(parts: dict[str, bytes]) -> dict[int, bytes]:
    """Line number -> what the copy has there, blank lines left out."""
    found = {}
    for name, content in parts.items():
        for offset, line in enumerate(content.removesuffix(b"\n").split(b"\n")):
            if line:
                found[int(name[:12]) + offset] = line
    return found


def test_a_line_break_inside_quotes_belongs_to_its_field_and_lines_keep_their_numbers(tmp_path: Path) -> None:
    staged, parts = stage(tmp_path, b'key;size\n"A\nB";1\nC;"x\r\n\r\ny"\nD;2\n')
    assert staged.content.quoted and staged.rows == 3
    assert records(parts) == {2: b'"A\0B";1', 4: b'C;"x\0\0y"', 7: b"D;2"}


@pytest.mark.parametrize(
    "line",
    [b'b;"open', b'"b;2', b'"b"x;2', b'b;"2"x', b'b;2";', b'b;5" pipe', b'b;"";"', b'"'],
)
@pytest.mark.parametrize("others", [b"c;3\n", b'"c";3\n', b'c;"3"\n', b'"c""d";"3"\n'])
def test_a_quote_that_is_not_closed_swallows_no_other_line(tmp_path: Path, line: bytes, others: bytes) -> None:
    staged, parts = stage(tmp_path, b"key;size\na;1\n" + line + b"\n" + others * 5)
    kept = others.removesuffix(b"\n")
    assert records(parts) == {2: b"a;1", 3: line} | dict.fromkeys(range(4, 9), kept)
    assert (staged.rows, staged.content.quoted) == (7, False)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 1 << 20])
def test_any_table_python_can_write_is_staged_record_by_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(staging, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(parts_of_files, "PART_BYTES", 50)
    choice = random.Random(chunk)
    rows = [["".join(choice.choices('ab;"\n \u20ac', k=choice.randrange(6))) for _ in range(2)] for _ in range(60)]
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="\n").writerows([["key", "size"], *rows])
    staged, parts = stage(tmp_path, text.getvalue().encode())
    lines = [line.replace(b"\0", b"\n").decode() for line in records(parts).values()]
    read = [next(csv.reader(io.StringIO(line, newline=""), delimiter=";")) for line in lines]
    assert read == rows and staged.rows == 60
    assert list(records(parts)) == first_lines(text.getvalue())


def first_lines(text: str) -> list[int]:
    """The number of the line in which each record begins, without the header."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";")
    numbers, before = [], 0
    for _ in reader:
        numbers.append(before + 1)
        before = reader.line_num
    return numbers[1:]
