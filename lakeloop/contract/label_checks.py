"""Mistakes of the label and its truth that span sections of a contract; as `cross_checks`, from the raw document."""

from typing import Any, get_args

from lakeloop.contract import reserved_names as reserved
from lakeloop.contract.expression import ExpressionError, columns_in, read_expression
from lakeloop.contract.features import DRIFT_TESTS, NUMERIC_TESTS
from lakeloop.contract.label import ahead_column
from lakeloop.contract.raw_document import (
    Found,
    class_names_in,
    derived_names,
    event_column,
    has_times,
    items_at,
    key_column,
    meant,
    names_at,
    several_labels,
    task_of,
    text_at,
    truth_column,
    value_at,
)
from lakeloop.contract.yaml_document import Location


def label_checks(raw: dict[str, Any], base: str) -> Found:
    """Each mistake and where it is; `base` is the source that has the event time, '' where that is not clear."""
    yield from _label(raw)
    yield from _several_labels(raw)
    yield from _truth_in_parts(raw, base)
    yield from _made_truth(raw)
    yield from _ahead(raw, base)
    yield from _naive(raw)
    yield from _drift_of_answers(raw)


def _label(raw: dict[str, Any]) -> Found:
    key, event = key_column(raw), event_column(raw)
    features, sources = names_at(raw, "features"), names_at(raw, "sources")
    label, truth, source = text_at(raw, "label", "name"), truth_column(raw), text_at(raw, "label", "source")
    if source and source not in sources:
        yield ("label", "source"), f"is '{source}'; allowed: {', '.join(sources)}"
    elif (
        truth
        and source
        and not several_labels(raw)
        and not text_at(raw, "label", "made")
        and text_at(raw, "label", "truth", "combine") != "count"
        and truth not in names_at(raw, "sources", source, "columns")
        and not (value_at(raw, "label", "ahead") and truth in derived_names(raw))
    ):
        yield ("label", "column"), f"`{truth}` is not a column of source `{source}`; add it there"
    classes = task_of(raw) != "regression"
    if label and label in {*features, key, event, truth, f"{truth}_name"}:
        yield ("label", "name"), f"'{label}' is the name of another column; choose another"
    if label and classes and f"{label}_name" in {*features, key, event, truth}:
        yield ("label", "name"), f"gold has the class's name in `{label}_name`, which is another column; choose another"
    if label and label.removesuffix("_x") in features and label.endswith("_x"):
        yield ("label", "name"), f"'{label}' is what Transform calls the feature `{label[:-2]}`; choose another"
    if truth and truth in features and (not value_at(raw, "label", "ahead") or text_at(raw, "label", "made")):
        yield ("label", "column"), f"`{truth}` is also a feature: the model would be told the answer"
    if truth and truth in (key, event):
        yield ("label", "column"), f"`{truth}` is also the key or the event time; the truth needs a column of its own"


def _ahead(raw: dict[str, Any], base: str) -> Found:
    """A truth of a later period: the later row is found by the key, which says the period, in the base itself."""
    if not value_at(raw, "label", "ahead"):
        return
    at: Location = ("label", "ahead")
    event, source, truth = event_column(raw), text_at(raw, "label", "source"), text_at(raw, "label", "column")
    if base and source and source != base:
        yield (
            ("label", "source"),
            f"is '{source}', and `ahead` takes the truth from later rows of the source that has the event time; write "
            f"`source: {base}`, or leave `ahead` out: by how much the truth of a source of its own is late says its "
            "`delay_periods`",
        )
    if has_times(raw):
        yield (
            ("event_time", "format"),
            "is a time, and `ahead` finds the later row by the name of its period in the key; take a column that has "
            "the period's own name",
        )
    elif event and event not in names_at(raw, "key", "columns"):
        yield (
            at,
            f"the later row of a thing is found by the key, which must say the period: write `key: {{columns: [what "
            f"tells things apart, {event}]}}`",
        )
    if text_at(raw, "generator"):
        yield ("generator",), "draws a row's truth beside it, and here it is a later row's; take a `history` of files"
    for name in reserved.SOURCES_OF_AHEAD:
        if name in names_at(raw, "sources"):
            yield ("sources", name), f"`{name}` is a table of the lake itself; give the source another name"
    there = ahead_column(truth)
    if there in (*names_at(raw, "features"), text_at(raw, "label", "name"), *names_at(raw, "key", "columns")):
        yield ("label", "column"), f"gold has the later `{truth}` in `{there}`, which is another column; rename that"
    if truth not in names_at(raw, "features"):
        return
    for word in ("type", "valid", "values"):
        own, later = value_at(raw, "features", truth, word), value_at(raw, "label", "truth", word)
        if own != later:
            yield (
                ("label", "truth", word) if later is not None else ("label", "truth"),
                f"`{truth}` now and later are one column: `{word}` is {own} of the feature and {later} here; write the "
                "same",
            )


def _naive(raw: dict[str, Any]) -> Found:
    """What is answered naively is a feature, and one whose values can be answers."""
    name, features = text_at(raw, "label", "naive"), names_at(raw, "features")
    if not name:
        return
    at: Location = ("label", "naive")
    if name not in features:
        yield at, f"`{name}` is no feature: it says what a row has now; {meant(name, features, 'there are')}"
        return
    kind, truth = text_at(raw, "features", name, "type"), text_at(raw, "label", "truth", "type")
    values, classes = items_at(raw, "features", name, "values"), class_names_in(raw)
    if kind == "string" and classes and truth != "string":
        if not values or not set(values) <= set(classes):
            yield (
                at,
                f"`{name}` is a text, and the truth is {truth}: list its `values`, which must be names of classes: "
                f"{', '.join(classes)}",
            )
    elif kind and truth and _SORT.get(kind) != _SORT.get(truth):
        yield (
            at,
            f"`{name}` is {kind}, and the truth is {truth}; take a feature that can say the same",
        )


_SORT = {"int": "number", "float": "number", "decimal": "number", "bool": "bool", "string": "string"}
"""Types whose values can stand for each other; a date or time is no answer."""


def _drift_of_answers(raw: dict[str, Any]) -> Found:
    """Classes that are answered have no order and no distance."""
    if task_of(raw) == "regression":
        return
    allowed = ", ".join(one for one in get_args(DRIFT_TESTS) if one not in NUMERIC_TESTS)
    places: list[Location] = [("monitoring", "prediction_drift", "test"), ("release", "abort_if", "drift", "test")]
    for at in places:
        if (test := text_at(raw, *map(str, at))) in NUMERIC_TESTS:
            yield at, f"{test} compares numbers, and predictions are classes; take one of {allowed}"


def _several_labels(raw: dict[str, Any]) -> Found:
    """Several labels: each is a column of the source of the truth, and nothing else is one of them."""
    source = text_at(raw, "label", "source")
    delivered = names_at(raw, "sources", source, "columns")
    said = {key_column(raw): "the key", event_column(raw): "the event time", text_at(raw, "label", "name"): "the label"}
    said |= dict.fromkeys(names_at(raw, "features"), "also a feature: the model would be told the answer")
    for position, name in enumerate(several_labels(raw)):
        at: Location = ("label", "columns", position)
        if name in said:
            yield at, f"`{name}` is {said[name]}; take another column"
        elif delivered and name not in delivered:
            yield at, f"`{name}` is no column of source `{source}`; {meant(name, delivered, 'it has')}"
    if several_labels(raw) and text_at(raw, "label", "source") in names_at(raw, "sources"):
        for name in (truth_column(raw), f"{text_at(raw, 'label', 'name')}_name"):
            if name in (delivered or ()):
                yield ("label", "name"), f"gold has the set of labels in `{name}`, which files have; choose another"


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
        (key_column(raw), event_column(raw)),
    )
    for name in dict.fromkeys(named.column for named in columns_in(expression)):
        if name in (truth, text_at(raw, "label", "name")):
            yield ("label", "made"), f"`{name}` is what is computed; it cannot stand in its own definition"
        elif name in taken or (name in names_at(raw, "key", "columns") and name not in types):
            yield ("label", "made"), f"`{name}` is the key or the event time, which is no number to compute with"
        elif delivered and name not in delivered:
            yield ("label", "made"), f"`{name}` is no column of source `{source}`; {meant(name, delivered, 'it has')}"
    kind, wanted = text_at(raw, "label", "truth", "type"), "bool" if expression.kind == "condition" else "float"
    if expression.kind == "text":
        yield ("label", "made"), "is a text as it was delivered; compute a number, or a condition such as `refund > 0`"
    elif kind and kind != wanted:
        yield (
            ("label", "truth", "type"),
            f"is {kind}, and `label.made` gives a {expression.kind}; write `type: {wanted}`",
        )
