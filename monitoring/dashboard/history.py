"""What the panels show of the past, in event time: drift reports and gold/performance, a point a period."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from lakeloop.contract import Contract
from lakeloop.contract.periods import PeriodKind
from lakeloop.drift_report import ColumnDrift, DriftReport
from lakeloop.drift_store import lake_reports
from lakeloop.interval import wilson_interval
from lakeloop.lake_tables import read_lake_table
from lakeloop.use_case import UseCase
from monitoring.drift.watched_answers import CONFIDENCE, PREDICTION

DRIFT, INGEST = "lakeloop drift", "lakeloop lake ingest"
FILLED_BY = {
    "scores": DRIFT, "share": DRIFT, "drifted": DRIFT, "rows": DRIFT, "prediction": DRIFT,
    "accuracy": INGEST, "error": INGEST, "fallback": INGEST,
}  # fmt: skip
"""The command that brings each panel's past into gold."""
NO_PAST = {
    "rejected": "no past: the newest delivery alone counts. Prometheus has it, and Grafana draws it",
    "latency": "no past: gold keeps no latencies. Prometheus does, and Grafana draws them",
}
"""Why a panel shows the present only."""


@dataclass(frozen=True)
class Line:
    """One line: y None where nothing is known. `bound`: a limit, not a measurement.

    How sure y is: `error` has standard errors; for shares of rows `low` and `high` are the ends of their 95 %
    intervals and `rows` says of how many they are.
    """

    name: str
    x: tuple[str, ...]
    y: tuple[float | None, ...]
    error: tuple[float | None, ...] = ()
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    rows: tuple[int, ...] = ()
    bound: bool = False


@dataclass(frozen=True)
class History:
    """Lines by the panels' `history` key, periods in which dataset drift was found, and each period's model version.

    `period`: their kind. `periods`: the local times that each begins and ends at, by its name. `furthest`: what was
    measured last, the furthest beyond its threshold first.
    """

    lines: dict[str, list[Line]] = field(default_factory=dict)
    drifted_periods: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    period: PeriodKind = "month"
    periods: dict[str, tuple[str, str]] = field(default_factory=dict)
    furthest: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the lake holds no past yet."""
        return not any(self.lines.values())


def read_history(use_case: UseCase) -> History:
    """Both as lines; empty where neither exists. Raises what delta-rs does where one cannot be read."""
    lines: dict[str, list[Line]] = {}
    reports = lake_reports(use_case)
    newest = _newest_of_each_period(reports)
    if reports:
        lines |= drift_lines(reports)
    performance = read_lake_table(use_case, "gold/performance")
    if performance is not None and len(performance):
        lines |= performance_lines(performance, use_case.contract)
    drifted = tuple(report.window.period for report in newest if report.dataset_drift)
    kind = use_case.contract.event_time.of_kind
    names = {name for each in lines.values() for line in each for name in line.x} | set(drifted)
    return History(
        lines,
        drifted,
        {report.window.period: report.model_version for report in newest},
        kind.kind,
        {name: (kind.begins(name).isoformat(), kind.ends(name).isoformat()) for name in sorted(names)},
        next((furthest(report) for report in reversed(newest) if report.features), ()),
    )


def furthest(report: DriftReport) -> tuple[str, ...]:
    """What was measured, the furthest beyond its threshold first and, of what has not drifted, the nearest to it."""

    def place(column: ColumnDrift) -> tuple[int, float]:
        if column.score is None:
            return 2, 0.0
        return (0, -column.times_threshold) if column.drifted else (1, column.times_threshold)

    return tuple(column.label for column in sorted((*report.features, *report.missing), key=place))


def drift_lines(reports: Sequence[DriftReport]) -> dict[str, list[Line]]:
    """Periods as lines. One measured against several models shows what was found of the newest."""
    newest = _newest_of_each_period(reports)
    scores: list[Line] = []
    for name in dict.fromkeys(column.column for report in reports for column in report.features):
        scores += _column_lines(reports, name, name, f"threshold {name}")
    for name in dict.fromkeys(column.label for report in reports for column in report.missing):
        scores += _column_lines(reports, name, name, f"threshold {name}")[:1]  # the feature's own threshold
    shares = [report.share if report.features else None for report in newest]
    bounds = [report.share_threshold for report in newest]
    return {
        "scores": scores,
        "share": [_line("share", newest, shares), _line("dataset drift from", newest, bounds, bound=True)],
        "drifted": [_line("drifted", newest, [len(report.drifted) for report in newest])],
        "rows": [_line("requests", newest, [report.window.rows for report in newest])],
        "prediction": _column_lines(reports, PREDICTION, "score", "threshold"),
        "confidence": _column_lines(reports, CONFIDENCE, "score", "threshold"),
    }


def performance_lines(rows: pd.DataFrame, contract: Contract) -> dict[str, list[Line]]:
    """gold/performance's periods as lines: over all model versions of a period, weighted by their answers."""
    if not contract.label.classes:
        return _error_lines(rows, contract)
    period = contract.period_column
    own = rows["answered"] - rows["rules"]
    frame = rows.assign(
        _own=own.where(rows["estimated_accuracy"].notna(), 0) if "estimated_accuracy" in rows else 0,
        _expected=own * rows["estimated_accuracy"] if "estimated_accuracy" in rows else 0.0,
        _error=own * rows["estimate_standard_error"] if "estimate_standard_error" in rows else 0.0,
    )
    for name in ("model_correct", "model_with_truth"):
        frame[name] = frame.get(name, 0)
    total = frame.groupby(period)[
        [
            "answered",
            "rules",
            "correct",
            "with_truth",
            "model_correct",
            "model_with_truth",
            "_own",
            "_expected",
            "_error",
        ]
    ].sum()
    periods = tuple(map(str, total.index))

    def share(part: str, whole: str) -> tuple[float | None, ...]:
        return tuple(float(a) / float(b) if b else None for a, b in zip(total[part], total[whole], strict=True))

    least = contract.gate.least_accuracy
    bound = [] if least is None else [Line("gate", periods, (least,) * len(periods), bound=True)]
    return {
        "accuracy": [
            Line("estimated", periods, share("_expected", "_own"), error=share("_error", "_own")),
            _counted("realised", periods, total["model_correct"], total["model_with_truth"]),
            _counted("realised, rules included", periods, total["correct"], total["with_truth"]),
            *bound,
        ],
        "fallback": [_counted("rules", periods, total["rules"], total["answered"])],
    }


def _error_lines(rows: pd.DataFrame, contract: Contract) -> dict[str, list[Line]]:
    """The same of numbers, by the error that is watched."""
    period, watched = contract.period_column, contract.gate.watched_error
    power = 2 if watched == "root_mean_squared_error" else 1
    total = rows.groupby(period)[["answered", "rules"]].sum()
    periods = tuple(map(str, total.index))

    def mean(column: str, counts: "pd.Series[int]", power: int = power) -> tuple[float | None, ...]:
        """Over the versions of a period; of a root of squares the squares are what is averaged."""
        known = rows[column] if column in rows else pd.Series(float("nan"), index=rows.index)
        weight = counts.where(known.notna(), 0)
        summed = (weight * known.fillna(0.0) ** power).groupby(rows[period]).sum() / weight.groupby(rows[period]).sum()
        return tuple(None if pd.isna(value) else float(value) ** (1 / power) for value in summed[total.index])

    own = rows["answered"] - rows["rules"]
    bound = contract.gate.error_bound
    return {
        "error": [
            Line(
                "estimated", periods, mean(f"estimated_{watched}", own), error=mean("estimate_standard_error", own, 1)
            ),
            Line("realised", periods, mean(f"model_{watched}", rows["model_with_truth"])),
            Line("realised, rules included", periods, mean(watched, rows["with_truth"])),
            *([] if bound is None else [Line("gate", periods, (bound,) * len(periods), bound=True)]),
        ],
        "fallback": [_counted("rules", periods, total["rules"], total["answered"])],
    }


def _counted(name: str, periods: tuple[str, ...], part: "pd.Series[int]", whole: "pd.Series[int]") -> Line:
    """A line of shares with their intervals: of one row nothing follows, and the picture must say so."""
    shares = tuple(int(a) / int(b) if b else None for a, b in zip(part, whole, strict=True))
    rows = tuple(map(int, whole))
    ends = [(None, None) if s is None else wilson_interval(s, n) for s, n in zip(shares, rows, strict=True)]
    return Line(name, periods, shares, low=tuple(e[0] for e in ends), high=tuple(e[1] for e in ends), rows=rows)


def _newest_of_each_period(reports: Iterable[DriftReport]) -> list[DriftReport]:
    """In event order; of several model versions a period the newest's."""
    ordered = sorted(reports, key=lambda one: (one.window.period, one.window.first, _number(one.model_version)))
    return list({report.window.period: report for report in ordered}.values())


def _number(version: str) -> int:
    """Versions are numbers; what is none comes first."""
    return int(version) if version.isdecimal() else -1


def _column_lines(reports: Iterable[DriftReport], column: str, score: str, threshold: str) -> list[Line]:
    """A column's scores and thresholds, of the periods in which it was measured against any model."""
    known = _newest_of_each_period(report for report in reports if any(c.label == column for c in report.signals))
    found = [next(c for c in report.signals if c.label == column) for report in known]
    return [
        _line(score, known, [c.score for c in found]),
        _line(threshold, known, [c.threshold for c in found], bound=True),
    ]


def _line(name: str, reports: Sequence[DriftReport], values: Sequence[float | None], bound: bool = False) -> Line:
    return Line(name, tuple(report.window.period for report in reports), tuple(values), bound=bound)
