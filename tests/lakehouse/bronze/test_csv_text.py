"""CSV of any writing: encodings, lines above the rows, no header, comments, quotes, escapes, other names."""

from typing import Any

import pytest

from lakehouse.bronze import parts, staging
from tests.lakehouse.bronze.staged import Stage, stage

__all__ = ["stage"]
OFFICE = """Table 1-2;;;
by district;;;
2022;01001;  Norderst\u00e4dt, District;18.700,5
2022;02001;Oberm\u00fchl;.
"""
OFFICE_WORDS: dict[str, Any] = {
    "read": {"encoding": "latin-1", "separator": ";", "skip_lines": 2, "header": False},
    "columns": {"key": 2, "size": 4},
}


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_an_office_s_file_is_read_as_it_comes(stage: Stage, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(staging, "CHUNK_BYTES", chunk)
    staged, lines = stage(OFFICE.encode("latin-1").replace(b"\n", b"\r\n"), **OFFICE_WORDS)
    assert staged.content.header == ("column_1", "key", "column_3", "size")
    assert lines == {number: line.encode() for number, line in enumerate(OFFICE.splitlines()[2:], 3)}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "cp1252", "utf-32"])
def test_text_of_any_encoding_becomes_utf_8(stage: Stage, encoding: str) -> None:
    staged, lines = stage("key,size\n\u00e4,1\n".encode(encoding), read={"encoding": encoding})
    assert (staged.refusal, lines) == ("", {2: "\u00e4,1".encode()})


@pytest.mark.parametrize(
    ("content", "encoding", "refusal"),
    [
        (b"key,size\na,1\n\x81", "cp1252", "is not written in cp1252, as the contract says (the byte 0x81 in line 3)"),
        (b"key,size\na,1\n", "utf-16", "is not written in utf-16, as the contract says"),
        (b"\xef\xbb\xbfkey,size\na,1\n", "latin-1", "begins with the mark of UTF-8, and the contract says"),
        ("key,size\na,1\n".encode("utf-16"), "utf-8", "is UTF-16 text; deliver it as UTF-8, or say in the contract"),
    ],
)  # fmt: skip
def test_another_encoding_than_the_contract_says_is_refused(
    stage: Stage, content: bytes, encoding: str, refusal: str
) -> None:
    staged, lines = stage(content, read={"encoding": encoding})
    assert staged.refusal.startswith(refusal) and lines == {}


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ({"read": OFFICE_WORDS["read"] | {"skip_lines": 9}}, "has 4 lines, and the contract says that 9 stand above"),
        ({"columns": {"key": 2, "size": 7}}, "has 4 columns in line 3"),
        ({"read": OFFICE_WORDS["read"] | {"separator": "|"}}, "has 1 columns in line 3"),
    ],
)
def test_a_file_that_is_not_laid_out_so_is_refused(stage: Stage, words: dict[str, Any], refusal: str) -> None:
    staged, _ = stage(OFFICE.encode("latin-1"), **OFFICE_WORDS | words)
    assert staged.refusal.startswith(refusal)


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_a_table_ends_where_the_contract_says_and_begins_at_its_header(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(staging, "CHUNK_BYTES", chunk)
    text = b'1;2;3\n"of;may\n\nsize;note;key\n1;__;a\n2;;b\n____\n"c;\n'
    staged, lines = stage(text, read={"separator": ";", "skip_lines": "any", "until": "____"})
    assert (staged.refusal, staged.rows, lines) == ("", 2, {5: b"1;__;a", 6: b"2;;b"})


def test_a_file_whose_header_is_not_found_is_refused(stage: Stage) -> None:
    staged, _ = stage(b"size,kind\n1,a\n", read={"skip_lines": "any"})
    assert staged.refusal == "has no header in its first 2 lines; it should name key,size"


@pytest.mark.parametrize("header", [True, False])
def test_no_file_has_a_column_that_its_name_says(stage: Stage, header: bool) -> None:
    names: dict[str, Any] = {"year": "{year}", "key": "key" if header else 1, "size": "size" if header else 2}
    words: dict[str, Any] = {"files": "t-{year}.csv", "columns": names, "read": {"header": header}}
    staged, lines = stage(b"key,size\na,1\n", "t-2014.csv", **words)
    assert staged.refusal == "" and lines[2] == b"a,1"


def test_a_file_without_header_may_have_no_rows_and_is_not_empty(stage: Stage) -> None:
    staged, lines = stage(b"above\n\n", read={"header": False, "skip_lines": 1})
    assert (staged.refusal, staged.rows, lines) == ("", 0, {})


@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
def test_comments_are_no_rows_and_lines_keep_their_numbers(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(staging, "CHUNK_BYTES", chunk)
    text = b'# above\n#\nkey,size\n# it is 5"\na,1\n"#b",2\n"c\n#d",3\n #e,4\n#end'
    staged, lines = stage(text, read={"comment": "#"})
    assert lines == {5: b"a,1", 6: b'"#b",2', 7: b'"c\0#d",3', 9: b" #e,4"}
    assert staged.rows == 4


def test_columns_are_found_by_any_of_their_names_in_any_order(stage: Stage) -> None:
    names = {"key": ("Gemeindeschl\u00fcssel", "Kreis"), "size": "Fare Amount"}
    staged, _ = stage(b"Fare Amount,size,Kreis\n1,x,a\n", columns=names)
    assert staged.content.header == ("size", "size (delivered)", "key")
    staged, _ = stage(b"Fare Amount,key\n1,a\n", columns=names)
    assert staged.refusal == (
        "lacks column `Gemeindeschl\u00fcssel or Kreis`; its header is 'Fare Amount,key', and it must name "
        "Gemeindeschl\u00fcssel,Fare Amount"
    )


def test_another_quote_and_escape_are_split_here(stage: Stage) -> None:
    text = b"key,size,x\n'a,1','2',5\n'b''c',2,\n\n'd\n\ne',4,'y'\n"
    _, rows = stage(text, read={"quote": "'"})
    assert rows == [
        {"key": "a,1", "size": "2", "_extra": '{"x":"5"}', "_line": 2},
        {"key": "b'c", "size": "2", "_extra": '{"x":null}', "_line": 3},
        {"key": "d\n\ne", "size": "4", "_extra": '{"x":"y"}', "_line": 5},
    ]
    _, rows = stage(b'key,size\na\\,b,1\n"c\\"d",2\n', read={"escape": "\\"})
    assert [row["key"] for row in rows] == ["a,b", 'c"d']
    _, rows = stage(b'key\tsize\n5" pipe\t1\n', read={"quote": "", "separator": "\t"})
    assert rows == [{"key": '5" pipe', "size": "1", "_line": 2}]


def test_a_flawed_record_of_another_dialect_takes_no_other_with_it(stage: Stage) -> None:
    text = b"key,size\n'open,1\na,2\n'b',3,4\n# 'no row\nc,\xff\n'd'x,5\ne,6\nf,7"
    _, rows = stage(text, read={"quote": "'", "comment": "#"})
    assert rows == [
        {"_rescued": "'open,1", "_flaw": "the line's quotes do not match", "_line": 2},
        {"key": "a", "size": "2", "_line": 3},
        {"_rescued": "'b',3,4", "_flaw": "the line has 3 fields, 2 expected", "_line": 4},
        {"_rescued": "c,\ufffd", "_flaw": "the line is not valid UTF-8", "_line": 6},
        {"_rescued": "'d'x,5", "_flaw": "the line's quotes do not match", "_line": 7},
        {"key": "e", "size": "6", "_line": 8},
        {"_rescued": "f,7", "_flaw": "the line has no line end, it may be cut off", "_line": 9},
    ]


def test_a_line_of_another_dialect_that_is_too_long_refuses_the_file(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LINE_BYTES", 1000)
    staged, _ = stage(b"key,size\na," + b"1" * 2000, read={"quote": "'"})
    assert staged.refusal.startswith("has a line of more than 1,000 bytes")


def test_a_parquet_file_among_csv_files_is_told_how_to_be_read(stage: Stage) -> None:
    staged, _ = stage(b"PAR1\x15\x04\x15\x08")
    assert staged.refusal == (
        "is a Parquet file, no CSV text; deliver the table in it as CSV, or say `format: parquet` in the contract"
    )
