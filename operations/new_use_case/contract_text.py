"""A draft as the text of a contract, with a comment wherever something was assumed."""

from collections.abc import Iterator
from shlex import quote
from typing import Any, Protocol

from lakeloop.contract.model import MODEL_KINDS, TREES
from operations.contract_yaml import comment_lines, scalar
from operations.new_use_case.draft import Draft
from operations.new_use_case.gate_draft import CheckDraft, GateDraft
from operations.new_use_case.label import ClassDraft
from operations.new_use_case.names import said_name
from operations.new_use_case.source_names import UNTIMED, source_name
from operations.new_use_case.sources_text import sources_text
from operations.new_use_case.time_zones import UTC, Zone

ENOUGH_ROWS = 5_000
"""Of which the accuracies of train and eval rows are within a few points by chance."""


class PeriodRows(Protocol):
    """Of what the contract is a draft: the first period, and how many rows one usually has."""

    @property
    def start(self) -> str: ...
    @property
    def usual(self) -> int: ...


def contract_text(
    draft: Draft, name: str, title: str, history: PeriodRows, gate: GateDraft, salt: str, kind: str
) -> str:
    """The whole contract, with a model of that kind."""
    lines = [*_head(draft, name, title), "", *_key(draft), *_event_time(draft, history.start), ""]
    lines += [*sources_text(draft), "", *_features(draft), "", *_label(draft), ""]
    lines += [*_training(draft, gate, salt, kind), ""]
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
        yield f"key: {{column: {own[0]}, description: {scalar(said_name(draft.key.columns[0]))}}}"
    else:
        yield f"key: {{columns: {scalar(own)}, description: {scalar(' and '.join(map(said_name, draft.key.columns)))}}}"


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
        yield f"  description: {scalar(' and '.join(map(said_name, draft.time.delivered)))}"
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


def _features(draft: Draft) -> Iterator[str]:
    yield "# `valid` and `values` are what is possible at all: outside a row is rejected, and a request refused."
    yield "features:"
    described = [(draft.table, one) for one in draft.features]
    described += [(join.table, one) for join in draft.joins for one in join.features]
    for table, one in described:
        yield f"  {table.names[one.column]}:" + (f"  # {one.comment}" if one.comment else "")
        yield f"    description: {scalar(said_name(one.column))}"
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
    called = said_name(label.column) if label.number else f"Class of {label.column}"
    yield f"  description: {scalar(label.made or called)}"
    yield f"  source: {source_name(draft.truth, source_name(draft.table) if draft.truth is not draft.table else '')}"
    yield f"  column: {label.column}"
    if label.made:
        yield f"  made: {scalar(label.made)}"
    truth: dict[str, Any] = {"description": label.made or said_name(label.column), "type": label.type}
    truth |= {"values": list(label.values)} if label.values else {}
    if not label.made and label.needs and (unit := draft.truth.columns[label.needs[0]].unit):
        truth |= {"unit": unit}
    truth |= {"valid": list(label.valid)} if label.valid is not None else {}
    yield f"  truth: {scalar(truth)}"
    classes = [f"    - {_class(one)}  # {one.share:.1%} of the rows" for one in label.classes]
    if not label.number:
        yield "  classes:                        # in this order they are 0, 1, …, for good"
        yield from classes
        return
    yield from comment_lines(
        "The number itself is predicted, with an interval that holds the truth of 80 % of such rows (`interval: 0.8`). "
        "Classes instead, such as its thirds, with a gate about them (`accuracy`, and `champion_margin: 0.01`):",
        "  ",
    )
    yield "  # classes:"
    yield from (f"  # {one[2:]}" for one in classes)


def _class(one: ClassDraft) -> str:
    return scalar({"name": one.name} | ({"when": one.when} if one.when else {}))


def _training(draft: Draft, gate: GateDraft, salt: str, kind: str) -> Iterator[str]:
    yield f'split: {{salt: "{salt}", every: 5}}       # one row in five is held out, by its key and so for good'
    rows, number = draft.table.sample.all_rows, bool(draft.label.number)
    drafted = {one: f"model: {scalar(model_of(rows, one, number))}" for one in MODEL_KINDS}
    yield drafted.pop(kind)
    for other, line in drafted.items():
        yield f"# {line:<31} # the other kind; `lakeloop train --set kind={other}` tries it"
    yield "gate:                              # what a good model is"
    yield from _errors(gate) if draft.label.number else _accuracy(draft, gate) if gate.by_accuracy else _ranking(gate)
    yield f"  champion_margin: {gate.margin:g}"


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


def _errors(gate: GateDraft) -> Iterator[str]:
    yield from comment_lines(f"{gate.why}.", "  ")
    if gate.checks:
        yield "  checks:"
    for check in gate.checks:
        yield from comment_lines(_about(check), "    ")
        yield f"    - {scalar(check.words)}"


def _about(check: CheckDraft) -> str:
    what = check.about[:1].upper() + check.about[1:]
    return f"{what}: {check.naive:.3f} by an answer that knows no row, {check.trees:.3f} by quick trees."


def model_of(rows: int, kind: str, number: bool) -> dict[str, Any]:
    """A network whose training takes about a minute, whatever the number of rows; or trees, which stop in time.

    Dropout moves a network's numbers towards the middle: of a number little of it is drafted (`python -m bench kinds`
    has bikes, whose error is 34.8 with 0.3 and 28.9 with 0.1).
    """
    if kind == TREES:
        return {"kind": kind}
    small = {"layers": 2, "units": 64, "dropout": 0.1 if number else 0.3}
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
    yield "# fallback: {rules: rules.py:answer" + ("}" if draft.label.number else ", confidence_below: 0.4}")
    yield "history: history                   # these files are replayed by `lakeloop demo` and `lakeloop simulate`"
