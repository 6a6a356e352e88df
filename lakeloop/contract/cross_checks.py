"""Mistakes that span sections of a contract. They read the raw document, so they are found beside all others."""

import difflib
from collections.abc import Iterator
from typing import Any

from lakeloop.contract import reserved_names as reserved
from lakeloop.contract.columns import TIMES
from lakeloop.contract.contract import PERIOD_COLUMN
from lakeloop.contract.crosses import why_not_crossed
from lakeloop.contract.expression import ExpressionError, columns_in, read_expression
from lakeloop.contract.join_checks import join_checks, joined_sources, met_columns, values_of
from lakeloop.contract.production import CONDITION, condition_problem
from lakeloop.contract.raw_document import (
    items_at,
    key_column,
    key_is_made,
    mapping_at,
    names_at,
    text_at,
    value_at,
    words_of,
)
from lakeloop.contract.time_features import AGE
from lakeloop.contract.time_formats import PERIOD
from lakeloop.contract.yaml_document import Location

Found = Iterator[tuple[Location, str]]


def cross_checks(raw: dict[str, Any]) -> Found:
    """Each mistake and where it is."""
    yield from _columns(raw)
    yield from _made_key(raw)
    yield from _label(raw)
    yield from _split(raw)
    yield from _made_truth(raw)
    yield from _names_taken(raw)
    yield from _periods(raw)
    yield from _fallback(raw)
    yield from _event_time_as_feature(raw)
    yield from _ages(raw)
    yield from _crosses(raw)
    features = names_at(raw, "features")
    for position, name in enumerate(names_at(raw, "slices")):
        if name not in features:
            yield ("slices", position), f"'{name}' is not a feature; features: {', '.join(features)}"


def _columns(raw: dict[str, Any]) -> Found:
    key, event, truth = key_column(raw), text_at(raw, "event_time", "column"), text_at(raw, "label", "column")
    features, sources, parts = names_at(raw, "features"), names_at(raw, "sources"), names_at(raw, "key", "columns")
    made, joined = words_of(text_at(raw, "label", "made")), joined_sources(raw)
    known = {*features, *parts, *made, *met_columns(raw), text_at(raw, "split", "column"), key, event, truth}
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
    holders = [source for source, names in columns.items() if event in names]
    if event in parts:  # then every source has it, and the one with the features counts
        elsewhere = {name for source in joined for name in values_of(raw, source)}
        holders = [s for s in holders if set(features) <= {*columns[s], *elsewhere}] or holders[:1]
    if sources and event and len(holders) != 1:
        yield (
            ("event_time", "column"),
            f"`{event}` must be a column of exactly one source; it is in {', '.join(holders) or 'none'}",
        )
    found = {name for source in joined for name in values_of(raw, source)}
    for feature in features:
        if len(holders) == 1 and feature not in columns[holders[0]] and feature not in found:
            others = " or to a joined source" if joined else ""
            yield (
                ("features", feature),
                f"is not a column of source `{holders[0]}`, which has the event time; add it{others}",
            )
    base = holders[0] if len(holders) == 1 else ""
    yield from join_checks(raw, base)
    yield from _truth_in_parts(raw, base)
    if key and key == event:
        yield ("event_time", "column"), f"`{event}` is also the key; a row needs a key of its own"
    if key and key in features:
        yield ("features", key), "is also the key, which is no model input; leave it out of the features"


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
    truth = text_at(raw, "label", "column")
    for position, part in enumerate(names_at(raw, "key", "columns")):
        if part == truth:
            yield ("key", "columns", position), f"`{part}` is the truth, which requests do not know; leave it out"
        missing = text_at(raw, "features", part, "missing")
        if missing and missing != "reject":
            yield (
                ("features", part, "missing"),
                f"is {missing}, and `{part}` is a part of the key: a row without it has none; write `missing: reject`",
            )


def _label(raw: dict[str, Any]) -> Found:
    key, event = key_column(raw), text_at(raw, "event_time", "column")
    features, sources = names_at(raw, "features"), names_at(raw, "sources")
    label, truth, source = (text_at(raw, "label", k) for k in ("name", "column", "source"))
    if source and source not in sources:
        yield ("label", "source"), f"is '{source}'; allowed: {', '.join(sources)}"
    elif (
        truth
        and source
        and not text_at(raw, "label", "made")
        and text_at(raw, "label", "truth", "combine") != "count"
        and truth not in names_at(raw, "sources", source, "columns")
    ):
        yield ("label", "column"), f"`{truth}` is not a column of source `{source}`; add it there"
    if label and label in {*features, key, event, truth, f"{truth}_name"}:
        yield ("label", "name"), f"'{label}' is the name of another column; choose another"
    if label and f"{label}_name" in {*features, key, event, truth}:
        yield ("label", "name"), f"gold has the class's name in `{label}_name`, which is another column; choose another"
    if label and label.removesuffix("_x") in features and label.endswith("_x"):
        yield ("label", "name"), f"'{label}' is what Transform calls the feature `{label[:-2]}`; choose another"
    if truth and truth in features:
        yield ("label", "column"), f"`{truth}` is also a feature: the model would be told the answer"
    if truth and truth in (key, event):
        yield ("label", "column"), f"`{truth}` is also the key or the event time; the truth needs a column of its own"


def _truth_in_parts(raw: dict[str, Any], base: str) -> Found:
    """A truth that several rows of a key make together needs a source of its own, and what tells those rows apart."""
    part, combine = text_at(raw, "label", "truth", "part"), text_at(raw, "label", "truth", "combine") or "last"
    source, truth = text_at(raw, "label", "source"), text_at(raw, "label", "column")
    if combine == "last":
        return
    at: Location = ("label", "truth", "part")
    columns = names_at(raw, "sources", source, "columns")
    if text_at(raw, "generator"):
        yield ("generator",), "draws one truth a row, and here it comes in parts; take a `history` of files"
    if source and source == base:
        yield (
            ("label", "source"),
            "is the source of the features, which has one row a key; a truth in parts needs its own",
        )
    if part and columns and part not in columns:
        yield at, f"`{part}` is no column of source `{source}`, which has {', '.join(columns)}"
    if part and part in (truth, key_column(raw), *names_at(raw, "key", "columns"), *names_at(raw, "features")):
        yield at, f"`{part}` is the key, a feature or the truth itself; take the column that numbers or names the parts"
    if text_at(raw, "label", "made"):
        yield (
            ("label", "made"),
            f"computes the truth of a row, and `combine: {combine}` makes it of several; keep one",
        )
    if combine == "count" and truth in columns:
        yield (
            ("sources", source, "columns", columns.index(truth)),
            f"`{truth}` is the number of parts (`combine: count`), so no file has it; leave it out",
        )


def _split(raw: dict[str, Any]) -> Found:
    """The column that rows are split by: it must come with the features, and tell nothing of the truth."""
    column, event, truth = (text_at(raw, *place) for place in (("split", "column"), ("event_time", "column"),
                                                             ("label", "column")))  # fmt: skip
    if not column:
        return
    if column in (truth, text_at(raw, "label", "name"), f"{text_at(raw, 'label', 'name')}_name"):
        yield ("split", "column"), f"`{column}` is the truth or the label; take another column"
    elif column == key_column(raw):
        yield ("split", "column"), f"`{column}` is the key; write `by: key` and leave `column` out"
    elif column == event:
        yield ("split", "column"), f"`{column}` is the event time; write `by: time`, or take another column"
    elif not any({event, column} <= set(names_at(raw, "sources", s, "columns")) for s in names_at(raw, "sources")):
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


def _made_truth(raw: dict[str, Any]) -> Found:
    """A truth that is computed from columns of its source."""
    made, source, truth = (
        text_at(raw, "label", "made"),
        text_at(raw, "label", "source"),
        text_at(raw, "label", "column"),
    )
    if not made:
        return
    for holder in names_at(raw, "sources"):
        names = names_at(raw, "sources", holder, "columns")
        if truth in names:
            yield (
                ("sources", holder, "columns", names.index(truth)),
                f"`{truth}` is computed (`label.made`), so no file has it; leave it out, or `made` where files do",
            )
    types = {name: kind for name in names_at(raw, "features") if (kind := text_at(raw, "features", name, "type"))}
    try:
        expression = read_expression(made, types)
    except ExpressionError as problem:
        yield ("label", "made"), str(problem)
        return
    delivered, taken = (
        names_at(raw, "sources", source, "columns"),
        (key_column(raw), text_at(raw, "event_time", "column")),
    )
    for name in dict.fromkeys(named.column for named in columns_in(expression)):
        if name in (truth, text_at(raw, "label", "name")):
            yield ("label", "made"), f"`{name}` is what is computed; it cannot stand in its own definition"
        elif name in taken or (name in names_at(raw, "key", "columns") and name not in types):
            yield ("label", "made"), f"`{name}` is the key or the event time, which is no number to compute with"
        elif delivered and name not in delivered:
            close = difflib.get_close_matches(name, delivered, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"it has {', '.join(delivered)}"
            yield ("label", "made"), f"`{name}` is no column of source `{source}`; {hint}"
    kind, wanted = text_at(raw, "label", "truth", "type"), "bool" if expression.kind == "condition" else "float"
    if expression.kind == "text":
        yield ("label", "made"), "is a text as it was delivered; compute a number, or a condition such as `refund > 0`"
    elif kind and kind != wanted:
        yield (
            ("label", "truth", "type"),
            f"is {kind}, and `label.made` gives a {expression.kind}; write `type: {wanted}`",
        )


def _names_taken(raw: dict[str, Any]) -> Found:
    key, event, truth = key_column(raw), text_at(raw, "event_time", "column"), text_at(raw, "label", "column")
    features, logged = names_at(raw, "features"), "requests" in raw
    classes = [str(c["name"]) for c in items_at(raw, "label", "classes") if isinstance(c, dict) and "name" in c]
    for name in features:
        if why := reserved.of_feature(name, classes, logged):
            yield ("features", name), f"`{name}` {why}; give the feature another name"
    if why := reserved.of_key(key, classes, logged):
        yield ("key", "column"), f"`{key}` {why}; give the key another name"
    if why := reserved.of_event_time(event, features, classes, truth, logged):
        yield ("event_time", "column"), f"`{event}` {why}; give the event time another name"
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
    kind = text_at(raw, "event_time", "period") or "month"
    for name, source in mapping_at(raw, "sources").items():
        if isinstance(source, dict) and "delay_months" in source and (kind != "month" or "delay_periods" in source):
            yield (
                ("sources", name, "delay_months"),
                f"write `delay_periods` alone, the number of {kind}s; `delay_months` is for periods that are months",
            )
    if text_at(raw, "event_time", "format") in ("", PERIOD):
        return
    taken: list[Location] = [
        ("sources", source, "columns")
        for source in names_at(raw, "sources")
        if source not in joined_sources(raw) and PERIOD_COLUMN in names_at(raw, "sources", source, "columns")
    ]
    taken += [at for at in (("key", "column"), ("label", "name")) if text_at(raw, *at) == PERIOD_COLUMN]
    for at in taken:
        yield at, f"`{PERIOD_COLUMN}` is the column with the period of the event time; choose another name"


def _event_time_as_feature(raw: dict[str, Any]) -> Found:
    """The event time may be a model input, as the moment that it is."""
    event = text_at(raw, "event_time", "column")
    if not event or event not in names_at(raw, "features"):
        return
    at: Location = ("features", event)
    kind, given, missing = (text_at(raw, "features", event, word) for word in ("type", "format", "missing"))
    if text_at(raw, "event_time", "format") in ("", PERIOD):
        yield (
            at,
            "is also the event time, which is given as periods and is no model input so; deliver a time and say its "
            "`event_time.format`, or leave it out of the features",
        )
    elif kind not in ("", "timestamp"):
        yield (*at, "type"), f"is {kind}, and the event time is a moment; write `type: timestamp, role: time`"
    if given:
        yield (*at, "format"), "is said twice: how the event time is written says `event_time.format`; leave it out"
    if missing not in ("", "reject"):
        yield (*at, "missing"), "means nothing here: every row has an event time; leave it out"


def _ages(raw: dict[str, Any]) -> Found:
    """An age is counted from a time to the row's event time, which the model must know then."""
    event = text_at(raw, "event_time", "column")
    for name in names_at(raw, "features"):
        if AGE not in names_at(raw, "features", name, "parts"):
            continue
        at: Location = ("features", name, "parts")
        if name == event:
            yield at, f"`{AGE}` is the time to the event, which for the event time itself is always 0; leave it out"
        elif event and event not in names_at(raw, "features"):
            dated = text_at(raw, "event_time", "format") not in ("", PERIOD)
            before = "" if dated else "deliver times, say their `event_time.format`, and "
            yield (
                at,
                (
                    f"`{AGE}` is the time to the row's event time, which the model is not told; {before}make "
                    f"`{event}` a feature, too: {{type: timestamp, role: time, parts: [weekday]}}"
                ),
            )


def _crosses(raw: dict[str, Any]) -> Found:
    features, made = names_at(raw, "features"), list[str]()
    for position, cross in enumerate(items_at(raw, "crosses")):
        parts = cross.get("columns") if isinstance(cross, dict) else None
        names = [str(part) for part in parts] if isinstance(parts, list) else []
        at: Location = ("crosses", position, "columns")
        for place, name in enumerate(names):
            if name not in features:
                close = difflib.get_close_matches(name, features, n=1)
                hint = f"did you mean `{close[0]}`?" if close else f"features: {', '.join(features)}"
                yield (*at, place), f"'{name}' is not a feature; {hint}"
            elif why := why_not_crossed(
                text_at(raw, "features", name, "role"), text_at(raw, "features", name, "transform")
            ):
                yield (*at, place), f"`{name}` {why}"
        name = "_by_".join(names)
        if name in made:
            yield at, f"the cross of {' and '.join(names)} stands there twice; keep one"
        if name in features or f"{name}_x" == text_at(raw, "label", "name"):
            yield at, f"a cross is called `{name}` in the model, and so is another column; give that another name"
        made.append(name)


def _fallback(raw: dict[str, Any]) -> Found:
    features = names_at(raw, "features")
    listed = ", ".join(features)
    for name, usual in mapping_at(raw, "fallback", "ranges").items():
        if name not in features:
            yield ("fallback", "ranges", name), f"is not a feature; features: {listed}"
        elif text_at(raw, "features", name, "type") == "string":
            yield ("fallback", "ranges", name), "is a feature of texts, which have no range; take `segments`"
        elif text_at(raw, "features", name, "type") == "bool":
            yield ("fallback", "ranges", name), "is true or false, which has no range; take `segments`"
        elif (kind := text_at(raw, "features", name, "type")) in TIMES:
            yield ("fallback", "ranges", name), f"is a {kind}, which has no range of numbers; take `segments`"
        elif isinstance(usual, dict):
            low, high = usual.get("at_least"), usual.get("below")
            if isinstance(low, int | float) and isinstance(high, int | float) and low >= high:
                yield ("fallback", "ranges", name), f"`at_least` ({low:g}) must be smaller than `below` ({high:g})"
    for position, text in enumerate(items_at(raw, "fallback", "segments")):
        at: Location = ("fallback", "segments", position)
        for name, comparison, value in (m.groups() for m in map(CONDITION.match, str(text).split(" and ")) if m):
            if name not in features:
                yield at, f"`{name}` is not a feature; features: {listed}"
            elif problem := condition_problem(name, text_at(raw, "features", name, "type"), comparison, value):
                yield at, problem
