"""The panels, defined once: Grafana's JSON and the monitor's own page are both made from them."""

from dataclasses import dataclass
from typing import Literal

from lakeloop.contract.metrics import Task

PanelKind = Literal["state", "number", "lines", "text"]
Unit = Literal["none", "share", "seconds", "rows", "score"]
USE_CASE = "$use_case"
RATE_WINDOW = "5m"


@dataclass(frozen=True)
class Series:
    """One metric in a panel. `by` is the label that tells its lines apart, `name` what the line is called without one.

    `quantile`: the metric is a histogram of seconds, and this quantile of the last 5 minutes is shown.
    `bound`: the line is a limit, not a measurement.
    """

    metric: str
    name: str
    by: str = ""
    quantile: float | None = None
    bound: bool = False

    def expression(self, use_case: str = USE_CASE) -> str:
        """The PromQL of this series for one use case."""
        chosen = f'{{use_case="{use_case}"}}'
        if self.quantile is not None:
            rate = f"sum by (le) (rate({self.metric}_bucket{chosen}[{RATE_WINDOW}]))"
            return f"histogram_quantile({self.quantile}, {rate})"
        return f"max by ({self.by}) ({self.metric}{chosen})" if self.by else f"max({self.metric}{chosen})"

    @property
    def legend(self) -> str:
        """Grafana's legend of the series."""
        if not self.by:
            return self.name
        return f"{self.name} {{{{{self.by}}}}}".strip()


@dataclass(frozen=True)
class Panel:
    """One picture. `history` names the lines of the past that the own page draws; '' shows the present alone.

    `states` of a state: by value, the word for it and whether it is good. `task`: what a model that has it does; None:
    either.
    """

    key: str
    title: str
    description: str
    kind: PanelKind
    unit: Unit
    series: tuple[Series, ...]
    history: str = ""
    wide: bool = False
    states: tuple[tuple[str, bool], ...] = ()
    task: Task | None = None


PANELS: tuple[Panel, ...] = (
    Panel(
        "dataset_drift", "Dataset drift", "Whether enough features drifted in the window for a retraining to be due.",
        "state", "none", (Series("dataset_drift", "dataset drift"),),
        states=(("stable", True), ("drift", False)),
    ),
    Panel(
        "model_version", "Model version", "The version the gateway asks now.",
        "text", "none", (Series("lakeloop_gateway_model_version_info", "", by="version"),),
    ),
    Panel(
        "drifted_columns", "Drifted features", "How many features of the window drifted, of how many.",
        "number", "none",
        (Series("number_of_drifted_columns", "drifted"), Series("number_of_columns", "of")), history="drifted",
    ),
    Panel(
        "requests", "Requests in the window", "Requests the newest window holds.",
        "number", "rows", (Series("requests_in_windows", "requests"),), history="rows",
    ),
    Panel(
        "model_available", "Model available", "Whether the model server answers for this use case.",
        "state", "none", (Series("model_available", "model available"),),
        states=(("unavailable", False), ("available", True)),
    ),
    Panel(
        "reference", "Measured against", "What the newest window was compared with; the contract says which.",
        "text", "none", (Series("drift_reference_info", "", by="reference"),),
    ),
    Panel(
        "window_age", "Age of the window", "Time since the newest window was measured.",
        "number", "seconds", (Series("window_age_seconds", "age"),),
    ),
    Panel(
        "share", "Share of drifted features", "Drifted features / features; the prediction is never one of them.",
        "lines", "share",
        (
            Series("share_of_drifted_columns", "share"),
            Series("share_of_drifted_columns_threshold", "dataset drift from", bound=True),
        ),
        history="share",
    ),
    Panel(
        "prediction_drift", "Prediction drift", "How far the model's answers moved from those on its reference.",
        "lines", "score",
        (Series("prediction_drift", "score"), Series("prediction_drift_threshold", "threshold", bound=True)),
        history="prediction",
    ),
    Panel(
        "confidence_drift", "Confidence drift", "How far the model's sureness of its answers moved from its reference.",
        "lines", "score",
        (Series("confidence_drift", "score"), Series("confidence_drift_threshold", "threshold", bound=True)),
        history="confidence", task="classification",
    ),
    Panel(
        "scores", "Drift score by feature", "Each feature's distance from the reference; dashed its threshold.",
        "lines", "score",
        (
            Series("drift_score_by_columns", "", by="feature"),
            Series("drift_threshold_by_columns", "threshold", by="feature", bound=True),
            Series("missing_share_drift_by_columns", "missing", by="feature"),
        ),
        history="scores", wide=True,
    ),
    Panel(
        "accuracy", "Accuracy, estimated and realised",
        "Estimated from calibrated confidence at once, realised when truth comes. Concept drift escapes the estimate.",
        "lines", "share",
        (
            Series("estimated_accuracy", "estimated"),
            Series("realised_accuracy", "realised"),
            Series("accuracy_bound", "gate", bound=True),
        ),
        history="accuracy", wide=True, task="classification",
    ),
    Panel(
        "error", "Error, estimated and realised",
        "How far numbers lie from the truth by the contract's metric: estimated from features and answer at once, "
        "realised when truth comes. Concept drift escapes the estimate.",
        "lines", "score",
        (
            Series("estimated_error", "estimated", by="metric"),
            Series("realised_error", "realised", by="metric"),
            Series("error_bound", "gate", by="metric", bound=True),
        ),
        history="error", wide=True, task="regression",
    ),
    Panel(
        "fallback", "Fallback rate", "Share of answers that came from the rules.",
        "lines", "share",
        (Series("fallback_rate", "rules"), Series("fallback_rate_threshold", "alert above", bound=True)),
        history="fallback",
    ),
    Panel(
        "rejected", "Rejected rows", "Share of the rows each source delivered last that broke the contract.",
        "lines", "share",
        (
            Series("rejected_share", "", by="source"),
            Series("rejected_share_threshold", "alert above", bound=True),
        ),
    ),
    Panel(
        "latency", "Latency of the gateway", "From request to answer.",
        "lines", "seconds",
        (
            Series("lakeloop_gateway_seconds", "median", quantile=0.5),
            Series("lakeloop_gateway_seconds", "95 %", quantile=0.95),
        ),
    ),
)  # fmt: skip


def panels_of(task: Task) -> tuple[Panel, ...]:
    """The panels that a model of a task has something for; Grafana, which shows every use case, has all.

    Several labels are watched as classes are: by whether exactly they were answered, and how likely they were held.
    """
    task = "classification" if task == "multilabel" else task
    return tuple(panel for panel in PANELS if panel.task in (None, task))
