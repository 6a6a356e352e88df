"""Somebody else's ODCS document as the first draft of a use case: what it cannot say is assumed, and said beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject, SchemaProperty

from lakeloop.contract.expression import ExpressionError, columns_in, read_expression
from lakeloop.contract.section import some
from lakeloop.exceptions import WrongUseError
from operations.new_use_case.contract_text import comment_lines, scalar
from operations.new_use_case.names import class_names, own_name, own_names
from operations.open_data_contract.words import allowed_values, column_words

TIMES = {"timestamp": "timestamp", "date": "date", "integer": "unix_seconds", "string": "timestamp"}
"""Logical type of the column that says when -> how it is taken to be written."""
NESTED = ("object", "array", "map", "vector")
GAPS = {"numeric": "median", "binary": "zero", "categorical": "category", "time": "category"}
START = "2020"
PUBLIC = ("", "public")


@dataclass(frozen=True)
class Wishes:
    """What somebody says of a document instead of having it assumed; columns by the document's names or own ones."""

    name: str
    label: str
    table: str = ""
    key: tuple[str, ...] = ()
    time: str = ""
    classes: tuple[str, ...] = ()


@dataclass
class _Draft:
    """What is found out on the way; `columns` are by own names, `doubts` are said where the contract is read."""

    table: SchemaObject
    columns: dict[str, SchemaProperty]
    key: tuple[str, ...] = ()
    time: str = ""
    made: str = ""
    truth: tuple[str, ...] = ()
    doubts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def own(self, name: str) -> str:
        """A column's own name; '' where there is none such."""
        if name in self.columns:
            return name
        return next((own for own, given in self.columns.items() if name in (given.name, given.physicalName)), "")

    def asked(self, names: Sequence[str], option: str) -> tuple[str, ...]:
        """Own names of columns that somebody named; those that are not there are a problem."""
        for name in names:
            if not self.own(name):
                self.problems.append(f"{option} {name}: there is no such column; columns: {some(self.columns, 20)}")
        return tuple(own for name in names if (own := self.own(name)))


def draft_of(document: OpenDataContractStandard, wishes: Wishes) -> tuple[str, list[str]]:
    """The text of a contract, and what was assumed in it, a sentence each.

    Raises:
        WrongUseError: what the document must say and does not, everything at once.
    """
    draft = _draft(document, wishes)
    _key(draft, wishes)
    _time(draft, wishes)
    truth = list(_label(draft, wishes))
    features = list(_features(draft))
    if not _feature_names(draft):
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
        "", *_key_lines(draft), *_time_lines(draft), "", *sources, "", *features, "", *truth, "", *_training(draft),
    ]  # fmt: skip
    return "\n".join(lines) + "\n", draft.doubts


def _draft(document: OpenDataContractStandard, wishes: Wishes) -> _Draft:
    tables = document.schema_ or []
    if not tables:
        raise WrongUseError(f"{document.id}: has no `schema`, so nothing says which columns there are")
    drafts = [_Draft(table, _own_columns(table)) for table in tables]
    named = [draft for draft in drafts if wishes.table in (draft.table.name, draft.table.physicalName)]
    if wishes.table and not named:
        raise WrongUseError(f"--table {wishes.table}: there is no such table; tables: {some(_names(tables), 20)}")
    fitting = named or [draft for draft in drafts if draft.own(wishes.label) or _parts(draft, wishes.label)]
    if len(fitting) > 1 or (not fitting and len(drafts) > 1):
        raise WrongUseError(
            f"{document.id}: --label {wishes.label} is in {'several' if fitting else 'none'} of its tables; say which "
            f"with --table: {some(_names(tables), 20)}"
        )
    chosen = fitting[0] if fitting else drafts[0]
    if others := [name for name in _names(tables) if name != chosen.table.name]:
        chosen.doubts.append(f"tables: {chosen.table.name} is taken, with the label; left out: {some(others, 20)}")
    return chosen


def _names(tables: Sequence[SchemaObject]) -> list[str]:
    return [table.name or "" for table in tables]


def _own_columns(table: SchemaObject) -> dict[str, SchemaProperty]:
    given = {one.name or f"column_{place}": one for place, one in enumerate(table.properties or [], 1)}
    return {own: given[name] for name, own in own_names(given).items()}


def _parts(draft: _Draft, label: str) -> list[str]:
    """The columns of a label that is an expression; [] where it is none, or of other columns."""
    types = {own: str(column_words(given)["type"]) for own, given in draft.columns.items()}
    try:
        found = list(dict.fromkeys(named.column for named in columns_in(read_expression(label, types))))
    except ExpressionError:
        return []
    return found if set(found) <= set(draft.columns) else []


def _key(draft: _Draft, wishes: Wishes) -> None:
    draft.key = draft.asked(wishes.key, "--key")
    if wishes.key:
        return
    primary = {own: given for own, given in draft.columns.items() if given.primaryKey}
    draft.key = tuple(sorted(primary, key=lambda own: primary[own].primaryKeyPosition or 0))
    unique = [own for own, given in draft.columns.items() if given.unique]
    if not draft.key and unique:
        draft.key = (unique[0],)
        draft.doubts.append(
            f"key: no column is a primary key; `{unique[0]}` is unique and taken for it. Another: --key"
        )
    elif not draft.key:
        draft.doubts.append("key: no column names a row, so a hash over all its values does. Another: --key")


def _key_lines(draft: _Draft) -> Iterator[str]:
    if not draft.key:
        yield "key: {made: row_hash}  # assumed: no column names a row"
    elif len(draft.key) > 1:
        yield f"key: {{columns: [{', '.join(draft.key)}]}}"
    else:
        yield f"key: {scalar({'column': draft.key[0], 'description': _said(draft, draft.key[0])})}"


def _time(draft: _Draft, wishes: Wishes) -> None:
    found = [own for own, given in draft.columns.items() if given.logicalType in ("timestamp", "date")]
    found.sort(key=lambda own: not draft.columns[own].partitioned)
    asked = draft.asked((wishes.time,) if wishes.time else (), "--time")
    draft.time = asked[0] if asked else found[0] if found and not wishes.time else ""
    if not draft.time and not wishes.time:
        draft.problems.append(
            f"table {draft.table.name}: no column is a date or timestamp, so nothing says when a row happened; name "
            "one with --time"
        )
    elif not wishes.time and len(found) > 1:
        draft.doubts.append(f"time: `{draft.time}` says when; {some(found[1:])} could as well. Another: --time")


def _time_lines(draft: _Draft) -> Iterator[str]:
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


def _source(draft: _Draft, document: OpenDataContractStandard) -> Iterator[str]:
    name = own_name(draft.table.name or "", "rows")
    yield "sources:"
    yield f"  {name}:"
    yield f"    description: {scalar(draft.table.description or draft.table.name or name)}"
    yield from _files(draft, document)
    own = [draft.key, (draft.time,), draft.truth, _feature_names(draft)]
    used = list(dict.fromkeys(column for columns in own for column in columns))
    delivered = {column: _delivered(draft.columns[column], column) for column in used}
    if all(column == there for column, there in delivered.items()):
        yield f"    columns: [{', '.join(used)}]"
    else:
        yield "    columns:                      # own name: name in the files"
        yield from (f"      {column}: {scalar(there)}" for column, there in delivered.items())
    for promise in document.slaProperties or ():
        yield from comment_lines(f"promised: {promise.property} {promise.value} {promise.unit or ''}".rstrip(), "    ")


def _files(draft: _Draft, document: OpenDataContractStandard) -> Iterator[str]:
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
        "function that gets them, `delta` a table", "    ",
    )  # fmt: skip
    if known is None:
        draft.doubts.append(f"sources: delivered as CSV files{where}; `format`, `fetch` or `delta` say otherwise")
    if known == "csv" and server is not None and server.delimiter and len(server.delimiter) == 1:
        yield f"    separator: {scalar(server.delimiter)}"


def _feature_names(draft: _Draft) -> list[str]:
    taken = {*draft.key, draft.time, *draft.truth[:1]}
    return [own for own in draft.columns if own not in taken and not _why_no_feature(draft.columns[own])]


def _why_no_feature(given: SchemaProperty) -> str:
    logical = given.logicalType or "string"
    if given.deprecated:
        return "is deprecated"
    if logical in NESTED:
        return f"is of type {logical}, which is no value of a column; name its parts as columns of their own"
    if logical == "time":
        return "is a time of day, which is no input as it is"
    return "is unique, so it names a row" if given.unique or given.primaryKey else ""


def _features(draft: _Draft) -> Iterator[str]:
    yield "features:"
    for own in _feature_names(draft):
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
        if (why := _why_no_feature(given)) and own not in (*draft.key, draft.time, *draft.truth):
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


def _label(draft: _Draft, wishes: Wishes) -> Iterator[str]:
    own = draft.own(wishes.label)
    parts = [] if own else _parts(draft, wishes.label)
    if not own and not parts:
        draft.problems.append(
            f"--label {wishes.label}: is neither a column nor an expression of columns; columns: "
            f"{some(draft.columns, 20)}"
        )
        return
    draft.truth, draft.made = (own,) if own else tuple(parts), "" if own else wishes.label
    name, column = (f"{own}_class", own) if own else ("outcome", "outcome_truth")
    yield "label:"
    yield f"  name: {name}"
    yield f"  description: {scalar(draft.made or _said(draft, own))}"
    yield f"  source: {own_name(draft.table.name or '', 'rows')}"
    yield f"  column: {column}"
    if draft.made:
        yield f"  made: {scalar(draft.made)}"
    yield from _classes(draft, own, wishes)


def _classes(draft: _Draft, own: str, wishes: Wishes) -> Iterator[str]:
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


def _training(draft: _Draft) -> Iterator[str]:
    yield 'split: {salt: "1", every: 5}       # one row in five is held out, by its key and so for good'
    yield "gate:"
    yield "  accuracy: {above: 0.0}           # not known yet: set it before a model serves"
    yield "requests:"
    yield f"  description: {scalar(f'Rows of {draft.table.name} the gateway answered')}"
    draft.doubts.append("gate: every accuracy passes; set `gate.accuracy` before a model serves")


def _said(draft: _Draft, own: str) -> str:
    given = draft.columns[own]
    return given.description or given.businessName or own.replace("_", " ").capitalize()


def _delivered(given: SchemaProperty, own: str) -> str:
    return given.physicalName or given.name or own


def _purpose(document: OpenDataContractStandard, draft: _Draft) -> str:
    said = document.description.purpose if document.description else None
    return said or draft.table.description or document.name or document.id or "Imported"
