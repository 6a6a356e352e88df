"""JSON lines and documents: a record's values as texts; what is no record is flawed, what is no JSON refused."""

import gzip
import json
from typing import Any

import pytest

from lakehouse.bronze import json_records
from tests.lakehouse.bronze.staged import Stage, stage

__all__ = ["stage"]
RECORDS = {"data": {"items": [{"key": "a", "size": 1}, {"key": "b", "size": None, "more": [1, 2.5]}]}}
DOCUMENT = json.dumps(RECORDS).encode()


def test_lines_become_rows_with_their_texts_as_delivered(stage: Stage) -> None:
    text = (
        '{"id": 1.50, "at": {"x": 12345678901234567890, "y": null}, "ok": true}\n\n{"id": "\u00e4\\n", "at": {"x": ""}}'
    )
    staged, rows = stage(text.encode(), "things.jsonl", columns={"key": "id", "size": "at.x"})
    assert staged.content.header == ("key", "size", "at.y", "ok") and staged.rows == 2
    assert rows == [
        {"key": "1.50", "size": "12345678901234567890", "_extra": '{"at.y":null,"ok":"true"}', "_line": 1},
        {"key": "\u00e4\n", "size": "", "_line": 3},
    ]


def test_an_inner_object_may_be_asked_for_as_a_whole(stage: Stage) -> None:
    _, rows = stage(b'{"id": 1, "at": {"x": 1.5, "y": [2]}}\n', "things.jsonl", columns={"key": "id", "size": "at"})
    assert rows == [{"key": "1", "size": '{"x": 1.5, "y": [2]}', "_line": 1}]


def test_a_line_that_is_no_record_is_flawed_and_the_others_are_taken(stage: Stage) -> None:
    lines = [
        b'{"key": "a", "size": 1}',
        b"5",
        b'{"key": "\\ud800", "size": 1}',
        b'{"key": "\xff"}',
        b'{"key": "b", "si',
    ]
    staged, rows = stage(b"\n".join(lines), "things.jsonl")
    assert [(row["_line"], row.get("_flaw", "")) for row in rows] == [
        (1, ""),
        (2, "the line is a number, not an object"),
        (3, "the record has half a character (a surrogate alone)"),
        (4, "the line is not valid UTF-8"),
        (5, "the line is no JSON (Unterminated string starting at)"),
    ]
    assert (staged.rows, rows[1]["_rescued"]) == (5, "5")


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"key,size\na,1\n", "is no JSON lines text: the line is no JSON"),
        (DOCUMENT.replace(b"{", b"{\n"), "is no JSON lines text"),
        (b'[{"key": 1}]', "is no JSON lines text: the line is a list, not an object"),
        (b'{"Key": 1}\n{"Key": 2}\n', "lacks columns `key`, `size`; no record has it; they have Key"),
        (b"\x89PNG\r\n\0\0", "is no JSON lines text: the line is not valid UTF-8"),
    ],
)
def test_what_is_no_json_lines_text_is_refused(stage: Stage, content: bytes, refusal: str) -> None:
    staged, rows = stage(content, "things.jsonl")
    assert staged.refusal.startswith(refusal) and rows == {}


@pytest.mark.parametrize(
    ("document", "records"),
    [
        (RECORDS, "data.items"),
        ([{"page": 1}, RECORDS["data"]["items"]], "1"),
        (RECORDS["data"]["items"], None),
    ],
)
def test_a_document_s_records_are_found_where_the_contract_says(
    stage: Stage, document: Any, records: str | None
) -> None:
    read = {"records": records} if records else {}
    _, rows = stage(gzip.compress(json.dumps(document).encode()), "things.json.gz", read=read)
    assert rows == [
        {"key": "a", "size": "1", "_line": 1},
        {"key": "b", "_extra": '{"more":"[1, 2.5]"}', "_line": 2},
    ]


@pytest.mark.parametrize(
    ("content", "records", "refusal"),
    [
        (DOCUMENT, None, "is an object in the document, not a list of records; say where it is: `records: data.items`"),
        (DOCUMENT, "data.a", "has no `a` in `data`, where the contract has `records: data.a`; there is: items"),
        (DOCUMENT, "data.items.0.key", "is a text in `data.items.0.key`, not a list of records"),
        (DOCUMENT[:-4], "data.items", "is no JSON (Expecting ',' delimiter in line 1)."),
        (b'{"key": 1}\n{"key": 2}\n', None, "is no JSON (Extra data in line 2). Each of its lines seems to"),
        (b"[1, 2]", None, "has no record that is an object; the first is '1'"),
        (b"", None, "is empty"),
        (b"[" * 100_000, None, "is JSON that cannot be read: nested too deeply"),
        (b"\xff[]", None, "is not UTF-8 text"),
        (b'{"a": 5}', None, "is an object in the document, not a list of records; it has no list of records"),
    ],
)  # fmt: skip
def test_a_document_without_records_is_refused(stage: Stage, content: bytes, records: str | None, refusal: str) -> None:
    staged, rows = stage(content, "things.json", read={"records": records} if records else {})
    assert staged.refusal.startswith(refusal) and rows == {}


def test_a_record_that_is_no_object_is_flawed(stage: Stage) -> None:
    _, rows = stage(b'[{"key": "a", "size": 1}, null]', "things.json")
    assert rows[1] == {"_rescued": "null", "_flaw": "the record is null, not an object", "_line": 2}


def test_a_document_that_is_too_large_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "DOCUMENT_BYTES", 20)
    staged, _ = stage(DOCUMENT, "things.json", read={"records": "data.items"})
    assert staged.refusal.startswith("is a JSON document of more than 20 bytes") and "JSON lines" in staged.refusal
