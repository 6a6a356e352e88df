"""What the gate takes for a million rows, ten metrics and twenty slices; its own process, for its memory."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from bench.figure import Figure
from lakeloop.contract import Gate
from tfx_pipeline.evaluation.answers import EVAL, TRAIN, ModelAnswers
from tfx_pipeline.evaluation.gate import check_gate

ROWS, VALUES = 1_000_000, 20
NAMES = ("low", "middle", "high")
WHOLE = (
    {"metric": "accuracy", "above": 0.1}, {"metric": "balanced_accuracy", "above": 0.1},
    {"metric": "precision", "of": "high", "above": 0.1}, {"metric": "recall", "of": "high", "above": 0.1},
    {"metric": "f1_macro", "above": 0.1}, {"metric": "roc_auc", "above": 0.1},
    {"metric": "average_precision", "above": 0.1}, {"metric": "log_loss", "below": 5.0},
    {"metric": "brier_score", "below": 1.0}, {"metric": "calibration_error", "below": 0.9},
)  # fmt: skip


def measure(home: Path) -> list[Figure]:
    """Seconds of the clock and of CPU, and the most memory, rows included."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "bench.gate_bench"])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the gate ended with {process.returncode}")
    what = "the gate, 1,000,000 rows, ten metrics, each by twenty slices too"
    return [
        Figure(what, time.monotonic() - began, "s", 20),
        Figure("… CPU", used.ru_utime + used.ru_stime, "s", None),
        Figure("… peak memory", used.ru_maxrss / 2**20, "GiB", 2),
    ]


def _answers(draw: np.random.Generator, rows: int) -> ModelAnswers:
    labels = draw.choice(3, rows, p=(0.6, 0.3, 0.1))
    scores = np.exp(
        draw.normal(size=(rows, 3), scale=1.0).astype(np.float32) + 1.5 * np.eye(3, dtype=np.float32)[labels]
    )
    region = draw.integers(0, VALUES, rows)
    return ModelAnswers(labels, scores / scores.sum(axis=1, keepdims=True), None, {"region": region})


if __name__ == "__main__":
    draw = np.random.default_rng(0)
    sliced = tuple({**check, "slice": "region"} for check in WHOLE)
    gate = Gate.model_validate({"checks": (*WHOLE, *sliced)})
    rows = {TRAIN: _answers(draw, 4_000), EVAL: _answers(draw, ROWS)}
    report = check_gate(gate, rows, class_names=NAMES)
    assert len(report.checks) == 2 * len(WHOLE) + 1, report.checks
