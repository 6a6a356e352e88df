"""What is to be predicted: the truth's type and the classes made of it, and which of the sample's rows has which."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.contract.expression import Expression, columns_in, read_expression
from lakeloop.exceptions import ExpressionError
from lakeloop.made_truth import evaluated
from operations.new_use_case.columns import Column
from operations.new_use_case.names import class_names, own_name, own_names
from operations.new_use_case.problems import Findings

MOST_CLASSES = 20
RARE = 0.001
MOST_NUMBERS = 12
"""Different whole numbers up to which each is a class of its own."""
QUANTILES: tuple[str, ...] = ("low", "medium", "high")


@dataclass(frozen=True)
class ClassDraft:
    """A class and the truth that gives it: `when` is the contract's own word with its value, {} takes all others."""

    name: str
    when: dict[str, Any]
    share: float


@dataclass(frozen=True)
class LabelDraft:
    """`column` is the truth's own name, `made` the expression it is computed by, '' where it is delivered; `needs` are
    the delivered columns it is made of. `ids`: each row's class, -1 where its truth is not known. `number`: how the
    numbers lie, in words, where they are predicted themselves; `classes` are their thirds then, which tell leaks.
    """

    name: str
    column: str
    made: str
    needs: tuple[str, ...]
    type: str
    values: tuple[Any, ...]
    valid: tuple[float, float] | None
    classes: tuple[ClassDraft, ...]
    ids: np.ndarray
    number: str = ""

    @property
    def sorted_by_class(self) -> bool:
        """Whether rows of one class stand together: their order is then that of the class, not of time."""
        known = self.ids[self.ids >= 0]
        expected = (len(known) - 1) * (1 - sum(one.share**2 for one in self.classes))
        return bool(np.count_nonzero(np.diff(known)) < expected / 2)

    @property
    def in_words(self) -> str:
        """What is predicted."""
        return self.number or ", ".join(f"{one.name} {one.share:.1%}" for one in self.classes)

    @property
    def majority(self) -> float:
        """The share of the commonest class among the rows whose truth is known."""
        return max(one.share for one in self.classes)


def label_of(text: str, columns: dict[str, Column], findings: Findings) -> LabelDraft | None:
    """The label that a column or an expression says; None, with a problem, where there is none."""
    found = _label_of(text, columns, findings)
    if found is not None and (unknown := int((found.ids < 0).sum())):
        findings.notes.append(
            f"label: {unknown:,} of {len(found.ids):,} rows have no truth; they are in the lake, and no model learns "
            "from them"
        )
    return found


def _label_of(text: str, columns: dict[str, Column], findings: Findings) -> LabelDraft | None:
    if column := columns.get(text):
        return _of_column(column, findings)
    if text.replace("_", "").replace(" ", "").isalnum():
        findings.problems.append(f"--label {text}: there is no such column; columns: {', '.join(columns)}")
        return None
    return _of_expression(text, columns, findings)


def _of_column(column: Column, findings: Findings) -> LabelDraft | None:
    own = own_names([column.name])[column.name]
    if column.distinct < 2:
        only = f"{column.values[0]!r} in every row" if column.distinct else "missing in every row"
        findings.problems.append(
            f"--label {column.name}: is constant ({only}), so there is nothing to learn; name another column, or "
            "bring a sample in which it varies"
        )
        return None
    numeric = column.numbers is not None
    if numeric and (column.kind == "float" or column.distinct > MOST_NUMBERS):
        return _number(column.row_numbers, own, "", (column.name,))
    if column.distinct > MOST_CLASSES and column.distinct > column.present / 10:
        findings.problems.append(
            f"--label {column.name}: has {column.distinct:,} different texts in {column.present:,} rows; classes are "
            "needed that come back, so name another column"
        )
        return None
    return _of_values(column, own, findings)


def _of_values(column: Column, own: str, findings: Findings) -> LabelDraft:
    """A class a value; beyond the most frequent ones the others share one."""
    texts = list(column.values)
    if column.numbers is not None:
        order = np.argsort(column.numbers)
        texts = [texts[place] for place in order]
    frequent = set(column.values[:MOST_CLASSES])
    shares = dict(zip(column.values, column.counts / column.present, strict=True))
    kept = [text for text in texts if text in frequent] if len(texts) > MOST_CLASSES else texts
    if column.kind == "string" and len(kept) == 2:
        kept = sorted(kept, key=lambda text: (shares[text] < 0.5, text))
    names = class_names(kept)
    value: Any = (lambda text: int(column.numbers[column.values.index(text)])) if column.numbers is not None else str  # type: ignore[index]
    if column.kind == "bool":
        value = lambda text: text.strip().lower() == "true"  # noqa: E731
    classes = [ClassDraft(names[text], {"equals": value(text)}, float(shares[text])) for text in kept]
    place_of = {text: place for place, text in enumerate(kept)}
    if rest := [text for text in texts if text not in place_of]:
        share = float(sum(shares[text] for text in rest))
        classes.append(ClassDraft("other" if "other" not in names.values() else "all_others", {}, share))
        findings.notes.append(
            f"label: `{column.name}` has {column.distinct:,} different values; the {len(kept)} most frequent are "
            f"classes and the others ({share:.1%} of the rows) share `{classes[-1].name}`"
        )
    for one in classes:
        if one.share < RARE:
            findings.notes.append(
                f"label: class `{one.name}` has {one.share:.2%} of the rows, too few to be learnt well"
            )
    ids = np.array([place_of.get(text, len(kept)) for text in column.values] + [-1])[column.codes]
    kind = {"int": "int", "bool": "bool"}.get(column.kind, "string")
    values = () if kind == "bool" else tuple(value(text) for text in texts)
    return LabelDraft(f"{own}_class", own, "", (column.name,), kind, values, None, tuple(classes), ids)


def _number(numbers: np.ndarray, own: str, made: str, needs: tuple[str, ...]) -> LabelDraft:
    """The number itself, with three classes of about the same size beside it."""
    known = numbers[np.isfinite(numbers)]
    whens: tuple[dict[str, Any], ...]
    low, high = (_short(float(bound)) for bound in np.quantile(known, [1 / 3, 2 / 3]))
    if low <= known.min():  # more than a third of the rows have the smallest number
        names, whens = QUANTILES[::2], ({}, {"above": low})
        ids = (numbers > low).astype(int)
    elif high >= known.max():
        names, whens = QUANTILES[::2], ({"below": high}, {})
        ids = (numbers >= high).astype(int)
    else:
        names, whens = QUANTILES, ({"below": low}, {}, {"above": high})
        ids = 1 + (numbers > high).astype(int) - (numbers < low).astype(int)
    ids = np.where(np.isfinite(numbers), ids, -1)
    shares = np.bincount(ids[ids >= 0], minlength=len(names)) / len(known)
    classes = tuple(ClassDraft(*one) for one in zip(names, whens, map(float, shares), strict=True))
    number = f"a number from {known.min():g} to {known.max():g}, {np.median(known):g} in the middle"
    return LabelDraft(f"{own}_value", own, made, needs, "float", (), wide(known), classes, ids, number)


def _of_expression(text: str, columns: dict[str, Column], findings: Findings) -> LabelDraft | None:
    names = own_names(columns)
    delivered = {own: name for name, own in names.items()}
    types = {own: "float" if columns[name].numbers is not None else "string" for own, name in delivered.items()}
    try:
        expression = read_expression(text, types)
    except ExpressionError as error:
        findings.problems.append(f"--label {text}: {error}")
        return None
    needed = list(dict.fromkeys(named.column for named in columns_in(expression)))
    if unknown := [own for own in needed if own not in delivered]:
        findings.problems.append(
            f"--label {text}: there is no column {', '.join(unknown)}; columns: {', '.join(delivered)}"
        )
        return None
    truth = evaluated(expression, _values(needed, delivered, columns))
    needs = tuple(delivered[own] for own in needed)
    own = _truth_name(expression, delivered)
    if expression.kind != "condition":
        numbers = truth.to_numpy("float64", na_value=np.nan)
        known = numbers[np.isfinite(numbers)]
        if not len(known) or known.min() == known.max():
            findings.problems.append(f"--label {text}: is the same in every row, so there is nothing to learn")
            return None
        return _number(numbers, own, text, needs)
    ids = truth.astype("Int64").fillna(-1).to_numpy("int64")
    shares = np.bincount(ids[ids >= 0], minlength=2) / max(1, int((ids >= 0).sum()))
    if not (ids >= 0).any() or shares.max() == 1:
        always = "missing" if not (ids >= 0).any() else ("false", "true")[int(shares.argmax())]
        findings.problems.append(f"--label {text}: is {always} in every row, so there is nothing to learn")
        return None
    classes = (ClassDraft("no", {}, float(shares[0])), ClassDraft("yes", {"equals": True}, float(shares[1])))
    return LabelDraft(own, f"{own}_truth", text, needs, "bool", (), None, classes, ids)


def _values(needed: list[str], delivered: dict[str, str], columns: dict[str, Column]) -> pd.DataFrame:
    """The sample's values of some columns, by their own names."""
    found: dict[str, Any] = {}
    for own in needed:
        column = columns[delivered[own]]
        texts = np.array([*column.values, None], dtype=object)
        found[own] = column.row_numbers if column.numbers is not None else texts[column.codes]
    return pd.DataFrame(found)


def _truth_name(expression: Expression, taken: dict[str, str]) -> str:
    first = next(columns_in(expression)).column
    made = own_name(f"{first} class" if expression.kind == "condition" else f"{first} made", "outcome")
    return made if made not in taken else "outcome"


def wide(numbers: np.ndarray) -> tuple[float, float]:
    """A range about twice as wide as the values', with round ends; 0 stays an end where nothing is below it."""
    low, high = float(numbers.min()), float(numbers.max())
    room = max(high - low, abs(high), 1e-9)
    return (0.0 if low >= 0 else _round_out(low - room / 2), _round_out(high + room / 2))


def _round_out(number: float) -> float:
    """Away from 0, to two digits."""
    if number == 0:
        return 0.0
    step = 10.0 ** (np.floor(np.log10(abs(number))) - 1)
    return float(np.sign(number) * np.ceil(abs(number) / step) * step)


def _short(number: float) -> float:
    return float(f"{number:.6g}")
