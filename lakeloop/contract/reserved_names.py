"""Names that something behind the contract keeps for itself: a column called so would fail later, in its middle."""

import keyword
from collections.abc import Iterable, Iterator, Sequence

from lakeloop.contract.metrics import WATCHED_ERRORS

REQUEST = ("key", "at", "request_id")
"""Fields that stand beside the features in a request to the gateway."""
PREDICTIONS = (
    "request_id", "at", "answered_at", "features", "prediction", "class_id", "predictor_type", "reason", "latency_ms",
    "line", "key", "probabilities", "confidence", "reason_kind", "model_version",
)  # fmt: skip
"""Columns of silver/predictions, where the features of answered requests stand."""
PERFORMANCE = (
    "model_version", "answered", "rules", "with_truth", "correct", "model_with_truth", "model_correct", "accuracy",
    "rules_share", "mean_confidence", "model_accuracy", "estimated_accuracy", "estimate_standard_error",
    "estimate_error", "persistence_correct", "persistence_accuracy",
)  # fmt: skip
"""Columns of gold/performance, which has a row a period."""
PERFORMANCE_OF_NUMBERS = (
    *PERFORMANCE, "covered", "interval_coverage", "mean_interval_width",
    *(f"{what}{error}" for error in WATCHED_ERRORS for what in ("", "model_", "estimated_", "persistence_")),
)  # fmt: skip
"""The same where a number is predicted."""
PERIOD_SUMMARY = ("rows", "labelled")
"""Columns of gold/monthly, which has a row a period."""
SCORES = (
    "table", "version", "model", "prediction", "class_id", "probabilities", "predictor_type", "reason",
    "model_version", "scored_at", "scoring", "switched_off",
)  # fmt: skip
"""Columns of gold/scores, which has a row a key."""
CLUSTERS = (
    "cluster", "name", "distance", "left_out", "imputed", "values", "centre", "clusters", "silhouette", "first", "last",
    "silver_version", "contract_sha256",
)  # fmt: skip
"""Columns of gold/clusters, which has a row a thing."""
POINTS = ("as_of", "known")
"""Columns of `features read`, which adds when a row was known."""
SOURCES = ("deliveries", "rejects", "mended", "requests", "predictions")
"""Tables of bronze and silver that stand beside those of the sources."""
SOURCES_OF_JOINS = ("waiting",)
"""Tables that only a use case with joined sources has."""
SOURCES_OF_AHEAD = ("ahead",)
"""Tables that only a use case has whose truth is of a later period."""
ANSWERED_NUMBERS = ("lower", "upper")
"""Columns of silver/predictions where a number is predicted."""
PATHS = (
    "alerts", "clusters", "dashboard", "decisions", "docs", "explain", "features", "health", "lineage", "login",
    "logout", "map", "metrics", "models", "page", "ping", "predict", "runs", "services", "static", "windows",
)  # fmt: skip
"""How paths of gateway and monitor begin that are of no use case: one called so would be in their way."""


def of_use_case(name: str) -> str:
    """Why a use case cannot have this name, and which others are taken; '' if it can."""
    if name not in PATHS:
        return ""
    others = ", ".join(path for path in PATHS if path != name)
    return f"is a path of the gateway or the monitor itself, as are {others}"


def of_feature(name: str, class_names: Iterable[str], logged: bool) -> str:
    """Why a feature cannot have this name; '' if it can. `logged`: answered requests come back into the lake."""
    if keyword.iskeyword(name) or name == "self":
        return "is a word of Python's own, and TensorFlow cannot give a model's input that name"
    if logged and name in PREDICTIONS:
        return "is a column of silver/predictions itself"
    if name in {f"probability_{class_name}" for class_name in class_names}:
        return "is the column of silver/predictions that holds a class's probability"
    return "is a column of `lakeloop features read` itself" if name in POINTS else ""


def of_key(name: str, class_names: Iterable[str], logged: bool) -> str:
    """Why the key's column cannot have this name; '' if it can."""
    if name in SCORES:
        return "is a column of gold/scores itself"
    return of_feature(name, class_names, logged) if not keyword.iskeyword(name) else ""


def of_event_time(name: str, features: Iterable[str], class_names: Sequence[str], truth: str, logged: bool) -> str:
    """Why the event time's column cannot have this name; '' if it can."""
    counted = {
        *PERIOD_SUMMARY,
        *(f"{column}_mean" for column in (*features, truth)),
        *(f"{c}_share" for c in class_names),
    }
    if name in counted:
        return "is a column of gold/monthly itself"
    if logged and name in (PERFORMANCE if class_names else PERFORMANCE_OF_NUMBERS):
        return "is a column of gold/performance itself"
    return of_feature(name, class_names, logged) if not keyword.iskeyword(name) else ""


def twice_in_a_request(places: Iterable[str]) -> Iterator[str]:
    """The names that a request would have twice at its top: groups, features without one, and its own fields."""
    seen = set(REQUEST)
    for name in places:
        if name in seen:
            yield name
        seen.add(name)
