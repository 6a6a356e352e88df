"""What the gate asks for must fit the label, and what its checks name must be there: class, feature and value."""

import difflib
from collections.abc import Iterable
from typing import Any

from lakeloop.contract.gate import OF_CLASSES, OF_EXCLUSIVE_CLASSES
from lakeloop.contract.metrics import CLASS_DISTANCE, KAPPA, MEAN_COST, METRICS, POISSON, Task, misfit
from lakeloop.contract.raw_document import (
    Found,
    class_names_in,
    items_at,
    mapping_at,
    names_at,
    several_labels,
    task_of,
    text_at,
    value_at,
)
from lakeloop.contract.yaml_document import Location

NOT_SLICED_BY = ("text", "time")


def gate_checks(raw: dict[str, Any]) -> Found:
    """Each mistake and where it is."""
    yield from _of_the_task(raw, task_of(raw))
    classes, several = class_names_in(raw), bool(several_labels(raw))
    one = "label" if several else "class of the label"
    features = names_at(raw, "features")
    for position, check in enumerate(items_at(raw, "gate", "checks")):
        at: Location = ("gate", "checks", position)
        if not isinstance(check, dict):
            continue
        of, sliced = check.get("of"), check.get("slice")
        if of is not None and not classes:
            yield (*at, "of"), f"'{of}' is a class, and the label is a number; leave it out"
        elif of is not None and str(of) not in classes:
            known = "labels" if several else "classes"
            yield (*at, "of"), f"'{of}' is not a {one}; {_near(str(of), classes, known)}"
        elif of is None and several and (found := METRICS.get(str(check.get("metric")))) and found.of_class:
            yield (*at, "metric"), f"`{found.name}` is of one label; say which, `of: {classes[0]}`, or take `f1_micro`"
        names = list(sliced) if isinstance(sliced, dict) else [sliced] if isinstance(sliced, str) else []
        for name in names:
            if name not in features:
                yield (*at, "slice"), f"'{name}' is not a feature; {_near(str(name), features, 'features')}"
            elif (role := text_at(raw, "features", name, "role")) in NOT_SLICED_BY:
                yield (
                    (*at, "slice"),
                    f"`{name}` is a {role}, which nearly every row has its own of; take a category",
                )
            elif isinstance(sliced, dict):
                allowed = value_at(raw, "features", name, "values")
                if isinstance(allowed, list) and sliced[name] not in allowed:
                    wanted = ", ".join(map(str, allowed))
                    yield (*at, "slice", name), f"'{sliced[name]}' is not a value of `{name}`; it has {wanted}"


def _of_the_task(raw: dict[str, Any], task: Task) -> Found:
    """Metrics, bounds and balancing that mean nothing for what the model does."""
    named: list[tuple[Location, str]] = [(("gate", "decides"), text_at(raw, "gate", "decides"))]
    named += [
        (("gate", "checks", position, "metric"), str(check.get("metric")))
        for position, check in enumerate(items_at(raw, "gate", "checks"))
        if isinstance(check, dict)
    ]
    for at, name in named:
        if name in METRICS and (problem := misfit(METRICS[name], task)):
            yield at, problem
        elif name == MEAN_COST and not mapping_at(raw, "label", "decision", "cost"):
            yield at, "is of what errors cost; say it: `label.decision: {cost: {false_positive: …, false_negative: …}}`"
        elif name in (CLASS_DISTANCE, KAPPA) and value_at(raw, "label", "ordered") is not True:
            yield at, "is of classes in an order; write them in it, and say `label.ordered: true`"
    if task == "classification":
        return
    if task == "multilabel":
        yield from _of_several_labels(raw)
        return
    for name in OF_CLASSES:
        if value_at(raw, "gate", name) is not None:
            yield (
                ("gate", name),
                "is about classes, and the label is a number; bound a metric instead: "
                "`checks: [{metric: mean_absolute_error, below: …}]`",
            )
    for at, name in named:
        if name == POISSON and not _never_below_0(mapping_at(raw, "label", "truth")):
            yield at, "is of what is never below 0; say that of the truth by `label.truth.valid: [0, …]`"
    if text_at(raw, "training", "balance") not in ("", "none"):
        yield ("training", "balance"), "evens out classes, and the label is a number; leave it out"
    if value_at(raw, "fallback", "confidence_below"):
        yield (
            ("fallback", "confidence_below"),
            "is a probability, and a model of numbers answers none; leave it out",
        )


def _never_below_0(truth: dict[str, Any]) -> bool:
    """Whether the truth says so of itself, by the lowest it can be or by all its values."""
    said = truth.get("valid") or truth.get("values")
    return isinstance(said, list) and all(isinstance(value, int | float) and value >= 0 for value in said)


def _of_several_labels(raw: dict[str, Any]) -> Found:
    """What is of classes of which each row has exactly one."""
    for name in OF_EXCLUSIVE_CLASSES:
        if value_at(raw, "gate", name) is not None:
            yield (
                ("gate", name),
                "is about classes of which a row has one, and this label is several; bound a metric instead: "
                "`checks: [{metric: f1_macro, above: …}]`",
            )
    if text_at(raw, "training", "balance") not in ("", "none"):
        yield (
            ("training", "balance"),
            "evens out classes of which a row has one, and this label is several; leave it out, and hold the model to "
            "`f1_macro` in the gate, in which rare labels count as much as common ones",
        )


def _near(name: str, known: Iterable[str], what: str) -> str:
    close = difflib.get_close_matches(name, known := list(known), n=1)
    return f"did you mean `{close[0]}`?" if close else f"{what}: {', '.join(known)}"
