"""The gate's checks by named metrics, whole and by slice.

A check of all values of a feature is one check, whose value is that of the worst of them: what holds for it holds for
every other. What is too small to be measured does not pass: it is said, and a smaller `min_rows` is the remedy. Nor
does what the rows say nothing of, such as the recall of a class that none of them has.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lakeloop.contract import MetricCheck
from lakeloop.contract.columns import STAND_INS
from lakeloop.gate_check import GateCheck
from tfx_pipeline.evaluation.answers import EVAL, NEWEST, TRAIN, Answers
from tfx_pipeline.evaluation.metrics import Measured, measure, rows_that_tell

PLAUSIBLE = "_plausible"
MOST_NAMED = 3
"""Slices named in one note."""


@dataclass(frozen=True)
class _Slice:
    value: str
    rows: int
    measured: Measured


Counted = tuple[str, int]
"""A slice and how many rows it has."""


@dataclass(frozen=True)
class _Slices:
    """Those that can be measured; those of too `few` rows; those whose rows are `silent` of the metric."""

    measured: list[_Slice]
    few: list[Counted]
    silent: list[Counted]


def metric_checks(
    checks: Sequence[MetricCheck],
    rows: Mapping[str, Answers],
    class_names: tuple[str, ...],
    period_column: str = "",
) -> Iterator[GateCheck]:
    """Every check whose rows are there: one on `train` is not made where a single set of rows is looked at."""
    for check in checks:
        answers = _rows_of(check, rows, period_column)
        if answers is not None:
            yield from _checked(check, answers, class_names)


def checks_again(checks: Sequence[MetricCheck], made: Mapping[str, GateCheck]) -> Iterator[GateCheck]:
    """The same measured values by changed bounds."""
    for check in checks:
        for name, _ in _bounds(check):
            if name in made:
                yield _by_bound(check, name, made[name])


def _rows_of(check: MetricCheck, rows: Mapping[str, Answers], period_column: str) -> Answers | None:
    if check.on == TRAIN:
        return rows.get(TRAIN)
    held_out = rows[EVAL] if EVAL in rows else next(iter(rows.values()))
    if check.on != NEWEST:
        return held_out
    periods = held_out.columns[period_column]
    return held_out.where(periods == max(periods.tolist()))


def _checked(check: MetricCheck, answers: Answers, class_names: tuple[str, ...]) -> Iterator[GateCheck]:
    if not check.sliced_by:
        measured = measure(check, answers, class_names)
        if not measured.is_defined:
            yield from _not_measured(check, _Slices([], [], [("all rows", len(measured.influence))]))
            return
        note = "" if measured.reached else f"no threshold gives {_at(check)}"
        found = [_Slice("", len(measured.influence), measured)]
    else:
        slices = _slices(check, answers if check.at else rows_that_tell(check.the_metric, answers), class_names)
        found = slices.measured
        if len(found) < (2 if check.gap_below is not None else 1):
            yield from _not_measured(check, slices)
            return
        note = _left_out(check, slices)
    for name, _ in _bounds(check):
        yield _by_bound(check, name, _value(check, name, found, note))


def _value(check: MetricCheck, name: str, found: list[_Slice], note: str) -> GateCheck:
    """What is compared with the bound: the worst of the slices, or how far the best and the worst are apart."""
    low, high = (pick(found, key=lambda one: one.measured.value) for pick in (min, max))
    if check.gap_below is not None:
        ends = f"{low.value} {low.measured.value:.3f}, {high.value} {high.measured.value:.3f}"
        interval, gap = high.measured.apart(low.measured), high.measured.value - low.measured.value
        return _unjudged(name, gap, (max(0.0, interval[0]), interval[1]), low.rows + high.rows, f"{ends}; {note}")
    worst = low if _is_lower_bound(check, name) else high
    named = f"the {'lowest' if worst is low else 'highest'} of {len(found)}: {worst.value}; " if worst.value else ""
    return _unjudged(name, worst.measured.value, worst.measured.interval, worst.rows, named + note)


def _unjudged(name: str, value: float, interval: tuple[float, float] | None, rows: int, note: str) -> GateCheck:
    text = note.strip().removesuffix(";")
    return GateCheck(name=name, value=value, bound="", passed=False, interval=interval, rows=rows, note=text)


def _by_bound(check: MetricCheck, name: str, measured: GateCheck) -> GateCheck:
    bound = dict(_bounds(check))[name]
    lower = _is_lower_bound(check, name)
    passed = bool(measured.rows) and (measured.value > bound if lower else measured.value < bound)
    return measured.model_copy(update={"bound": f"{'>' if lower else '<'} {bound:g}", "passed": passed})


def _bounds(check: MetricCheck) -> Iterator[tuple[str, float]]:
    """The names of its checks with their bounds: two where it has both, of which the second is the other side."""
    where = f" where {check.sliced_by}" if isinstance(check.slice, str) and check.gap_below is None else ""
    if isinstance(check.slice, dict):
        where = f" where {check.sliced_by} is {_text(check.slice[check.sliced_by])}"
    name = f"{check.title}{where}"
    if check.gap_below is not None:
        yield name, check.gap_below
        return
    if check.above is not None:
        yield (name if check.the_metric.higher_is_better or check.below is None else name + PLAUSIBLE), check.above
    if check.below is not None:
        yield (name if not check.the_metric.higher_is_better or check.above is None else name + PLAUSIBLE), check.below


def _is_lower_bound(check: MetricCheck, name: str) -> bool:
    if check.above is None or check.below is None:
        return check.above is not None
    return name.endswith(PLAUSIBLE) is not check.the_metric.higher_is_better


def _slices(check: MetricCheck, answers: Answers, class_names: tuple[str, ...]) -> _Slices:
    """The slices that are asked for, of rows that tell."""
    column = answers.columns[check.sliced_by]
    places, values = _values(column)
    wanted = _text(check.slice[check.sliced_by]) if isinstance(check.slice, dict) else None
    counts = np.bincount(places, minlength=len(values))
    order, ends = np.argsort(places, kind="stable"), np.cumsum(counts)
    slices = _Slices([], [], [])
    for place, value in enumerate(values):
        if wanted not in (None, value):
            continue
        if counts[place] < check.min_rows:
            slices.few.append((value, int(counts[place])))
            continue
        rows = order[ends[place] - counts[place] : ends[place]]
        measured = measure(check, answers.where(rows), class_names)
        if measured.is_defined:
            slices.measured.append(_Slice(value, len(rows), measured))
        else:
            slices.silent.append((value, len(rows)))
    if wanted is not None and wanted not in values:
        slices.few.append((wanted, 0))
    return slices


def _values(column: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Each row's place among the values, and these as texts in order."""
    different, places = np.unique(column, return_inverse=True)
    return places, [_text(value) for value in different.tolist()]


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if value != value or value in STAND_INS.values():
        return "missing"
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _not_measured(check: MetricCheck, slices: _Slices) -> Iterator[GateCheck]:
    most = max((rows for _, rows in slices.few), default=0)
    note = (
        f"not measured: {_some(slices.few)} of too few rows (at most {most:,}, `min_rows` is {check.min_rows:,}); "
        "wait for more rows, or say a smaller `min_rows`"
    )
    if slices.silent:
        note = f"not measured: the rows say nothing of it: {_some(slices.silent)}; wait for such as do"
    for name, _ in _bounds(check):
        value = check.the_metric.worst if np.isfinite(check.the_metric.worst) else 0.0
        yield _by_bound(check, name, _unjudged(name, value, None, 0, note))


def _left_out(check: MetricCheck, slices: _Slices) -> str:
    few = f"left out, of fewer than {check.min_rows:,} rows: {_some(slices.few)}" if slices.few else ""
    silent = f"left out, whose rows say nothing of it: {_some(slices.silent)}" if slices.silent else ""
    return "; ".join(part for part in (few, silent) if part)


def _some(counted: list[Counted]) -> str:
    named = ", ".join(f"{value} ({rows:,})" for value, rows in counted[:MOST_NAMED])
    return f"{named} and {len(counted) - MOST_NAMED:,} more" if len(counted) > MOST_NAMED else named or "no value"


def _at(check: MetricCheck) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in check.at.items())
