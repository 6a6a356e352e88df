"""Mistakes of features, and of what names one, that span sections of a contract; as `cross_checks`, from the raw
document."""

from typing import Any

from lakeloop.contract.columns import TIMES
from lakeloop.contract.crosses import why_not_crossed
from lakeloop.contract.join_checks import joined_sources
from lakeloop.contract.production import CONDITION, condition_problem
from lakeloop.contract.raw_document import (
    Found,
    derived_names,
    event_column,
    has_times,
    items_at,
    mapping_at,
    meant,
    names_at,
    text_at,
)
from lakeloop.contract.time_features import AGE
from lakeloop.contract.yaml_document import Location


def feature_checks(raw: dict[str, Any]) -> Found:
    """Each mistake and where it is."""
    yield from _event_time_as_feature(raw)
    yield from _derived(raw)
    yield from _ages(raw)
    yield from _crosses(raw)
    yield from _slices(raw)
    yield from _fallback(raw)


def _event_time_as_feature(raw: dict[str, Any]) -> Found:
    """The event time may be a model input, as the moment that it is."""
    event = event_column(raw)
    if not event or event not in names_at(raw, "features"):
        return
    at: Location = ("features", event)
    kind, given, missing = (text_at(raw, "features", event, word) for word in ("type", "format", "missing"))
    if not has_times(raw):
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


def _derived(raw: dict[str, Any]) -> Found:
    """What is made of other features is made of those that the rows of the base are delivered with."""
    derived, joined, event = derived_names(raw), joined_sources(raw), event_column(raw)
    given = [name for name in names_at(raw, "features") if name not in derived]
    columns = {source: names_at(raw, "sources", source, "columns") for source in names_at(raw, "sources")}
    for name in derived:
        at: Location = ("features", name, "derived_from")
        if name == event:
            yield at, f"`{name}` is the event time, which is delivered; leave `derived_from` out"
        for source in (source for source, names in columns.items() if name in names):
            yield (
                ("sources", source, "columns"),
                f"`{name}` is derived from other features, so no file has it; leave it out, or `derived_from` where "
                "files do",
            )
        for place, part in enumerate(items_at(raw, "features", name, "derived_from")):
            having = [source for source, names in columns.items() if part in names]
            if part == name:
                yield (*at, place), f"`{part}` is what is made; name what it is made of"
            elif part in derived:
                yield (*at, place), f"`{part}` is derived, too; name what that is made of, and call its function"
            elif part not in given:
                yield (*at, place), f"'{part}' is not a feature; {meant(str(part), given, 'features:')}"
            elif text_at(raw, "features", part, "source") in joined or (having and set(having) <= set(joined)):
                yield (
                    (*at, place),
                    f"`{part}` comes from a joined source, which a row may meet later; name features of the source "
                    "that has the event time",
                )


def _ages(raw: dict[str, Any]) -> Found:
    """An age is counted from a time to the row's event time, which the model must know then."""
    event = event_column(raw)
    for name in names_at(raw, "features"):
        if AGE not in names_at(raw, "features", name, "parts"):
            continue
        at: Location = ("features", name, "parts")
        if name == event:
            yield at, f"`{AGE}` is the time to the event, which for the event time itself is always 0; leave it out"
        elif event and event not in names_at(raw, "features"):
            before = "" if has_times(raw) else "deliver times, say their `event_time.format`, and "
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
                yield (*at, place), f"'{name}' is not a feature; {meant(name, features, 'features:')}"
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


def _slices(raw: dict[str, Any]) -> Found:
    features = names_at(raw, "features")
    for position, name in enumerate(names_at(raw, "slices")):
        if name not in features:
            yield ("slices", position), f"'{name}' is not a feature; features: {', '.join(features)}"


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
