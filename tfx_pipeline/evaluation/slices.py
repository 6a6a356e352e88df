"""What the Evaluator found, slice by slice, as plain values: TFMA's own page loads from the internet."""

from collections.abc import Mapping
from typing import Any

import tensorflow_model_analysis as tfma

from tfx_pipeline.runs.run_record import Evaluation, SliceScore

METRICS = {
    "SparseCategoricalAccuracy": "sparse_categorical_accuracy", "BinaryAccuracy": "binary_accuracy",
    "MeanAbsoluteError": "mean_absolute_error", "ExactMatch": "exact_match",
}  # fmt: skip
"""What TFMA calls its metrics in an EvalConfig, and in results."""
SHOWN = {"sparse_categorical_accuracy": "accuracy", "binary_accuracy": "accuracy", "exact_match": "accuracy"}
"""What they are called here, where that is something else."""
ROWS = "example_count"


def read_evaluation(uri: str) -> Evaluation:
    """All slices of an Evaluator's output, the whole first, with TFMA's own verdict on each."""
    result = tfma.load_eval_result(uri)
    metrics = (metric for spec in result.config.metrics_specs for metric in spec.metrics)
    config = next(metric for metric in metrics if metric.HasField("threshold"))
    name, threshold = METRICS[config.class_name], config.threshold
    bounds = threshold.value_threshold
    compared = threshold.HasField("change_threshold") and len(result.config.model_specs) > 1
    failures = _failures(uri)
    slices = [_slice(name, key, values, failures.get(_texts(key), ())) for key, values in result.slicing_metrics]
    return Evaluation(
        metric=SHOWN.get(name, name),
        above=bounds.lower_bound.value,
        below=bounds.upper_bound.value if bounds.HasField("upper_bound") else None,
        champion_margin=abs(threshold.change_threshold.absolute.value) if compared else None,
        slices=tuple(sorted(slices, key=lambda one: (one.feature, one.value))),
    )


Key = tuple[tuple[str, Any], ...]


def _slice(name: str, key: Key, metrics: Mapping[str, Any], failed: tuple[str, ...]) -> SliceScore:
    values: Mapping[str, Mapping[str, float]] = metrics[""][""]
    score = values[name]["doubleValue"]
    change = values.get(f"{name}_diff")
    return SliceScore(
        feature=" and ".join(feature for feature, _ in key),
        value=" and ".join(str(value) for _, value in key),
        rows=int(values[ROWS]["doubleValue"]),
        score=score,
        champion_score=None if change is None else score - change["doubleValue"],
        failed=failed,
    )


def _failures(uri: str) -> dict[Key, tuple[str, ...]]:
    """Which thresholds TFMA found broken, by slice: "bounds", "champion"."""
    found: dict[Key, tuple[str, ...]] = {}
    for one in tfma.load_validation_result(uri).metric_validations_per_slice:
        key = tuple((part.column, getattr(part, part.WhichOneof("kind"))) for part in one.slice_key.single_slice_keys)
        names = ["champion" if failure.metric_key.is_diff else "bounds" for failure in one.failures]
        found[_texts(key)] = tuple(dict.fromkeys(names))
    return found


def _texts(key: Key) -> Key:
    """The two files write a slice's value in different types."""
    return tuple((name, value.decode() if isinstance(value, bytes) else str(value)) for name, value in key)
