"""What places can be coloured by, as the contract has it, and how to get what is not there yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lakeloop.contract import Contract

MeasureKind = Literal["number", "share", "count", "category"]
MeasureGroup = Literal["Data", "Truth", "Model", "Drift"]
ROWS, INDEX, CLUSTER, DRIFT, TRUTH = "rows", "index", "cluster", "drift", "truth"
MEAN, SHARE, ANSWER, ERROR, SIGNED = "mean.", "share.", "answer", "error", "signed_error"
"""Prefixes of a feature's or a class's name, and whole names."""


@dataclass(frozen=True)
class Measure:
    """One thing a place has a value of. `name` as in addresses: `mean.<feature>`, `share.<class>`, `answer.<class>`.

    `signed`: 0 is its middle. `about`: how it is counted, a sentence.
    """

    name: str
    title: str
    group: MeasureGroup
    about: str
    kind: MeasureKind = "number"
    unit: str = ""
    signed: bool = False


def measures_of(contract: Contract) -> dict[str, Measure]:
    """By name, in the order in which they are offered: first the index, then what is predicted."""
    return {measure.name: measure for measure in _measures(contract)}


def _measures(contract: Contract) -> Iterator[Measure]:
    label, place = contract.label, contract.place
    if place is not None and place.index is not None:
        yield Measure(INDEX, place.index.title, "Data", f"{place.index.description.rstrip('.')}. Ranked from 0 to 100 "
                      f"among the places of the {contract.period}.")  # fmt: skip
    truth, unit = label.column.replace("_", " "), label.truth.unit or ""
    if label.truth_is_number:
        yield Measure(TRUTH, f"{truth}, mean", "Truth", "Mean of the truth over the rows that have one.", unit=unit)
    for name in label.class_names:
        about = "Share of the rows with a truth that are it."
        yield Measure(f"{SHARE}{name}", f"share of {name}", "Truth", about, "share")
    if label.classes:
        for name in label.class_names:
            about = "Mean probability that the newest model which was asked about a row gave it."
            yield Measure(f"{ANSWER}.{name}", f"predicted: {name}", "Model", about, "share")
        about = "Share of the rows with an answer of the model and a truth where the two differ."
        yield Measure(ERROR, "wrong answers", "Model", about, "share")
    else:
        about = "Mean answer of the newest model which was asked about a row."
        yield Measure(ANSWER, f"predicted: {truth}", "Model", about, unit=unit)
        about = "Mean distance of answer and truth, of the rows that have both."
        yield Measure(ERROR, "error", "Model", about, unit=unit)
        about = "Mean of answer less truth: above 0 the model says too much."
        yield Measure(SIGNED, "answer less truth", "Model", about, unit=unit, signed=True)
    for name, feature in contract.features.items():
        if feature.role in ("numeric", "binary"):
            kind: MeasureKind = "number" if feature.role == "numeric" else "share"
            what = f"{name.replace('_', ' ')}, mean" if kind == "number" else f"share of {name.replace('_', ' ')}"
            yield Measure(f"{MEAN}{name}", what, "Data", f"{feature.description}; mean over the rows.", kind,
                          feature.unit or "")  # fmt: skip
    yield Measure(ROWS, "rows", "Data", "Rows as delivered, and requests whose row nobody delivered.", "count")
    if place is not None and contract.clusters is not None and contract.clusters.of == place.column:
        about = "The cluster of alike ones that the place is in, of gold/clusters."
        yield Measure(CLUSTER, "cluster", "Data", about, "category")
    yield Measure(DRIFT, "drift", "Drift", "Share of the features whose rows of this place moved at least by the "
                  f"contract's threshold, in this {contract.period}, from those of the periods that the champion was "
                  "trained on. Of few rows some do by chance.", "share")  # fmt: skip
