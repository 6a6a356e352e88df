"""A draft as the text of a contract, with a comment wherever something was assumed."""

import json
from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any, Protocol

from lakeloop.contract.contract import PERIOD_COLUMN
from operations.new_use_case.draft import Draft
from operations.new_use_case.gate_draft import CheckDraft, GateDraft
from operations.new_use_case.joined import JoinDraft
from operations.new_use_case.label import ClassDraft
from operations.new_use_case.names import is_yaml_text, own_name
from operations.new_use_case.placeholders import gaps_said
from operations.new_use_case.source_names import file_pattern, joined_names, source_name
from operations.new_use_case.tables import TableDraft
from operations.new_use_case.time_zones import UTC, Zone

WIDTH = 118
ENOUGH_ROWS = 5_000
"""Of which the accuracies of train and eval rows are within a few points by chance."""
UNTIMED = "period"
"""The column that the history gets where no delivered one says when."""


class PeriodRows(Protocol):
    """Of what the contract is a draft: the first period, and how many rows one usually has."""

    @property
    def start(self) -> str: ...
    @property
    def usual(self) -> int: ...


def scalar(value: Any) -> str:
    """A value as YAML, on one line and so that YAML reads the same."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {scalar(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(scalar, value)) + "]"
    if isinstance(value, float) and "." not in repr(value):  # YAML takes 5e+29 for a text
        return repr(value).replace("e", ".0e")
    if not isinstance(value, str):
        return json.dumps(value)
    plain = value and value == value.strip() and not set(value) & set(",[]{}#&*!|>'\"%@`\n:")
    return (
        value
        if plain and is_yaml_text(value) and not value.startswith(("-", "?"))
        else json.dumps(value, ensure_ascii=False)
    )


def contract_text(draft: Draft, name: str, title: str, history: PeriodRows, gate: GateDraft, salt: str) -> str:
    """The whole contract."""
    lines = [*_head(draft, name, title), "", *_key(draft), *_event_time(draft, history.start), "", *_sources(draft), ""]
    lines += [*_features(draft), "", *_label(draft), "", *_training(draft, gate, salt), ""]
    lines += _production(draft, title, history.usual)
    return "\n".join(lines) + "\n"


def _head(draft: Draft, name: str, title: str) -> Iterator[str]:
    sample = draft.table.sample
    rows, of_all = sample.table.num_rows, sample.all_rows
    looked_at = (
        f"all {rows:,} rows" if sample.whole else f"{rows:,} of about {of_all:,} rows, from start, middle and end"
    )
    files = f"{len(sample.files)} files such as {sample.file.name}" if len(sample.files) > 1 else sample.file.name
    yield f"# A first draft, made by `lakeloop new` from {files}: {looked_at} were looked at."
    yield "# What was assumed stands beside it as a comment. `lakeloop contract check` names every mistake of a change."
    if draft.notes:
        yield "#"
        for note in draft.notes:
            yield from comment_lines(f"to know: {note}", "")
    yield f"use_case: {name}"
    yield f"title: {scalar(title)}"
    outcome = draft.label.made or draft.label.column
    number = len(draft.features) + sum(len(join.features) for join in draft.joins)
    yield f"description: {scalar(f'Predicts {outcome} from {number} columns')}"


def _key(draft: Draft) -> Iterator[str]:
    own = [draft.table.names[column] for column in draft.key.columns]
    known = {"row_hash": " So rows are known by a hash over their values.", "file_line": " So each line is a row."}
    yield from comment_lines(f"assumed: {draft.key.why}.{known.get(draft.key.made, '')}", "")
    if not own:
        yield f"key: {{made: {draft.key.made}}}"
    elif len(own) == 1:
        yield f"key: {{column: {own[0]}, description: {scalar(_said(draft.key.columns[0]))}}}"
    else:
        yield f"key: {{columns: {scalar(own)}, description: {scalar(' and '.join(map(_said, draft.key.columns)))}}}"


def _event_time(draft: Draft, start: str) -> Iterator[str]:
    yield ""
    yield "event_time:"
    if draft.time is None:
        order = "in turn, since they are sorted by the label" if draft.label.sorted_by_class else "in their order"
        yield from comment_lines(
            "assumed: no column says when a row happened. The files of the history got one, which deals the rows "
            f"out over months {order}. New files need it, too: the month in which they are delivered.",
            "  ",
        )
        yield f"  column: {UNTIMED}"
        yield "  description: Month of delivery, YYYY-MM"
    else:
        others = [name for name in draft.times if name != draft.time.name]
        if others:
            yield from comment_lines(f"assumed: this one of {', '.join((draft.time.name, *others))}", "  ")
        if draft.time.parts:
            joined = {part: draft.table.names[name] for part, name in draft.time.parts.items()}
            yield f"  columns: {scalar(joined)}  # no file has it in one column"
        else:
            yield f"  column: {draft.table.names[draft.time.name]}"
        yield f"  description: {scalar(' and '.join(map(_said, draft.time.delivered)))}"
        if draft.time.format != "period":
            if not draft.time.parts:
                yield f"  format: {scalar(draft.time.format)}"
            zone = draft.time.zone
            yield f"  timezone: {scalar(zone.name):<18} # {_whose(zone)}"
    if draft.period != "month":
        yield f"  period: {draft.period}"
    yield f"  start: {scalar(start)}"
    yield "clock: wall                        # rows are due, and known, by real time; `lakeloop demo` simulates one"


def _whose(zone: Zone) -> str:
    """Where a time zone comes from."""
    if not zone.offsets or zone.name == UTC:
        return "assumed, for times that say none and for periods"
    return f"assumed: its clock has the offsets that the times say, {' and '.join(zone.offsets)}; periods are its own"


def _sources(draft: Draft) -> Iterator[str]:
    yield "sources:"
    yield from _source(draft, draft.table, source_name(draft.table))
    if draft.truth is not draft.table:
        yield from _source(draft, draft.truth, source_name(draft.truth, source_name(draft.table)))
    for join in draft.joins:
        yield from _joined_source(draft, join)


def _source(draft: Draft, table: TableDraft, name: str) -> Iterator[str]:
    yield f"  {name}:"
    yield f"    description: {scalar(f'Rows as in {table.sample.file.name}')}"
    yield f"    files: {scalar(file_pattern(draft.period, table))}"
    if table is draft.truth:
        yield "    # assumed: the truth of a period is known when the next one begins"
        yield "    delay_periods: 1"
    yield from _read(draft, table)
    yield from _columns(draft, table)


def _joined_source(draft: Draft, join: JoinDraft) -> Iterator[str]:
    stem = joined_names(join.name, join.table)
    yield f"  {join.name}:"
    yield f"    description: {scalar(f'Rows as in {join.table.sample.file.name}')}"
    yield f"    files: {scalar(stem[0] if len(stem) == 1 else stem[0].replace('-001', '-*'))}"
    yield from _read(draft, join.table)
    yield from _columns(draft, join.table)
    yield from comment_lines(f"assumed: a row meets the one with the same {join.in_words}: {join.met:.1%} do", "    ")
    yield f"    join: {scalar(join_words(draft, join))}"


def join_words(draft: Draft, join: JoinDraft) -> dict[str, Any]:
    """How a source is joined, as the contract says it."""
    own, base, event = join.table.names, draft.table.names, draft.time
    on = {own[mine]: base[other] for mine, other in join.on.items()}
    words: dict[str, Any] = {}
    if join.period is not None and event is not None:
        on[own[join.period.name]] = base[event.name] if event.format == "period" else PERIOD_COLUMN
        words = {} if join.period.format == "period" else {"format": join.period.format}
    if join.as_of is not None:
        words = {"as_of": own[join.as_of.name], "format": join.as_of.format}
    return {"on": list(on) if all(mine == other for mine, other in on.items()) else on, **words}


def _read(draft: Draft, table: TableDraft) -> Iterator[str]:
    words, columns = read_words(table), special_columns(draft, table)
    if words and not columns:
        yield f"    read: {scalar(words)}"
    elif columns:
        yield "    read:"
        yield from (f"      {word}: {scalar(value)}" for word, value in words.items())
        yield "      columns:"
        for name, own in columns.items():
            if said := gaps_said(table.columns[name]):
                yield from comment_lines(f"assumed: {said}", "        ")
            yield f"        {table.names[name]}: {scalar(own)}"


def special_columns(draft: Draft, table: TableDraft) -> dict[str, dict[str, Any]]:
    """What is special in the texts of single columns, by their delivered names: `read.columns` of the contract."""
    found: dict[str, dict[str, Any]] = {}
    for name in used_columns(draft, table):
        column = table.columns[name]
        gaps = [text for text in column.own_gaps if text not in table.missing]
        words = ({"unit": column.unit} if column.unit else {}) | ({"missing": gaps} if gaps else {})
        if words:
            found[name] = words
    return found


def read_words(table: TableDraft) -> dict[str, Any]:
    """How a table's files are written, as the contract says it; nothing that is usual."""
    sample, dialect, style = table.sample, table.sample.dialect, table.style
    words: dict[str, Any] = {}
    if sample.format == "csv":
        words = {
            "encoding": dialect.encoding if dialect.encoding != "utf-8" else None,
            "separator": dialect.separator if dialect.separator != "," else None,
            "quote": dialect.quote if dialect.quote != '"' else None,
            "escape": dialect.escape or None,
            "decimal": style.decimal if style.decimal != "." else None,
            "thousands": style.thousands or None,
            "comment": dialect.comment or None,
            "skip_lines": dialect.skip_lines or None,
            "header": None if dialect.header else False,
        }
    if sample.format == "json" and sample.records:
        words["records"] = sample.records
    if table.missing:
        words["missing"] = list(table.missing)
    if style.trim:
        words["trim"] = True
    return {word: value for word, value in words.items() if value is not None}


def used_columns(draft: Draft, table: TableDraft) -> list[str]:
    """The delivered columns of a table that the contract names, in their order."""
    for join in draft.joins:
        if table is join.table:
            return join.used
    wanted = set(draft.key.columns) | set(draft.label.needs if table is draft.truth else ())
    if table is draft.table:
        wanted |= {one.column for one in draft.features} | set(draft.time.delivered if draft.time is not None else ())
        wanted |= {name for join in draft.joins for name in join.on.values()}
    if table is draft.truth and table is not draft.table:
        wanted |= {name for name in table.columns if table.names[name] == draft.label.column}
    return [name for name in table.columns if name in wanted]


def _columns(draft: Draft, table: TableDraft) -> Iterator[str]:
    used = used_columns(draft, table)
    own = [table.names[name] for name in used]
    stamped = draft.time is None and table is draft.table
    if stamped:
        used, own = [UNTIMED, *used], [UNTIMED, *own]
    positions = {name: place for place, name in enumerate([UNTIMED, *table.columns] if stamped else table.columns, 1)}
    if not table.sample.dialect.header and table.sample.format == "csv":
        yield "    columns:                      # the files have no header; each column's position"
        yield from (f"      {mine}: {positions[name]}" for mine, name in zip(own, used, strict=True))
    elif own != used:
        yield "    columns:                      # own name: name in the files"
        yield from (f"      {mine}: {scalar(name)}" for mine, name in zip(own, used, strict=True))
    else:
        yield from _wrapped("    columns: [", own, "]")


def _features(draft: Draft) -> Iterator[str]:
    yield "# `valid` and `values` are what is possible at all: outside a row is rejected, and a request refused."
    yield "features:"
    described = [(draft.table, one) for one in draft.features]
    described += [(join.table, one) for join in draft.joins for one in join.features]
    for table, one in described:
        yield f"  {table.names[one.column]}:" + (f"  # {one.comment}" if one.comment else "")
        yield f"    description: {scalar(_said(one.column))}"
        yield (
            f"    {scalar(one.words)[1:-1]}"
            if len(one.words) == 1
            else "\n".join(f"    {word}: {scalar(value)}" for word, value in one.words.items())
        )
    for leak in draft.leaks:
        names = ", ".join(f"`{name}`" for name in leak.columns)
        yield from comment_lines(
            f"LEAK: {names} {leak.how}. A model would be told the answer, so it is no feature here. If it is known "
            f"before the outcome, make the draft again with --keep {quote(','.join(leak.columns))}.",
            "  ",
        )
    for out in draft.left_out:
        yield from comment_lines(f"left out: `{out.column}` {out.why}", "  ")
    for join in draft.joins:
        for out in join.left_out:
            yield from comment_lines(f"left out: `{join.name}.{out.column}` {out.why}", "  ")


def _label(draft: Draft) -> Iterator[str]:
    label = draft.label
    yield "label:"
    yield f"  name: {label.name}"
    yield f"  description: {scalar(label.made or f'Class of {label.column}')}"
    yield f"  source: {source_name(draft.truth, source_name(draft.table) if draft.truth is not draft.table else '')}"
    yield f"  column: {label.column}"
    if label.made:
        yield f"  made: {scalar(label.made)}"
    truth: dict[str, Any] = {"description": label.made or _said(label.column), "type": label.type}
    truth |= {"values": list(label.values)} if label.values else {}
    if not label.made and label.needs and (unit := draft.truth.columns[label.needs[0]].unit):
        truth |= {"unit": unit}
    truth |= {"valid": list(label.valid)} if label.valid is not None else {}
    yield f"  truth: {scalar(truth)}"
    yield "  classes:                        # in this order they are 0, 1, …, for good"
    for one in label.classes:
        yield f"    - {_class(one)}  # {one.share:.1%} of the rows"


def _class(one: ClassDraft) -> str:
    return scalar({"name": one.name} | ({"when": one.when} if one.when else {}))


def _training(draft: Draft, gate: GateDraft, salt: str) -> Iterator[str]:
    yield f'split: {{salt: "{salt}", every: 5}}       # one row in five is held out, by its key and so for good'
    yield f"model: {scalar(model_of(draft.table.sample.all_rows))}"
    yield "gate:                              # what a good model is"
    yield from _accuracy(draft, gate) if gate.by_accuracy else _ranking(gate)
    yield "  champion_margin: 0.01"


def _accuracy(draft: Draft, gate: GateDraft) -> Iterator[str]:
    bounds = {"above": gate.above} | ({} if gate.below is None else {"below": gate.below})
    yield f"  accuracy: {scalar(bounds)}  # {gate.why}"
    if gate.above:
        yield f"  train_eval_gap_below: {0.15 if draft.table.sample.all_rows >= ENOUGH_ROWS else 0.2}"


def _ranking(gate: GateDraft) -> Iterator[str]:
    yield from comment_lines(f"{gate.why}.", "  ")
    yield f"  decides: {gate.decides}                 # champion and candidates are compared by it; 0.5 by chance"
    asked = [check for check in gate.checks if check.words]
    if not asked:
        return
    yield "  checks:"
    for check in asked:
        yield from comment_lines(_about(check), "    ")
        yield f"    - {scalar(check.words)}"
    yield "    # What an action needs can be asked for, too: of those told apart half are right, a third are found:"
    of = next((check.words["of"] for check in asked if "of" in check.words), None)
    example = {"metric": "recall"} | ({} if of is None else {"of": of}) | {"at": {"precision": 0.5}, "above": 0.33}
    yield f"    # - {scalar(example)}"


def _about(check: CheckDraft) -> str:
    what = check.about[:1].upper() + check.about[1:]
    return f"{what}: {check.naive:.3f} by an answer that knows no row, {check.trees:.3f} by quick trees."


def model_of(rows: int) -> dict[str, Any]:
    """A network whose training takes about a minute, whatever the number of rows."""
    small = {"layers": 2, "units": 64, "dropout": 0.3}
    if rows < 5_000:
        return small | {"epochs": 30, "batch": 32}
    if rows < 50_000:
        return small | {"epochs": 12, "batch": 64}
    return small | ({"epochs": 10, "batch": 256} if rows < 500_000 else {"epochs": 4, "batch": 1024})


def _production(draft: Draft, title: str, window: int) -> Iterator[str]:
    yield "requests:"
    yield f"  description: {scalar(f'Rows the gateway answered: {title}')}"
    yield "monitoring:"
    yield f"  window: {max(20, window)}{' ' * 20}# about the rows of a {draft.period}"
    yield "# What answers where the model is not to: a function in a file beside this one, such as"
    yield "# fallback: {rules: rules.py:answer, confidence_below: 0.4}"
    yield "history: history                   # these files are replayed by `lakeloop demo` and `lakeloop simulate`"


def _said(name: str) -> str:
    """A delivered name as a few words."""
    words = own_name(name, "column").replace("_", " ")
    return words[:1].upper() + words[1:]


def comment_lines(text: str, indent: str) -> Iterator[str]:
    words, line = text.split(), f"{indent}#"
    for word in words:
        if len(line) + 1 + len(word) > WIDTH:
            yield line
            line = f"{indent}#  "
        line += f" {word}"
    yield line


def _wrapped(before: str, items: list[str], after: str) -> Iterator[str]:
    line, indent = before, " " * len(before)
    for place, item in enumerate(items):
        piece = item + (", " if place < len(items) - 1 else after)
        if len(line) + len(piece) > WIDTH and line.strip():
            yield line.rstrip()
            line = indent
        line += piece
    yield line
