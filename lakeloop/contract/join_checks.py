"""Mistakes of joined sources that span sections of a contract; as `cross_checks`, from the raw document."""

from typing import Any

from lakeloop.contract import reserved_names as reserved
from lakeloop.contract.contract import PERIOD_COLUMN
from lakeloop.contract.raw_document import (
    Found,
    event_column,
    has_times,
    key_column,
    meant,
    names_at,
    text_at,
    value_at,
    words_of,
)
from lakeloop.contract.time_formats import format_problem
from lakeloop.contract.yaml_document import Location

NOT_MET = ("float", "decimal", "date", "timestamp")
"""Types of a feature whose values are no two alike, or written in more than one way."""


def joined_sources(raw: dict[str, Any]) -> list[str]:
    """The names of the sources that are joined."""
    return [source for source in names_at(raw, "sources") if value_at(raw, "sources", source, "join") is not None]


def own_columns(raw: dict[str, Any], source: str) -> list[str]:
    """What a joined source is met by: its columns of `on`, and `as_of`."""
    as_of = text_at(raw, "sources", source, "join", "as_of")
    return [*names_at(raw, "sources", source, "join", "on"), *([as_of] if as_of else [])]


def met_columns(raw: dict[str, Any]) -> set[str]:
    """Columns of the base that rows of joined sources are met by."""
    return {base for source in joined_sources(raw) for base in _on(raw, source).values()}


def values_of(raw: dict[str, Any], source: str) -> list[str]:
    """A joined source's other columns: the features it has."""
    own = own_columns(raw, source)
    return [name for name in names_at(raw, "sources", source, "columns") if name not in own]


def join_checks(raw: dict[str, Any], base: str) -> Found:
    """Each mistake and where it is; `base` is the source that has the event time, '' where that is not clear."""
    for source in joined_sources(raw):
        yield from _own_side(raw, source)
        if base:
            yield from _base_side(raw, source, base)
    if base:
        yield from _owners(raw, base)
    if not joined_sources(raw):
        return
    if text_at(raw, "generator"):
        yield ("generator",), "draws the rows of one table, and sources are joined here; take a `history` of files"
    if text_at(raw, "label", "source") in joined_sources(raw):
        yield (
            ("label", "source"),
            "is a joined source; the truth of a row comes with its key, from a source without `join`",
        )
    for source in reserved.SOURCES_OF_JOINS:
        if source in names_at(raw, "sources"):
            yield ("sources", source), f"`{source}` is a table of the lake itself; give the source another name"


def _own_side(raw: dict[str, Any], source: str) -> Found:
    columns, place = names_at(raw, "sources", source, "columns"), ("sources", source, "join")
    for name in own_columns(raw, source):
        if columns and name not in columns:
            yield (
                (*place, "on" if name in _on(raw, source) else "as_of"),
                f"`{name}` is no column of `{source}`; {meant(name, columns, 'it has')}",
            )
    if not values_of(raw, source) and columns:
        yield ("sources", source, "columns"), "none of them is a feature; a joined source is there for its features"
    for name in values_of(raw, source):
        if name not in names_at(raw, "features"):
            yield (
                ("sources", source, "columns"),
                f"`{name}` is neither a feature nor what its rows are met by (`join`); describe it or leave it out",
            )
    named = [*own_columns(raw, source), *values_of(raw, source)]
    if PERIOD_COLUMN in named and has_times(raw) and PERIOD_COLUMN not in _on(raw, source):
        yield (
            ("sources", source, "columns"),
            f"`{PERIOD_COLUMN}` is the column with the period of the event time; choose another name",
        )


def _base_side(raw: dict[str, Any], source: str, base: str) -> Found:
    event, dated = event_column(raw), has_times(raw)
    period = PERIOD_COLUMN if dated else event
    there = [*names_at(raw, "sources", base, "columns"), key_column(raw), period]
    place: Location = ("sources", source, "join", "on")
    form = text_at(raw, "sources", source, "join", "format")
    for own, name in _on(raw, source).items():
        kind = text_at(raw, "features", name, "type")
        if name == event and dated:
            yield (
                place,
                f"`{own}` meets `{event}`, which is a moment; say `as_of: {own}`, or meet its period: "
                f"`{own}: {PERIOD_COLUMN}`",
            )
        elif name == text_at(raw, "label", "column"):
            yield place, f"`{name}` is the truth, which is not known when a row is predicted"
        elif name not in there:
            yield place, f"`{name}` is no column of `{base}`, which has the event time; {meant(name, there, 'it has')}"
        elif kind in NOT_MET:
            yield place, f"`{name}` is a {kind}; rows are met by texts, whole numbers, truth values or the period"
        elif name == period and form and not text_at(raw, "sources", source, "join", "as_of"):
            wanted = text_at(raw, "event_time", "period") or "month"
            if problem := format_problem(form, wanted):  # type: ignore[arg-type]
                yield (*place[:-1], "format"), problem
    if form and not text_at(raw, "sources", source, "join", "as_of") and period not in _on(raw, source).values():
        yield (
            (*place[:-1], "format"),
            f"says how `as_of` is written, or a column that meets `{period}`; there is neither",
        )


def _owners(raw: dict[str, Any], base: str) -> Found:
    """Each feature comes from one source, and the base keeps what it needs itself."""
    sources = {base: names_at(raw, "sources", base, "columns")} | {s: values_of(raw, s) for s in joined_sources(raw)}
    needed = {
        *met_columns(raw),
        *names_at(raw, "key", "columns"),
        text_at(raw, "split", "column"),
        *words_of(text_at(raw, "label", "made")),
    }
    for feature in names_at(raw, "features"):
        having = [source for source, columns in sources.items() if feature in columns]
        said = text_at(raw, "features", feature, "source")
        if said and said not in having:
            yield (
                ("features", feature, "source"),
                f"is '{said}', which has no such column beside what it is met by; "
                f"{' or '.join(having) or 'no source'} has it",
            )
        elif not said and len(having) > 1:
            yield (
                ("features", feature),
                f"is a column of {' and '.join(having)}; say `source: {having[0]}` or `source: {having[1]}`",
            )
        elif said and said != base and feature in sources[base] and feature in needed:
            yield (
                ("features", feature, "source"),
                f"is '{said}', and `{base}` needs its own column of that name; give the joined one another, by a "
                f"mapping in `sources.{said}.columns`",
            )


def _on(raw: dict[str, Any], source: str) -> dict[str, str]:
    on = value_at(raw, "sources", source, "join", "on")
    if isinstance(on, dict):
        return {str(own): str(base) for own, base in on.items()}
    return {str(name): str(name) for name in on} if isinstance(on, list) else {}
