"""Mistakes that span sections of a contract. They read the raw document, so they are found beside all others."""

from typing import Any

from lakeloop.contract import reserved_names as reserved
from lakeloop.contract.batch_scoring import SCORED_TABLE
from lakeloop.contract.cluster_checks import cluster_checks
from lakeloop.contract.columns import TIMES
from lakeloop.contract.contract import PERIOD_COLUMN
from lakeloop.contract.feature_checks import feature_checks
from lakeloop.contract.gate_checks import gate_checks
from lakeloop.contract.join_checks import join_checks, joined_sources, met_columns, values_of
from lakeloop.contract.label_checks import label_checks
from lakeloop.contract.place_checks import place_checks, place_columns
from lakeloop.contract.raw_document import (
    Found,
    class_names_in,
    derived_names,
    event_column,
    event_columns,
    has_times,
    key_column,
    key_is_made,
    mapping_at,
    meant,
    names_at,
    several_labels,
    task_of,
    text_at,
    truth_column,
    value_at,
    words_of,
)
from lakeloop.contract.release_checks import release_checks
from lakeloop.contract.yaml_document import Location


def cross_checks(raw: dict[str, Any]) -> Found:
    """Each mistake and where it is."""
    holders = _holders(raw)
    base = holders[0] if len(holders) == 1 else ""
    yield from _columns(raw)
    yield from _made_key(raw)
    yield from _split(raw)
    yield from _names_taken(raw)
    yield from _periods(raw)
    yield from join_checks(raw, base)
    yield from label_checks(raw, base)
    yield from feature_checks(raw)
    yield from gate_checks(raw)
    yield from _units(raw)
    yield from _scored_table(raw, base)
    yield from cluster_checks(raw, base)
    yield from place_checks(raw, base)
    yield from release_checks(raw)


def _columns(raw: dict[str, Any]) -> Found:
    key, event, truth = key_column(raw), event_column(raw), truth_column(raw)
    features, sources, parts = names_at(raw, "features"), names_at(raw, "sources"), names_at(raw, "key", "columns")
    made, joined = words_of(text_at(raw, "label", "made")), joined_sources(raw)
    said = event_columns(raw)
    known = {*features, *parts, *made, *met_columns(raw), text_at(raw, "split", "column"), key, *said, truth}
    known |= {*several_labels(raw), *place_columns(raw)}
    known.add(text_at(raw, "label", "truth", "part"))
    columns = {source: names_at(raw, "sources", source, "columns") for source in sources if source not in joined}
    for source, names in columns.items():
        at: Location = ("sources", source, "columns")
        if key_is_made(raw):
            yield from ((at, f"`{part}` is missing, a part of the key; every source must deliver it")
                        for part in parts if part not in names)  # fmt: skip
        elif key and key not in names:
            yield at, f"the key `{key}` is missing; every source must deliver it"
        by_name = isinstance(value_at(raw, "sources", source, "columns"), dict)
        for position, name in enumerate(names):
            if name not in known:
                yield (
                    (*at, name if by_name else position),
                    f"`{name}` is neither key, event time, feature nor ground truth; describe it",
                )
    holders = _holders(raw)
    if sources and event and len(holders) != 1:
        joined_from = mapping_at(raw, "event_time", "columns")
        what = f"`{'`, `'.join(said)}` must be columns" if joined_from else f"`{event}` must be a column"
        yield (
            ("event_time", "columns" if joined_from else "column"),
            f"{what} of exactly one source; {'they are' if joined_from else 'it is'} in {', '.join(holders) or 'none'}",
        )
    found, derived = {name for source in joined for name in values_of(raw, source)}, derived_names(raw)
    for feature in features:
        if len(holders) == 1 and feature not in {*columns[holders[0]], *found, event, *derived}:
            others = " or to a joined source" if joined else ""
            yield (
                ("features", feature),
                f"is not a column of source `{holders[0]}`, which has the event time; add it{others}",
            )
    yield from _joined_time(raw)
    if key and key == event:
        yield ("event_time", "column"), f"`{event}` is also the key; a row needs a key of its own"
    if key and key in features:
        yield ("features", key), "is also the key, which is no model input; leave it out of the features"


def _holders(raw: dict[str, Any]) -> list[str]:
    """The sources that have the event time: in a good contract one, the base."""
    said, joined = set(event_columns(raw)), joined_sources(raw)
    columns = {s: names_at(raw, "sources", s, "columns") for s in names_at(raw, "sources") if s not in joined}
    holders = [source for source, names in columns.items() if said <= set(names)]
    if said <= set(names_at(raw, "key", "columns")):  # then every source has it, and the one with the features counts
        elsewhere = {name for source in joined for name in values_of(raw, source)}
        features = set(names_at(raw, "features")) - {event_column(raw), *derived_names(raw)}
        holders = [s for s in holders if features <= {*columns[s], *elsewhere}] or holders[:1]
    return holders


def _scored_table(raw: dict[str, Any], base: str) -> Found:
    """A table that is scored by itself: one that the lakehouse will make, with key and features."""
    table, known = text_at(raw, "scoring", "table"), (f"silver/{base}", "silver/predictions", "gold/training")
    if base and SCORED_TABLE.fullmatch(table) and table not in known:
        yield ("scoring", "table"), f"{table!r} has not key and features; {meant(table, known, 'those that have:')}"


def _joined_time(raw: dict[str, Any]) -> Found:
    """An event time that is joined from columns: no file has a column of its name."""
    event, truths = event_column(raw), {truth_column(raw), *several_labels(raw)}
    if not mapping_at(raw, "event_time", "columns"):
        return
    for source in names_at(raw, "sources"):
        if event in names_at(raw, "sources", source, "columns"):
            yield (
                ("sources", source, "columns"),
                f"`{event}` is the event time, which is joined from columns when rows come in; give it another name by "
                "`event_time.column`",
            )
    for truth in sorted(truths & set(event_columns(raw))):
        yield ("event_time", "columns"), f"`{truth}` is the truth, which is not known when the event is; leave it out"


def _made_key(raw: dict[str, Any]) -> Found:
    """A key that is not delivered: it needs a name of its own, and what it is made of must be the same everywhere."""
    if not key_is_made(raw):
        return
    key, made = key_column(raw), text_at(raw, "key", "made")
    sources = [source for source in names_at(raw, "sources") if source not in joined_sources(raw)]
    for source in sources:
        names = names_at(raw, "sources", source, "columns")
        if key in names:
            yield (
                ("sources", source, "columns", names.index(key)),
                f"`{key}` is the key, which is made when rows come in; take it for the key as it is "
                f"(`key: {{column: {key}, …}}`), or give the key another name by `key.column`",
            )
    if made and len(sources) > 1:
        yield (
            ("key", "made"),
            f"a {made} is another one in every file, so the rows of {', '.join(sources)} would never meet; take "
            "`column` or `columns`, which every source delivers",
        )
    truths = {truth_column(raw), *several_labels(raw)}
    for position, part in enumerate(names_at(raw, "key", "columns")):
        if part in truths:
            yield ("key", "columns", position), f"`{part}` is the truth, which requests do not know; leave it out"
        missing = text_at(raw, "features", part, "missing")
        if missing and missing != "reject":
            yield (
                ("features", part, "missing"),
                f"is {missing}, and `{part}` is a part of the key: a row without it has none; write `missing: reject`",
            )


def _split(raw: dict[str, Any]) -> Found:
    """The column that rows are split by: it must come with the features, and tell nothing of the truth."""
    column, truth = text_at(raw, "split", "column"), truth_column(raw)
    said = event_columns(raw)
    if value_at(raw, "split", "stratify") and task_of(raw) != "classification":
        has = "is several, of which a row may have any" if several_labels(raw) else "has no classes"
        yield ("split", "stratify"), f"holds out each class by its share, and the label {has}; leave it out"
    if not column:
        return
    label = text_at(raw, "label", "name")
    if column in (truth, label, f"{label}_name", *several_labels(raw)):
        yield ("split", "column"), f"`{column}` is the truth or the label; take another column"
    elif column == key_column(raw):
        yield ("split", "column"), f"`{column}` is the key; write `by: key` and leave `column` out"
    elif column in (event_column(raw), *said):
        yield ("split", "column"), f"`{column}` is the event time; write `by: time`, or take another column"
    elif not any({*said, column} <= set(names_at(raw, "sources", s, "columns")) for s in names_at(raw, "sources")):
        yield ("split", "column"), f"`{column}` is no column of the source that has the event time; add it there"
    elif column in names_at(raw, "features"):
        kind, missing = (
            text_at(raw, "features", column, "type"),
            text_at(raw, "features", column, "missing") or "reject",
        )
        if kind not in ("", "string", "int") or missing != "reject":
            yield (
                ("split", "column"),
                f"`{column}` is {kind}{', and may be missing' if missing != 'reject' else ''}; rows are split by a "
                "feature of type string or int that each row has, or by a column that is no feature",
            )


def _names_taken(raw: dict[str, Any]) -> Found:
    key, event, truth = key_column(raw), event_column(raw), truth_column(raw)
    features, logged, classes = names_at(raw, "features"), "requests" in raw, class_names_in(raw)
    use_case = text_at(raw, "use_case")
    if why := reserved.of_use_case(use_case):
        yield ("use_case",), f"`{use_case}` {why}; give the use case, and its folder, another name"
    for name in features:
        if why := reserved.of_feature(name, classes, logged):
            yield ("features", name), f"`{name}` {why}; give the feature another name"
    if why := reserved.of_key(key, classes, logged):
        yield ("key", "column"), f"`{key}` {why}; give the key another name"
    if why := reserved.of_event_time(event, features, classes, truth, logged):
        yield ("event_time", "column"), f"`{event}` {why}; give the event time another name"
    for name in reserved.ANSWERED_NUMBERS if logged and task_of(raw) == "regression" else ():
        if name in features:
            yield ("features", name), f"`{name}` is a column of silver/predictions; give the feature another name"
    for source in names_at(raw, "sources"):
        if source in reserved.SOURCES:
            yield ("sources", source), f"`{source}` is a table of the lake itself; give the source another name"
    groups = {name: text_at(raw, "features", name, "group") for name in features}
    places = [*dict.fromkeys(group for group in groups.values() if group), *(n for n in features if not groups[n])]
    for name in reserved.twice_in_a_request(places):
        where: Location = ("features", name) if name in features and not groups[name] else ()
        where = where or ("features", next(n for n in features if groups[n] == name), "group")
        yield (
            where,
            f"a request would have two fields `{name}`: {', '.join(reserved.REQUEST)} are its own, and each group is "
            "one; give it another name",
        )


def _periods(raw: dict[str, Any]) -> Found:
    if text_at(raw, "generator") and text_at(raw, "history"):
        yield ("history",), "replays periods, and `generator` draws them; keep one of the two"
    kind = text_at(raw, "event_time", "period") or "month"
    for name, source in mapping_at(raw, "sources").items():
        if isinstance(source, dict) and "delay_months" in source and (kind != "month" or "delay_periods" in source):
            yield (
                ("sources", name, "delay_months"),
                f"write `delay_periods` alone, the number of {kind}s; `delay_months` is for periods that are months",
            )
    if not has_times(raw):
        return
    taken: list[Location] = [
        ("sources", source, "columns")
        for source in names_at(raw, "sources")
        if source not in joined_sources(raw) and PERIOD_COLUMN in names_at(raw, "sources", source, "columns")
    ]
    taken += [at for at in (("key", "column"), ("label", "name")) if text_at(raw, *at) == PERIOD_COLUMN]
    for at in taken:
        yield at, f"`{PERIOD_COLUMN}` is the column with the period of the event time; choose another name"


def _units(raw: dict[str, Any]) -> Found:
    """A unit stands beside numbers alone, and only numbers are summed."""
    types = {
        key_column(raw): "key",
        **dict.fromkeys(event_columns(raw), "time"),
        truth_column(raw): text_at(raw, "label", "truth", "type"),
        **dict.fromkeys(several_labels(raw), "bool"),
        **{name: text_at(raw, "features", name, "type") for name in names_at(raw, "features")},
    }
    for source in names_at(raw, "sources"):
        for name in names_at(raw, "sources", source, "read", "columns"):
            at = ("sources", source, "read", "columns", name, "unit")
            if value_at(raw, *at) and types.get(name) in ("key", "time", "string", "bool", *TIMES):
                yield at, f"`{name}` is a {types[name]}, and a unit stands beside numbers; leave it out"
        for position, name in enumerate(names_at(raw, "sources", source, "summed")):
            if types.get(name) not in ("", "int", "float", "decimal", None):
                yield (
                    ("sources", source, "summed", position),
                    f"`{name}` is a {types[name]}, and numbers are summed; leave it out",
                )
            elif text_at(raw, "features", name, "derived_from"):
                yield ("sources", source, "summed", position), f"`{name}` is derived from others; sum those"
