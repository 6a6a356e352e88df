"""JSON lines and JSON documents -> rows: a record's values as texts, those of inner objects under `outer.inner`."""

import json
from collections.abc import Collection, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from lakehouse.bronze.chunks import lines_of
from lakehouse.bronze.csv_text import utf8
from lakehouse.bronze.delivered_columns import Content, check_columns, extra_text, in_own_names, renamed_columns
from lakehouse.bronze.parts import RowParts
from lakehouse.exceptions import FileRefusedError
from lakeloop.contract import Source
from lakeloop.contract.section import some

DOCUMENT_BYTES = 256 << 20
SHOWN = 100
KINDS = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=str)
Texts = dict[str, str | None]
WRONG_JSON = (json.JSONDecodeError, RecursionError, ValueError)


def stage_json_lines(
    chunks: Iterator[bytes], source: Source, may_lack: Collection[str], folder: Path, number: int
) -> Content:
    """A line is a record, and one that is no JSON object is flawed.

    Raises:
        FileRefusedError: the first line is no JSON object, or a column of the contract is in no record.
    """
    rows = _Rows(source, may_lack, folder, number)
    try:
        for line, text in enumerate(lines_of(utf8(chunks, source.read.encoding), "a line is one record"), 1):
            if not (text := text.rstrip(b"\n")).strip():
                continue
            record, flaw = _record(text)
            if flaw and not rows.whole:
                raise FileRefusedError(
                    f"is no JSON lines text: {flaw} ({_shown(text)}, line {line}). Each line is a record, an object of "
                    "its own; of a document that is one as a whole the contract says `format: json`"
                )
            rows.add(line, record, text.decode("utf-8", "replace"), flaw)
    finally:
        rows.close()
    return rows.content()


def stage_json_document(
    chunks: Iterator[bytes], source: Source, may_lack: Collection[str], folder: Path, number: int
) -> Content:
    """The document's list of records, where `records` says it is; they are numbered from 1.

    Raises:
        FileRefusedError: it is no JSON, has no list there, or a column of the contract is in no record.
    """
    records = _records_at(_document(utf8(chunks, source.read.encoding)), source.read.records or "")
    rows = _Rows(source, may_lack, folder, number)
    try:
        for position, record in enumerate(records, 1):
            is_record = isinstance(record, dict)
            text = "" if is_record else _json(record)
            rows.add(position, record, text, "" if is_record else f"the record is {_kind(record)}, not an object")
    finally:
        rows.close()
    if records and not rows.whole:
        raise FileRefusedError(f"has no record that is an object; the first is {_shown(_json(records[0]))}")
    return rows.content()


class _Rows:
    """Records on their way into parts; `whole` are those without a flaw."""

    def __init__(self, source: Source, may_lack: Collection[str], folder: Path, number: int) -> None:
        self._source, self._may_lack = source, may_lack
        self._parts = RowParts(folder, number, source.columns)
        self._names: dict[str, None] = {}
        self._wanted = [source.delivered(column) for column in source.columns]
        self._asked = frozenset(name for names in self._wanted for name in names)
        self.whole = 0

    def add(self, line: int, record: Any, text: str, flaw: str) -> None:
        if flaw:
            self._parts.add_flawed(line, text, flaw)
            return
        try:
            values = record_texts(record, self._asked, "", {})
        except UnicodeEncodeError:
            half = "the record has half a character (a surrogate alone)"
            self._parts.add_flawed(line, json.dumps(record, default=float), half)
            return
        if not values.keys() <= self._names.keys():
            self._names |= dict.fromkeys(values)
        found = [_taken(values, first, others) for first, *others in self._wanted]
        self._parts.add(line, found, extra_text(values.items()) if values else None)
        self.whole += 1

    def close(self) -> None:
        self._parts.close()

    def content(self) -> Content:
        """Raises FileRefusedError where a column of the contract is in no record."""
        names = tuple(self._names)
        if self.whole:
            check_columns(names, self._source, self._may_lack, f"no record has it; they have {some(names, 20)}")
        own = in_own_names(names, self._source) if self.whole else ()
        return Content(own, self._parts.rows, split=True, renamed=renamed_columns(names, self._source))


def _taken(values: Texts, first: str, others: list[str]) -> str | None:
    """The value of a column under the first of its names that is there, taken out."""
    if first in values or not others:
        return values.pop(first, None)
    return next((values.pop(name) for name in others if name in values), None)


def _record(line: bytes) -> tuple[Any, str]:
    """A line's record, or what is wrong with it."""
    try:
        found = _parsed(line.decode("utf-8"))
    except UnicodeDecodeError:
        return None, "the line is not valid UTF-8"
    except json.JSONDecodeError as error:
        return None, f"the line is no JSON ({error.msg})"
    except WRONG_JSON:
        return None, "the line is JSON that cannot be read: nested too deeply, or a number too long"
    return found, "" if isinstance(found, dict) else f"the line is {_kind(found)}, not an object"


def _document(chunks: Iterator[bytes]) -> Any:
    pieces, size = [], 0
    for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size > DOCUMENT_BYTES:
            raise FileRefusedError(
                f"is a JSON document of more than {DOCUMENT_BYTES:,} bytes, which is read as one; deliver JSON lines, "
                "a record a line"
            )
    data = b"".join(pieces)
    if not data.strip():
        raise FileRefusedError("is empty; a file of this source is a JSON document with a list of records")
    try:
        return _parsed(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise FileRefusedError(
            "is not UTF-8 text; deliver it as UTF-8, or say its `encoding` in the contract"
        ) from None
    except json.JSONDecodeError as error:
        first, _, rest = data.partition(b"\n")
        hint = (
            " Each of its lines seems to be a record: then the contract says `format: jsonl`"
            if (rest.strip() and not _record(first)[1])
            else ""
        )
        raise FileRefusedError(f"is no JSON ({error.msg} in line {error.lineno:,}).{hint}") from None
    except WRONG_JSON:
        raise FileRefusedError("is JSON that cannot be read: nested too deeply, or with a number too long") from None


def _records_at(document: Any, path: str) -> list[Any]:
    """The list at a path such as `data.items`; a number is a place in a list."""
    found, walked = document, list[str]()
    for part in path.split(".") if path else ():
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            there = some(found, 10) if isinstance(found, dict) else _kind(found)
            raise FileRefusedError(
                f"has no `{part}` in {_spelled(walked)}, where the contract has `records: {path}`; there is: {there}"
            )
        walked.append(part)
    if not isinstance(found, list):
        lists = list(_lists(document, ()))
        hint = f"say where it is: `records: {lists[0]}`" if lists else "it has no list of records"
        raise FileRefusedError(f"is {_kind(found)} in {_spelled(walked)}, not a list of records; {hint}")
    return found


def _lists(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Paths of lists of objects, the outermost first."""
    if isinstance(value, dict) and len(path) < 4:
        for name, inner in value.items():
            if isinstance(inner, list) and inner and isinstance(inner[0], dict):
                yield ".".join((*path, name))
        for name, inner in value.items():
            yield from _lists(inner, (*path, name))


def record_texts(record: dict[str, Any], asked: Collection[str], above: str, into: Texts) -> Texts:
    """Name -> text of each value, put into `into`. What is in an inner object is `outer.inner`, if not asked for whole.

    Raises:
        UnicodeEncodeError: a text has half a character.
    """
    for name, value in record.items():
        path, kind = above + name if above else name, type(value)
        if kind is str:
            if not value.isascii():
                value.encode()
            into[path] = value
        elif value is None:
            into[path] = None
        elif kind is bool:
            into[path] = "true" if value else "false"
        elif kind is dict and path not in asked:
            record_texts(value, asked, f"{path}.", into)
        else:
            into[path] = _json(value) if kind is dict or kind is list else str(value)
    return into


def _parsed(text: str) -> Any:
    """Numbers keep their digits."""
    return DECODER.decode(text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=float)


def _kind(value: Any) -> str:
    return KINDS.get(type(value), "a number")


def _spelled(walked: list[str]) -> str:
    return f"`{'.'.join(walked)}`" if walked else "the document"


def _shown(text: str | bytes) -> str:
    return repr(text.decode("utf-8", "replace")[:SHOWN] if isinstance(text, bytes) else text[:SHOWN])
