"""What the monitor tells Prometheus: every gauge, from a snapshot that is ready to read."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from lakeloop.contract import Contract
from lakeloop.drift_report import ColumnDrift
from monitoring.challenge_rules import Counted
from monitoring.live import Snapshot

Values = list[tuple[tuple[str, ...], float]]
"""(values of the labels beside use_case and model_version, value) of each series; none where there is no value."""


@dataclass(frozen=True)
class Gauge:
    """One metric: its name, what it means, its labels beside use_case and model_version, and where its values are."""

    name: str
    text: str
    values: Callable[[Snapshot, Contract], Values]
    labels: tuple[str, ...] = ()


def _one(value: float | None) -> Values:
    return [] if value is None else [((), float(value))]


def _was_measured(shown: Snapshot) -> bool:
    return shown.report is not None and shown.report.state in ("stable", "drift")


def _if_measured(value: Callable[[Snapshot], float]) -> Callable[[Snapshot, Contract], Values]:
    return lambda shown, _: _one(value(shown)) if _was_measured(shown) else []


def _columns(value: Callable[[ColumnDrift], float | None]) -> Callable[[Snapshot, Contract], Values]:
    def values(shown: Snapshot, _: Contract) -> Values:
        found = [(column.column, value(column)) for column in (shown.report.features if shown.report else ())]
        return [((name,), number) for name, number in found if number is not None]

    return values


def _missing(shown: Snapshot) -> list[tuple[tuple[str, ...], float]]:
    found = shown.report.missing if shown.report else ()
    return [((column.column,), column.score) for column in found if column.score is not None]


def _accuracy(value: Callable[[Snapshot], float | None]) -> Callable[[Snapshot, Contract], Values]:
    return lambda shown, contract: _one(value(shown)) if contract.label.classes else []


def _challenger(value: Callable[[Counted], float | None]) -> Callable[[Snapshot, Contract], Values]:
    def values(shown: Snapshot, _: Contract) -> Values:
        counted = shown.challenge
        found = None if counted is None else value(counted)
        return [] if counted is None or found is None else [((counted.challenger, counted.stage), found)]

    return values


def _error(value: Callable[[Snapshot, Contract], float | None]) -> Callable[[Snapshot, Contract], Values]:
    def values(shown: Snapshot, contract: Contract) -> Values:
        found = None if contract.label.classes else value(shown, contract)
        return [] if found is None else [((contract.gate.watched_error,), found)]

    return values


def _age(moment: float) -> float | None:
    return max(0.0, time.time() - moment) if moment else None


GAUGES = (
    Gauge("number_of_columns", "Features of the contract.", lambda _, contract: _one(len(contract.features))),
    Gauge("number_of_drifted_columns", "Features that drifted in the newest window.",
          _if_measured(lambda s: len(s.report.drifted) if s.report else 0)),
    Gauge("share_of_drifted_columns", "Drifted features / features, 0 to 1.",
          _if_measured(lambda s: s.report.share if s.report else 0)),
    Gauge("share_of_drifted_columns_threshold", "From this share on it is dataset drift (contract).",
          lambda _, contract: _one(contract.monitoring.dataset_drift_share)),
    Gauge("dataset_drift", "1 if the newest window has dataset drift.",
          _if_measured(lambda s: s.report.dataset_drift if s.report else 0)),
    Gauge("drift_episode_open", "1 while an episode of dataset drift is open; the drift alert looks at this. Each "
          "episode is a series, so that one after another, however soon, is another alert.",
          lambda s, _: [((s.episode_id,), float(bool(s.episode_id)))] if s.measured_at else [], ("episode",)),
    Gauge("drift_score_by_columns", "A feature's distance to the model's reference, by the contract's test.",
          _columns(lambda c: c.score), ("feature",)),
    Gauge("drift_threshold_by_columns", "The score from which the feature has drifted (contract).",
          _columns(lambda c: c.threshold), ("feature",)),
    Gauge("missing_share_drift_by_columns", "Distance of an optional feature's share of missing values to the "
          "reference's.", lambda s, _: _missing(s), ("feature",)),
    Gauge("prediction_drift", "Distance of the model's answers to those on its reference.",
          lambda s, _: _one(s.report.prediction.score if s.report and s.report.prediction else None)),
    Gauge("prediction_drift_threshold", "The score from which the answers have drifted (contract).",
          lambda _, contract: _one(contract.monitoring.prediction_drift.threshold)),
    Gauge("prediction_drifted", "1 if the answers have drifted in the newest window, whichever way the test is read; "
          "the alert looks at this.",
          lambda s, _: _one(s.report.prediction.drifted if s.report and s.report.prediction else None)),
    Gauge("confidence_drift", "Distance of how sure the model is to how sure it is on its reference.",
          lambda s, _: _one(s.report.confidence.score if s.report and s.report.confidence else None)),
    Gauge("confidence_drift_threshold", "The score from which the confidence has drifted (contract).",
          lambda _, contract: _one(contract.monitoring.confidence_drift.threshold)),
    Gauge("confidence_drifted", "1 if the confidence has drifted in the newest window, whichever way its test is read; "
          "the alert looks at this.",
          lambda s, _: _one(s.report.confidence.drifted if s.report and s.report.confidence else None)),
    Gauge("drift_reference_info", "1; its label says what the newest window was measured against.",
          lambda s, _: [((s.report.against,), 1.0)] if s.report and _was_measured(s) else [], ("reference",)),
    Gauge("requests_in_windows", "Requests in the newest window.", lambda s, _: _one(s.rows)),
    Gauge("window_size", "Requests of a full window (contract).",
          lambda _, contract: _one(contract.monitoring.window)),
    Gauge("minimum_window_size", "Requests a window must have to be measured, and to raise an alert (contract).",
          lambda _, contract: _one(contract.monitoring.fewest)),
    Gauge("window_age_seconds", "Since the newest window was measured.", lambda s, _: _one(_age(s.measured_at))),
    Gauge("last_request_age_seconds", "Since the newest request was answered; absent before the first one.",
          lambda s, _: _one(_age(s.last_request_at))),
    Gauge("silence_threshold_seconds", "A newest request older than this, or a newest window while requests come, is "
          "an alert (contract).", lambda _, contract: _one(contract.monitoring.silence_minutes * 60)),
    Gauge("fallback_rate", "Share of the newest window that the rules answered, 0 to 1.",
          lambda s, _: _one(s.rules / s.rows if s.rows else None)),
    Gauge("fallback_rate_threshold", "Above this share it is an alert (contract).",
          lambda _, contract: _one(contract.monitoring.fallback_rate_above)),
    Gauge("rejected_share", "Share of the rows a source delivered last that broke the contract, 0 to 1.",
          lambda s, _: [((one.source,), one.share) for one in s.rejects], ("source",)),
    Gauge("rejected_share_threshold", "Above this share it is an alert (contract).",
          lambda _, contract: _one(contract.monitoring.rejected_share_above)),
    Gauge("overdue_share", "Share of the newest rows that a joined source is due for which wait for it, 0 to 1.",
          lambda s, _: [((one.source,), one.share) for one in s.waiting], ("source",)),
    Gauge("overdue_share_threshold", "Above this share it is an alert (contract).",
          lambda _, contract: _one(contract.monitoring.overdue_share_above)),
    Gauge("estimated_accuracy", "Accuracy the model's calibrated confidence promises; concept drift escapes it.",
          _accuracy(lambda s: s.estimated)),
    Gauge("realised_accuracy", "Accuracy on the newest period whose ground truth is there.",
          _accuracy(lambda s: s.realised)),
    Gauge("accuracy_bound", "Accuracy the quality gate wants (contract).",
          lambda _, contract: _one(contract.gate.least_accuracy)),
    Gauge("estimated_error", "Error to expect of the model's numbers by features and answer; concept drift escapes it.",
          _error(lambda s, _: s.estimated), ("metric",)),
    Gauge("realised_error", "Error of the model's numbers in the newest period whose ground truth is there.",
          _error(lambda s, _: s.realised), ("metric",)),
    Gauge("error_bound", "Error the quality gate wants less than (contract).",
          _error(lambda _, contract: contract.gate.error_bound), ("metric",)),
    Gauge("challenger_answers", "Rows that the challenger answered since its stage began.",
          _challenger(lambda c: c.answers), ("challenger", "stage")),
    Gauge("challenger_error_share", "Share of the rows it was asked that it gave no answer to, 0 to 1.",
          _challenger(lambda c: c.errors / c.asked if c.asked else None), ("challenger", "stage")),
    Gauge("challenger_agreement", "Share of rows that champion and challenger answered alike, 0 to 1.",
          _challenger(lambda c: c.agreement), ("challenger", "stage")),
    Gauge("challenger_p99_seconds", "99 of 100 of its answers were there within this time.",
          _challenger(lambda c: None if c.p99_ms is None else c.p99_ms / 1000), ("challenger", "stage")),
    Gauge("model_available", "1 if the model server serves a version; absent before it was asked, and where none "
          "was pushed yet.",
          lambda s, _: _one(s.model_available)),
    Gauge("reference_available", "1 if there is something to measure the windows against.",
          lambda s, _: _one(s.report is not None and s.report.state != "no reference")),
    Gauge("windows_measured", "Full windows measured since the use case is watched.", lambda s, _: _one(s.windows)),
    Gauge("outbox_backlog", "Events of the ledger that Airflow does not have yet.", lambda s, _: _one(s.undelivered)),
    Gauge("request_log_unreadable_lines", "Lines of the request log that are no record, since the monitor started.",
          lambda s, _: _one(s.unreadable)),
    Gauge("monitor_problem", "1 while the monitor cannot work; /health says why.", lambda s, _: _one(bool(s.problem))),
)  # fmt: skip
"""Every metric of the monitor. docs/monitoring.md describes each."""


Watched = dict[str, tuple[Contract, Callable[[], Snapshot]]]
"""Use case -> (its contract, a way to its newest snapshot that never waits)."""


class Exporter(Collector):
    """The metrics of what is watched now."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        snapshots = [(contract, read()) for contract, read in list(self._watched.values())]
        for gauge in GAUGES:
            family = GaugeMetricFamily(gauge.name, gauge.text, labels=("use_case", "model_version", *gauge.labels))
            for contract, shown in snapshots:
                for labels, value in gauge.values(shown, contract):
                    family.add_metric((contract.use_case, shown.model_version, *labels), value)
            yield family
