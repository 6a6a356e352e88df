"""What a changed contract means for what is there already: tables, models, requests, exports.

Told before it happens (`lakeloop contract check --against`). What is said here is what the other packages do: silver
and gold are made anew where a row's shape changes, the gateway leaves out what a model was not trained on, and asks no
model whose classes are others than the contract's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from lakeloop.contract.columns import Column
from lakeloop.contract.contract import Contract
from lakeloop.contract.features import Feature
from lakeloop.contract.label import Label
from lakeloop.contract.metrics import Task
from lakeloop.contract.read import TYPING

Weight = Literal["safe", "retrain", "breaks"]
"""`safe`: nothing that works stops; `retrain`: the next model differs; `breaks`: rows, requests or models that are good
today are refused."""
A_TASK: dict[Task, str] = {
    "classification": "a classification", "regression": "a regression", "multilabel": "a choice among several labels"
}  # fmt: skip
"""What models do, in words."""
WORDING = {"description", "title", "translations", "group", "model_card"}
MODEL_SIDE = ("role", "missing_flag", "vocabulary", "transform", "parts", "cyclic")


@dataclass(frozen=True)
class Change:
    """One difference: where it is (`features.age.valid`), what was and is there, and what comes of it."""

    where: str
    before: Any
    after: Any
    weight: Weight
    effect: str


def changes_between(before: Contract, after: Contract) -> list[Change]:
    """Every difference that has an effect, in the contract's order; wording has none.

    >>> [change.effect for change in changes_between(old, new)]
    ['wider: rows that were rejected for it come in, requests of that kind are answered; …']
    """
    found = [*_features(before, after), *_label(before, after), *_sections(before, after)]
    if before.schema_sha256 != after.schema_sha256:
        found.append(
            Change("tables", before.schema_sha256[:8], after.schema_sha256[:8], "safe",
                   "the shape of a row is another: the next ingest makes silver and gold anew from bronze, which keeps "
                   "what was delivered; their earlier versions, and exports made of them, stay readable")
        )  # fmt: skip
    return found


def _features(before: Contract, after: Contract) -> Iterator[Change]:
    for name, feature in after.features.items():
        old = before.features.get(name)
        where = f"features.{name}"
        if old is not None:
            yield from _column(where, old, feature)
            yield from _feature(where, old, feature)
        elif feature.derived:
            yield _derived_anew(where, feature)
        elif feature.optional:
            yield Change(where, None, feature.type, "safe", "rows and requests without it stay good; the model that "
                         "serves is not told of it, and the next one is trained on it")  # fmt: skip
        else:
            yield Change(where, None, feature.type, "breaks", "rows delivered before and requests that lack it are "
                         "refused from now on; with `missing: median`, mean, zero or category they stay "
                         "good")  # fmt: skip
    for name, feature in before.features.items():
        if name not in after.features and feature.derived:
            yield Change(f"features.{name}", feature.type, None, "breaks", "a model that was trained on it cannot be "
                         "asked: rules answer until one is trained without it; requests stay as they are")  # fmt: skip
        elif name not in after.features:
            yield Change(f"features.{name}", feature.type, None, "breaks", "requests that still send it are refused, "
                         "and a model that was trained on it cannot be asked: rules answer until one is trained "
                         "without it. A column with another name in the files keeps its own: map it in the source's "
                         "`columns`")  # fmt: skip
    if list(before.features) != list(after.features) and set(before.features) == set(after.features):
        yield Change("features", list(before.features), list(after.features), "safe", "another order of columns; "
                     "models take features by their names")  # fmt: skip


def _derived_anew(where: str, feature: Feature) -> Change:
    effect = (
        "it is made when rows and requests come in, of earlier ones too; requests stay as they are, the model that "
        "serves is not told of it, and the next one is trained on it"
    )
    if feature.optional:
        return Change(where, None, feature.type, "safe", effect)
    return Change(where, None, feature.type, "breaks", f"{effect}. Rows and requests of which it cannot be made are "
                  "refused; with `missing: median`, mean, zero or category they stay good")  # fmt: skip


def _column(where: str, before: Column, after: Column) -> Iterator[Change]:
    if before.type != after.type:
        yield Change(f"{where}.type", before.type, after.type, "breaks", f"values that are no {after.type} are "
                     "refused, and the model that serves may not take the others: train a model")  # fmt: skip
        return
    if before.unit != after.unit:
        yield Change(f"{where}.unit", before.unit, after.unit, "retrain", "a number means something else now: the "
                     "model that serves still reads it in the old unit")  # fmt: skip
    yield from _limits(where, before, after)
    yield from _values(where, before, after)


def _limits(where: str, before: Column, after: Column) -> Iterator[Change]:
    old, new = before.limits, after.limits
    if before.valid == after.valid or new is None:  # where `values` say what is possible, `_values` compares them
        return
    if old is not None and new[0] <= old[0] and new[1] >= old[1]:
        yield Change(f"{where}.valid", before.valid, after.valid, "safe", "wider: rows that were rejected for it come "
                     "in, requests of that kind are answered; the model that serves has never seen such "
                     "values")  # fmt: skip
    else:
        yield Change(f"{where}.valid", before.valid, after.valid, "breaks", "narrower: rows outside, in the tables "
                     "too, become rejects, and requests outside are refused")  # fmt: skip


def _values(where: str, before: Column, after: Column) -> Iterator[Change]:
    if before.values == after.values:
        return
    if after.values is None:
        yield Change(f"{where}.values", before.values, None, "retrain", "any value is good now; the next model learns "
                     "them from its rows, the one that serves knows the old ones alone")  # fmt: skip
        return
    if before.values is None:
        yield Change(f"{where}.values", None, after.values, "breaks", "only these are possible now: rows and requests "
                     "with others are refused")  # fmt: skip
        return
    old, new = set(before.values), set(after.values)
    if gone := sorted(map(str, old - new)):
        yield Change(f"{where}.values", before.values, after.values, "breaks", f"{', '.join(gone)} is possible no "
                     "longer: rows with it become rejects, requests with it are refused")  # fmt: skip
    if added := sorted(map(str, new - old)):
        yield Change(f"{where}.values", before.values, after.values, "safe", f"{', '.join(added)} is possible now: "
                     "rows that were rejected for it come in; the model that serves knows nothing of it")  # fmt: skip


def _feature(where: str, before: Feature, after: Feature) -> Iterator[Change]:
    if before.missing != after.missing:
        if not after.optional:
            yield Change(f"{where}.missing", before.missing, after.missing, "breaks", "rows without a value become "
                         "rejects, and requests without it are refused")  # fmt: skip
        elif not before.optional:
            yield Change(f"{where}.missing", before.missing, after.missing, "breaks", "rows without a value come in. "
                         "The model that serves was not trained for gaps, and what it answers to one means nothing: "
                         "train the next model before requests have any")  # fmt: skip
        else:
            yield Change(f"{where}.missing", before.missing, after.missing, "retrain", "the next model gets something "
                         "else for a gap")  # fmt: skip
    if before.source != after.source:
        yield Change(f"{where}.source", before.source, after.source, "retrain", "its values come from elsewhere: "
                     "silver and gold are made anew, and the model that serves was trained on others")  # fmt: skip
    if before.derived != after.derived:
        effect = "requests that still send it are refused" if after.derived else "requests must send it from now on"
        yield Change(f"{where}.derived_from", before.derived_from, after.derived_from, "breaks", f"{effect}; silver "
                     "and gold are made anew, and the model that serves was trained on other values")  # fmt: skip
    elif before.derived_from != after.derived_from:
        yield Change(f"{where}.derived_from", before.derived_from, after.derived_from, "retrain", "it is made of "
                     "other features: silver and gold are made anew, and the model that serves was trained on other "
                     "values")  # fmt: skip
    if before.format != after.format:
        yield Change(f"{where}.format", before.format, after.format, "breaks", "dates and times that were delivered in "
                     "the old form are rejected when the tables are made anew; requests stay in ISO 8601")  # fmt: skip
    for name in MODEL_SIDE:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield Change(f"{where}.{name}", old, new, "retrain", "the next model is shown the column in another way")
    if before.drift != after.drift:
        yield Change(f"{where}.drift", before.drift.model_dump(), after.drift.model_dump(), "safe", "windows measured "
                     "from now on; those on record stay as they are")  # fmt: skip


def _label(before: Contract, after: Contract) -> Iterator[Change]:
    old, new = before.label, after.label
    names, later = old.class_names, new.class_names
    if old.task != new.task:
        place = "label.columns" if "multilabel" in (old.task, new.task) else "label.classes"
        yield Change(place, names, later, "breaks", f"{A_TASK[old.task]} becomes {A_TASK[new.task]}: gold is labelled "
                     "anew, and the model that serves answers something else than what is asked for")  # fmt: skip
    elif names != later:
        effect = (
            "the model that serves answers the old classes and is asked no longer: rules answer until one is trained"
        )
        if set(names) == set(later):
            effect = f"the same classes at other places, which are their ids in tables and answers; {effect}"
        yield Change("label.columns" if new.several else "label.classes", names, later, "breaks", effect)
    elif old.classes != new.classes:
        yield Change("label.classes", _conditions(old), _conditions(new), "retrain", "the same truth is another class "
                     "now: gold is labelled anew, and the model that serves was trained on the old ones")  # fmt: skip
    if old.interval != new.interval:
        yield Change("label.interval", old.interval, new.interval, "retrain", "the next model answers intervals that "
                     "hold the truth of another share of the rows")  # fmt: skip
    if old.loss != new.loss:
        yield Change("label.loss", old.loss, new.loss, "retrain", "the next model is fitted by it")
    if old.ahead != new.ahead:
        yield Change("label.ahead", old.ahead, new.ahead, "breaks", "what is predicted is of another period: gold is "
                     "labelled anew, and the model that serves was trained for the old one")  # fmt: skip
    if old.naive != new.naive:
        yield Change("label.naive", old.naive, new.naive, "safe", "what the gate holds the next model against")
    if old.ordered != new.ordered:
        yield Change("label.ordered", old.ordered, new.ordered, "safe", "what the gate may measure; the classes and "
                     "the model that serves stay as they are")  # fmt: skip
    if old.decision != new.decision:
        was, now = (None if one is None else one.aim for one in (old.decision, new.decision))
        yield Change("label.decision", was, now, "retrain", "the next model answers from another probability on; the "
                     "one that serves keeps its own")  # fmt: skip
    for name in ("name", "source", "column"):
        if getattr(old, name) != getattr(new, name):
            yield Change(f"label.{name}", getattr(old, name), getattr(new, name), "breaks", "what is predicted is "
                         "read from elsewhere: accuracy of before and after cannot be compared")  # fmt: skip
    yield from _column("label.truth", old.truth, new.truth)
    parts, new_parts = ((truth.combine, truth.part) for truth in (old.truth, new.truth))
    if parts != new_parts:
        yield Change("label.truth.combine", parts, new_parts, "retrain", "the same deliveries make another truth: "
                     "silver and gold are made anew, and the model that serves was trained on the old one")  # fmt: skip


def _conditions(label: Label) -> list[Any]:
    return [c.model_dump(exclude_none=True) for c in label.classes]


Effect = tuple[Weight, str]
SECTIONS: dict[str, Effect] = {
    "use_case": ("breaks", "another use case: nothing of the old one is found under the new name"),
    "key": ("breaks", "rows are told apart by something else: silver and gold are made anew, and requests that were "
            "answered before find no truth by the old key"),
    "event_time": ("breaks", "rows belong to other times: silver and gold are made anew, and numbers of periods in "
                   "decisions and exports of before mean others"),
    "clock": ("safe", "from now on: when rows are due, and since when they count as known in point-in-time reads, goes "
              "by the other clock; rows and models stay"),
    "sources": ("safe", "for files delivered from now on; bronze keeps earlier ones as they were read"),
    "crosses": ("retrain", "the next model is shown these features together, too"),
    "split": ("retrain", "other rows are held out: the model that serves was trained on some of them, so that a new "
              "one is compared with it at a disadvantage"),
    "model": ("retrain", "the next model"),
    "training": ("retrain", "the next model"),
    "gate": ("retrain", "the next model is held to it; what serves stays"),
    "fallback": ("safe", "answers of the gateway from its next start on"),
    "requests": ("safe", "the gateway from its next start on"),
    "monitoring": ("safe", "windows measured from now on"),
    "scoring": ("safe", "scorings that begin from now on"),
    "release": ("safe", "versions pushed from now on; a challenge under way goes by it, too"),
    "clusters": ("safe", "the next ingest makes gold/clusters anew; what is the same cluster keeps its id"),
    "slices": ("safe", "the next evaluation"),
    "place": ("safe", "the map, from when the monitor has the contract"),
    "generator": ("safe", "periods drawn from now on"),
    "history": ("safe", "periods replayed from now on"),
}  # fmt: skip
"""What a change in each of the other sections does."""
JOINED: Effect = ("retrain", "rows meet other rows: silver and gold are made anew, and the model that serves was "
                  "trained on what they met before")  # fmt: skip
READ: Effect = ("retrain", "texts become other values: silver and gold are made anew from bronze, and the model that "
                "serves was trained on the others")  # fmt: skip
OTHERWISE: Effect = ("retrain", "from the next run on")


def _sections(before: Contract, after: Contract) -> Iterator[Change]:
    for name in type(after).model_fields:
        if name in ("features", "label") or name in WORDING:
            continue
        old, new = (_without_wording(getattr(contract, name)) for contract in (before, after))
        if old == new:
            continue
        if name == "model" and before.model.kind != after.model.kind:
            yield Change("model.kind", before.model.kind, after.model.kind, "retrain", "the next model is of another "
                         "kind, with hyper-parameters of its own; tables, requests and answers stay as they "
                         "are")  # fmt: skip
            continue
        for where, was, now in _differences(name, old, new):
            weight, effect = SECTIONS.get(name, OTHERWISE)
            if name == "sources" and ".join" in where:
                weight, effect = JOINED
            elif name == "sources" and (".summed" in where or any(f".read.{word}" in where for word in TYPING)):
                weight, effect = READ
            yield Change(where, was, now, weight, effect)


def _without_wording(value: Any) -> Any:
    """The value as plain data without its descriptions."""
    dump: Callable[..., Any] | None = getattr(value, "model_dump", None)
    if dump is not None:
        return _without_wording(dump(mode="json"))
    if isinstance(value, dict):
        return {name: _without_wording(inner) for name, inner in value.items() if name not in WORDING}
    return value


def _differences(where: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """The innermost differences of two nested values, each with its place."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            if before.get(name) != after.get(name):
                yield from _differences(f"{where}.{name}", before.get(name), after.get(name))
    else:
        yield where, before, after
