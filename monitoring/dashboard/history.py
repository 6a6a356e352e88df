"""What the panels show of the past, in event time: from gold/drift and gold/performance, a point a month."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from lakeloop.contract import Contract
from lakeloop.interval import wilson_interval
from lakeloop.lake_tables import read_lake_table
from lakeloop.settings import Settings

DRIFT, INGEST = "lakeloop drift", "lakeloop lake ingest"
FILLED_BY = {
    "scores": DRIFT, "share": DRIFT, "drifted": DRIFT, "rows": DRIFT, "prediction": DRIFT,
    "accuracy": INGEST, "fallback": INGEST,
}  # fmt: skip
"""The command that brings each panel's past into gold."""
NO_PAST = {
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
    """Lines by the panels' `history` key, months in which dataset drift was found, and each month's model version."""

    lines: dict[str, list[Line]] = field(default_factory=dict)
    drifted_months: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether the lake holds no past yet."""
        return not any(self.lines.values())


def read_history(settings: Settings, contract: Contract) -> History:
    """Both tables as lines; empty where neither exists. Raises what delta-rs does where one cannot be read."""
    lines: dict[str, list[Line]] = {}
    drift = read_lake_table(settings, "gold/drift", filters=[("kind", "=", "month")])
    drifted, versions = (), {}
    if drift is not None and len(drift):
        lines |= drift_lines(drift)
        dataset = _newest_version(drift[drift["column_kind"] == "dataset"])
        drifted = tuple(dataset.loc[dataset["drifted"], "month"])
        versions = dict(zip(dataset["month"], dataset["model_version"], strict=True))
    performance = read_lake_table(settings, "gold/performance")
    if performance is not None and len(performance):
        lines |= performance_lines(performance, contract)
    return History(lines, drifted, versions)


def drift_lines(rows: pd.DataFrame) -> dict[str, list[Line]]:
    """gold/drift's months as lines. A month judged against several models shows the newest model's verdict."""
    features = _newest_version(rows[rows["column_kind"] == "feature"])
    prediction = _newest_version(rows[rows["column_kind"] == "prediction"])
    dataset = _newest_version(rows[rows["column_kind"] == "dataset"])
    scores: list[Line] = []
    for name, part in features.groupby("column", sort=False):
        scores.append(_line(str(name), part, "score"))
        scores.append(_line(f"threshold {name}", part, "threshold", bound=True))
    return {
        "scores": scores,
        "share": [_line("share", dataset, "score"), _line("dataset drift from", dataset, "threshold", bound=True)],
        "drifted": [_line("drifted", dataset, "drifted_columns")],
        "rows": [_line("requests", dataset, "rows")],
        "prediction": [_line("score", prediction, "score"), _line("threshold", prediction, "threshold", bound=True)],
    }


def performance_lines(rows: pd.DataFrame, contract: Contract) -> dict[str, list[Line]]:
    """gold/performance's months as lines: over all model versions of a month, weighted by their answers."""
    month = contract.event_time.column
    own = rows["answered"] - rows["rules"]
    frame = rows.assign(
        _own=own.where(rows["estimated_accuracy"].notna(), 0) if "estimated_accuracy" in rows else 0,
        _expected=own * rows["estimated_accuracy"] if "estimated_accuracy" in rows else 0.0,
        _error=own * rows["estimate_standard_error"] if "estimate_standard_error" in rows else 0.0,
    )
    for name in ("model_correct", "model_with_truth"):
        frame[name] = frame.get(name, 0)
    total = frame.groupby(month)[
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
    months = tuple(map(str, total.index))

    def share(part: str, whole: str) -> tuple[float | None, ...]:
        return tuple(float(a) / float(b) if b else None for a, b in zip(total[part], total[whole], strict=True))

    return {
        "accuracy": [
            Line("estimated", months, share("_expected", "_own"), error=share("_error", "_own")),
            _counted("realised", months, total["model_correct"], total["model_with_truth"]),
            _counted("realised, rules included", months, total["correct"], total["with_truth"]),
            Line("gate", months, (contract.gate.accuracy.above,) * len(months), bound=True),
        ],
        "fallback": [_counted("rules", months, total["rules"], total["answered"])],
    }


def _counted(name: str, months: tuple[str, ...], part: "pd.Series[int]", whole: "pd.Series[int]") -> Line:
    """A line of shares with their intervals: of one row nothing follows, and the picture must say so."""
    shares = tuple(int(a) / int(b) if b else None for a, b in zip(part, whole, strict=True))
    rows = tuple(map(int, whole))
    ends = [(None, None) if s is None else wilson_interval(s, n) for s, n in zip(shares, rows, strict=True)]
    return Line(name, months, shares, low=tuple(e[0] for e in ends), high=tuple(e[1] for e in ends), rows=rows)


def _newest_version(rows: pd.DataFrame) -> pd.DataFrame:
    """In event order; of several model versions a month the newest."""
    number = pd.to_numeric(rows["model_version"], errors="coerce")
    ordered = rows.assign(_number=number).sort_values(["month", "first", "_number"], kind="stable")
    return ordered.drop_duplicates(["month", "column_kind", "column"], keep="last")


def _line(name: str, rows: pd.DataFrame, column: str, bound: bool = False) -> Line:
    values: Sequence[float] = rows[column].tolist()
    return Line(
        name, tuple(rows["month"]), tuple(float(v) if v is not None and v == v else None for v in values), bound=bound
    )
