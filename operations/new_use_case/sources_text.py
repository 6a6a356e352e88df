"""A draft's sources as the text of a contract: how their files are called and written, and how rows meet."""

from collections.abc import Iterator
from typing import Any

from lakeloop.contract.contract import PERIOD_COLUMN
from operations.contract_yaml import comment_lines, scalar, wrapped
from operations.new_use_case.draft import Draft
from operations.new_use_case.joined import JoinDraft
from operations.new_use_case.placeholders import gaps_said
from operations.new_use_case.source_names import UNTIMED, file_pattern, joined_names, source_name
from operations.new_use_case.tables import TableDraft


def sources_text(draft: Draft) -> Iterator[str]:
    """The section, line by line."""
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
    yield f"    join: {scalar(_join_words(draft, join))}"


def _join_words(draft: Draft, join: JoinDraft) -> dict[str, Any]:
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
    words, columns = _read_words(table), _special_columns(draft, table)
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


def _special_columns(draft: Draft, table: TableDraft) -> dict[str, dict[str, Any]]:
    """What is special in the texts of single columns, by their delivered names: `read.columns` of the contract."""
    found: dict[str, dict[str, Any]] = {}
    for name in _used_columns(draft, table):
        column = table.columns[name]
        gaps = [text for text in column.own_gaps if text not in table.missing]
        words = ({"unit": column.unit} if column.unit else {}) | ({"missing": gaps} if gaps else {})
        if words:
            found[name] = words
    return found


def _read_words(table: TableDraft) -> dict[str, Any]:
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


def _used_columns(draft: Draft, table: TableDraft) -> list[str]:
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
    used = _used_columns(draft, table)
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
        yield from wrapped("    columns: [", own, "]")
