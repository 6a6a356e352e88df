"""Columns that tell the label: equal to it, a function that gives it, or, some together, what it is the sum of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from operations.new_use_case.columns import Column
from operations.new_use_case.label import LabelDraft

PURE = 0.9999
"""Of the rows whose class is given by the column's value alone."""
FEW_ROWS_A_VALUE = 5.0
EXACT = 1e-6


@dataclass(frozen=True)
class Leak:
    """Columns that tell the label, and how, in words."""

    columns: tuple[str, ...]
    how: str


def find_leaks(label: LabelDraft, columns: dict[str, Column], candidates: Sequence[str]) -> list[Leak]:
    """Every leak among the candidates, the plainest first."""
    truth = columns[label.needs[0]] if label.needs and not label.made else None
    found = [leak for name in candidates if (leak := _alone(label, truth, columns[name]))]
    told = {name for leak in found for name in leak.columns}
    if truth is not None and truth.numbers is not None:
        rest = [name for name in candidates if name not in told and columns[name].numbers is not None]
        if together := _sum(truth, [columns[name] for name in rest]):
            found.append(together)
    return found


def _alone(label: LabelDraft, truth: Column | None, column: Column) -> Leak | None:
    if truth is not None and column.distinct == truth.distinct and np.array_equal(_texts(column), _texts(truth)):
        return Leak((column.name,), f"equals `{truth.name}` in every row")
    if truth is not None and truth.numbers is not None and column.numbers is not None:
        a, b = column.row_numbers, truth.row_numbers
        both = np.isfinite(a) & np.isfinite(b)
        if both.sum() > 10 and np.ptp(a[both]) > 0 and abs(np.corrcoef(a[both], b[both])[0, 1]) > 1 - EXACT:
            return Leak((column.name,), f"is `{truth.name}` on another scale")
    known = (label.ids >= 0) & (column.codes >= 0)
    if known.sum() < 10 or column.distinct < 2 or known.sum() / column.distinct < FEW_ROWS_A_VALUE:
        return _threshold(label, column)
    table = np.zeros((column.distinct, len(label.classes)))
    np.add.at(table, (column.codes[known], label.ids[known]), 1)
    if table.max(axis=1).sum() / known.sum() >= PURE and label.majority < 0.99:
        return Leak((column.name,), "has values each of which stands with one class of the label only")
    return None


def _threshold(label: LabelDraft, column: Column) -> Leak | None:
    """Numbers that lie apart by class: sorted by them, the class changes only between one class and the next."""
    if column.numbers is None:
        return None
    numbers = column.row_numbers
    known = np.isfinite(numbers) & (label.ids >= 0)
    if known.sum() < 10 * len(label.classes):
        return None
    ids = label.ids[known][np.argsort(numbers[known], kind="stable")]
    if np.count_nonzero(np.diff(ids)) <= len(label.classes) - 1 and label.majority < 0.99:
        return Leak((column.name,), "has numbers that lie apart by class: a limit or two give the label")
    return None


def _sum(truth: Column, columns: list[Column]) -> Leak | None:
    """Columns of which the label is a sum, each with a weight of its own."""
    if not columns or len(columns) > 200:
        return None
    matrix = np.column_stack([column.row_numbers for column in columns])
    target = truth.row_numbers
    rows = np.flatnonzero(np.isfinite(target) & np.isfinite(matrix).all(axis=1))
    if len(rows) < 10 * (len(columns) + 1):
        return None
    rows = rows[:: max(1, len(rows) // 20_000)]
    scale = matrix[rows].std(axis=0)
    varying = scale > 0
    shaped = (matrix[rows][:, varying] - matrix[rows][:, varying].mean(axis=0)) / scale[varying]
    wanted = target[rows] - target[rows].mean()
    weights, *_ = np.linalg.lstsq(shaped, wanted, rcond=1e-10)
    if np.abs(shaped @ weights - wanted).max() > EXACT * max(1e-12, np.abs(wanted).max()):
        return None
    named = [column.name for column, one in zip(columns, varying, strict=True) if one]
    part = [name for name, weight in zip(named, weights, strict=True) if abs(weight) > 1e-3 * np.abs(weights).max()]
    return Leak(tuple(part), f"together give `{truth.name}`: it is their sum, each with a weight of its own")


def _texts(column: Column) -> np.ndarray:
    return np.array([*column.values, ""], dtype=object)[column.codes]
