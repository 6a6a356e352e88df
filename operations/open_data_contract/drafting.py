"""Somebody else's ODCS document as the first draft of a use case: what it cannot say is assumed, and said beside it."""

from collections.abc import Iterator
from typing import Any

from open_data_contract_standard.model import OpenDataContractStandard, SchemaProperty

from lakeloop.exceptions import WrongUseError
from operations.contract_yaml import comment_lines, scalar
from operations.new_use_case.names import class_names, own_name
from operations.open_data_contract.chosen_table import TableDraft, Wishes, chosen_table, why_no_feature
from operations.open_data_contract.words import allowed_values, column_words

TIMES = {"timestamp": "timestamp", "date": "date", "integer": "unix_seconds", "string": "timestamp"}
"""Logical type of the column that says when -> how it is taken to be written."""
GAPS = {"numeric": "median", "binary": "zero", "categorical": "category", "time": "category"}
START = "2020"
PUBLIC = ("", "public")


def draft_of(document: OpenDataContractStandard, wishes: Wishes) -> tuple[str, list[str]]:
    """The text of a contract, and what was assumed in it, a sentence each.

    Raises:
        WrongUseError: what the document must say and does not, everything at once.
    """
    draft = chosen_table(document, wishes)
    label = list(_label(draft, wishes)) if draft.truth else []
    features = list(_features(draft))
    if not draft.features:
        draft.problems.append(f"table {draft.table.name}: no column is left that a model could learn from")
    if draft.problems:
        raise WrongUseError("\n  ".join([f"{document.id}: no draft can be made of it", *draft.problems]))
    sources = list(_source(draft, document))
    lines = [
        f"# A first draft, made by `lakeloop contract import` from the data contract {scalar(document.id or '')}.",
        "# What was assumed stands beside it as a comment. `lakeloop contract check` names every mistake of a change.",
        f"use_case: {wishes.name}",
        f"title: {scalar(document.name or document.id or wishes.name)}",
        f"description: {scalar(_purpose(document, draft))}",
        "", *_key_lines(draft), *_time_lines(draft), "", *sources, "", *features, "", *label, "", *_training(draft),
    ]  # fmt: skip
    return "\n".join(lines) + "\n", draft.doubts


def _key_lines(draft: TableDraft) -> Iterator[str]:
    if not draft.key:
        yield "key: {made: row_hash}  # assumed: no column names a row"
    elif len(draft.key) > 1:
        yield f"key: {{columns: [{', '.join(draft.key)}]}}"
    else:
        yield f"key: {scalar({'column': draft.key[0], 'description': _said(draft, draft.key[0])})}"


def _time_lines(draft: TableDraft) -> Iterator[str]:
    logical = draft.columns[draft.time].logicalType or "string"
    written = _time_type(draft.columns[draft.time])
    yield "event_time:"
    yield f"  column: {draft.time}"
    yield f"  description: {scalar(_said(draft, draft.time))}"
    yield f"  format: {written}" + ("" if logical in ("date", "timestamp") else "  # assumed")
    yield "  timezone: UTC      # assumed, for times that say none and for periods"
    yield "  period: month      # assumed: what clock, windows and pages count in; hour, day, week, quarter, year"
    yield f"  start: {START}-01     # assumed: the first month; rows from before it are rejected"
    yield "clock: wall        # the real time; `simulated`: it is moved by hand"
    draft.doubts.append(f"time: months are counted, from {START}-01 on; `event_time.period` and `start` say otherwise")


def _time_type(given: SchemaProperty) -> str:
    """How a column's dates or times are taken to be written; before 3.1 a `date` of the standard may have a time."""
    if "time" in (given.physicalType or "").lower():
        return "timestamp"
    return TIMES.get(given.logicalType or "string", "timestamp")


def _source(draft: TableDraft, document: OpenDataContractStandard) -> Iterator[str]:
    name = own_name(draft.table.name or "", "rows")
    yield "sources:"
    yield f"  {name}:"
    yield f"    description: {scalar(draft.table.description or draft.table.name or name)}"
    yield from _files(draft, document)
    own = [draft.key, (draft.time,), draft.truth, draft.features]
    used = list(dict.fromkeys(column for columns in own for column in columns))
    delivered = {column: _delivered(draft.columns[column], column) for column in used}
    if all(column == there for column, there in delivered.items()):
        yield f"    columns: [{', '.join(used)}]"
    else:
        yield "    columns:                      # own name: name in the files"
        yield from (f"      {column}: {scalar(there)}" for column, there in delivered.items())
    for promise in document.slaProperties or ():
        yield from comment_lines(f"promised: {promise.property} {promise.value} {promise.unit or ''}".rstrip(), "    ")


def _files(draft: TableDraft, document: OpenDataContractStandard) -> Iterator[str]:
    """How the table's data come, as the document's first server says it."""
    server = document.servers[0] if document.servers else None
    written = (server.format or "").lower() if server is not None else ""
    place = (server.location or server.path or "") if server is not None else ""
    if written == "delta" and place:
        yield f"    delta: {scalar(place)}"
        return
    known = {"csv": "csv", "parquet": "parquet", "json": "json", "jsonl": "jsonl", "ndjson": "jsonl"}.get(written)
    if known == "json" and server is not None and server.delimiter == "new_line":
        known = "jsonl"
    where = f" (the data are said to be at {place})" if place else ""
    yield f"    format: {known or 'csv'}" + ("" if known else "                   # assumed")
    yield from comment_lines(
        f"assumed: every file of this format in the landing folder{where}; `files` names a pattern, `fetch` a "
        "function that gets them, `delta` a table, `topic` a topic", "    ",
    )  # fmt: skip
    if known is None:
        draft.doubts.append(f"sources: delivered as CSV files{where}; `format`, `fetch` or `delta` say otherwise")
    if known == "csv" and server is not None and server.delimiter and len(server.delimiter) == 1:
        yield f"    separator: {scalar(server.delimiter)}"


def _features(draft: TableDraft) -> Iterator[str]:
    yield "features:"
    for own in draft.features:
        given = draft.columns[own]
        said = column_words(given)
        if said["type"] in ("date", "timestamp"):
            said = said | {"type": _time_type(given)}
            draft.doubts.append(f"features: `{own}` is a time: is it known when a model is asked? If not, leave it out")
        words = {"description": _said(draft, own)} | _feature_words(said, bool(given.required))
        yield f"  {own}:"
        yield from (f"    {word}: {scalar(value)}" for word, value in words.items())
        if (given.classification or "").lower() not in PUBLIC:
            doubt = f"`{own}` is classified as {given.classification}: may a model use it? If not, leave it out"
            draft.doubts.append(f"features: {doubt}")
            yield from comment_lines(doubt, "    ")
        if own in draft.truth:
            draft.doubts.append(f"label: `{own}` stands in the label's expression and is a feature too: it is assumed "
                                "to be known before the outcome. If it is not, leave it out")  # fmt: skip
    for own, given in draft.columns.items():
        if (why := why_no_feature(given)) and own not in (*draft.key, draft.time, *draft.truth):
            yield from comment_lines(f"left out: `{own}` {why}", "  ")


def _feature_words(said: dict[str, Any], required: bool) -> dict[str, Any]:
    """Type, role and limits of a feature, and what the model gets for a value that is not there."""
    kind = said["type"]
    role = (
        "binary" if kind == "bool" else "categorical" if kind in ("string", "int") and "values" in said else "numeric"
    )
    role = {"string": "categorical", "date": "time", "timestamp": "time"}.get(kind, role)
    words = {"type": kind, "role": role}
    allowed = {"numeric": ("valid", "example"), "categorical": ("values",)}.get(role, ())
    words |= {word: said[word] for word in allowed if word in said}
    return words if required else words | {"missing": GAPS[role]}


def _label(draft: TableDraft, wishes: Wishes) -> Iterator[str]:
    own = "" if draft.made else draft.truth[0]
    name, column = (f"{own}_class", own) if own else ("outcome", "outcome_truth")
    yield "label:"
    yield f"  name: {name}"
    yield f"  description: {scalar(draft.made or _said(draft, own))}"
    yield f"  source: {own_name(draft.table.name or '', 'rows')}"
    yield f"  column: {column}"
    if draft.made:
        yield f"  made: {scalar(draft.made)}"
    yield from _classes(draft, own, wishes)


def _classes(draft: TableDraft, own: str, wishes: Wishes) -> Iterator[str]:
    said = column_words(draft.columns[own]) if own else {"type": "bool"}
    truth: dict[str, Any] = {"description": _said(draft, own) if own else draft.made, "type": said["type"]}
    values = list(wishes.classes) if wishes.classes else allowed_values(draft.columns[own]) if own else None
    if truth["type"] == "bool":
        classes: list[dict[str, Any]] = [{"name": "no"}, {"name": "yes"}]
    elif truth["type"] in ("string", "int") and values:
        values = [int(value) if truth["type"] == "int" else str(value) for value in values]
        truth["values"] = values
        names = class_names(map(str, values))
        classes = [{"name": names[str(value)], "when": {"equals": value}} for value in values]
    else:
        draft.problems.append(
            f"--label {own}: is of type {draft.columns[own].logicalType or 'string'} and its values are not listed; "
            f"say them with --classes a,b, or a condition: --label '{own} > 0'"
        )
        return
    yield f"  truth: {scalar(truth)}"
    yield "  classes:                        # in this order they are 0, 1, …, for good"
    yield from (f"    - {scalar(one)}" for one in classes)


def _training(draft: TableDraft) -> Iterator[str]:
    yield 'split: {salt: "1", every: 5}       # one row in five is held out, by its key and so for good'
    yield "gate:"
    yield "  accuracy: {above: 0.0}           # not known yet: set it before a model serves"
    yield "requests:"
    yield f"  description: {scalar(f'Rows of {draft.table.name} the gateway answered')}"
    draft.doubts.append("gate: every accuracy passes; set `gate.accuracy` before a model serves")


def _said(draft: TableDraft, own: str) -> str:
    given = draft.columns[own]
    return given.description or given.businessName or own.replace("_", " ").capitalize()


def _delivered(given: SchemaProperty, own: str) -> str:
    return given.physicalName or given.name or own


def _purpose(document: OpenDataContractStandard, draft: TableDraft) -> str:
    said = document.description.purpose if document.description else None
    return said or draft.table.description or document.name or document.id or "Imported"
