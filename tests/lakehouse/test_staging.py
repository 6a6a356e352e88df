import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse import staging
from lakehouse.staging import NotTaken, Staged, stage_file
from lakeloop.contract import Source

SOURCE = Source(description="things", files="things-{month}.csv", columns=("key", "size"), separator=";")


def stage(folder: Path, content: bytes) -> tuple[Staged, dict[str, bytes]]:
    path = folder / "things-2023-01.csv"
    path.write_bytes(content)
    staged = stage_file(path, 7, SOURCE, folder / "parts")
    return staged, {p.name: p.read_bytes() for p in sorted((folder / "parts").glob("*"))}


def test_the_copy_holds_the_data_lines_and_the_hash_is_the_file_s(tmp_path: Path) -> None:
    content = b"key;size\na;1\nb;2\n"
    staged, parts = stage(tmp_path, content)
    assert staged.sha256 == hashlib.sha256(content).hexdigest()
    assert (staged.header, staged.rows, staged.refusal) == (("key", "size"), 2, "")
    assert parts == {"000000000002.00000007.0.things-2023-01.csv": b"a;1\nb;2\n"}


def test_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    staged, parts = stage(tmp_path, b"\xef\xbb\xbfkey;size\r\na;1\r\nb;2\r\n")
    assert staged.header == ("key", "size")
    assert list(parts.values()) == [b"a;1\nb;2\n"]


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 64])
def test_parts_know_their_first_line_however_the_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(staging, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(staging, "PART_BYTES", 6)
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
        "000000000002.00000007.0.things-2023-01.csv": b"a;1\n",
        "000000000003.00000007.1.things-2023-01.csv": b"b;2",
    }


def test_a_single_cut_line_leaves_no_empty_part(tmp_path: Path) -> None:
    _, parts = stage(tmp_path, b"key;size\na;1")
    assert parts == {"000000000002.00000007.1.things-2023-01.csv": b"a;1"}


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


def test_extra_columns_and_another_order_are_accepted_with_a_notice(tmp_path: Path) -> None:
    staged, _ = stage(tmp_path, b"size;colour;key\n1;red;a\n")
    assert staged.header == ("size", "colour", "key")
    assert "column `colour` not in the contract" in staged.notices[0]


@pytest.mark.parametrize("content", [b"key;size\n", b"key;size"])
def test_a_header_alone_is_no_rows_and_a_notice(tmp_path: Path, content: bytes) -> None:
    staged, parts = stage(tmp_path, content)
    assert staged.rows == 0 and parts == {}
    assert staged.notices == ("things-2023-01.csv: has a header and no rows",)


def test_a_file_that_grows_while_it_is_read_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = staging._hashed

    def grow(*arguments: object) -> Iterator[bytes]:
        yield from read(*arguments)  # type: ignore[arg-type]
        with (tmp_path / "things-2023-01.csv").open("ab") as stream:
            stream.write(b"b;2\n")

    monkeypatch.setattr(staging, "_hashed", grow)
    with pytest.raises(NotTaken, match="still growing, will be taken at the next ingest"):
        stage(tmp_path, b"key;size\na;1\n")


def test_a_file_that_vanishes_while_it_is_read_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = staging._hashed

    def vanish(*arguments: object) -> Iterator[bytes]:
        yield from read(*arguments)  # type: ignore[arg-type]
        (tmp_path / "things-2023-01.csv").unlink()

    monkeypatch.setattr(staging, "_hashed", vanish)
    with pytest.raises(NotTaken, match="vanished while it was read"):
        stage(tmp_path, b"key;size\na;1\n")
    with pytest.raises(NotTaken, match="vanished before it was read"):
        stage_file(tmp_path / "things-2023-02.csv", 1, SOURCE, tmp_path / "parts")
