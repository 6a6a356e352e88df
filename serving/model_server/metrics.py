"""What the server counts, under TensorFlow Serving's own names and in its text form for Prometheus.

prometheus_client is not used: it ends the name of every counter in `_total`, TensorFlow Serving does not.
Source: tensorflow/serving tensorflow_serving/util/prometheus_exporter.cc and
tensorflow_serving/servables/tensorflow/util.cc; tensorflow tensorflow/cc/saved_model/loader.cc.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path

MOST_CELLS = 1_000
"""Clients choose the model name they ask for; beyond so many label values all others are counted as ''."""


class Counter:
    """A number for each combination of label values."""

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        self.name = name
        self._labels = labels
        self._cells: dict[tuple[str, ...], int] = {}
        self._lock = threading.Lock()

    def add(self, *values: str, by: int = 1) -> None:
        """Counts `by` more."""
        with self._lock:
            values = _bounded(values, self._cells)
            self._cells[values] = self._cells.get(values, 0) + by

    def first(self) -> int:
        """The number of the first cell, which is what a reload reports as the metric's value; 0 without cells."""
        with self._lock:
            return next(iter(self._cells.values()), 0)

    def lines(self) -> list[str]:
        """The metric in Prometheus' text form."""
        name = _prometheus_name(self.name)
        with self._lock:
            cells = list(self._cells.items())
        return [f"# TYPE {name} counter", *(f"{name}{{{_pairs(self._labels, v)}}} {n}" for v, n in cells)]


class Histogram:
    """How often a value fell below each limit, for each combination of label values."""

    def __init__(self, name: str, labels: Sequence[str], scale: float, growth: float, count: int) -> None:
        self.name = name
        self._labels = labels
        self._limits = [scale * growth**power for power in range(count)]
        self._cells: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}
        self._lock = threading.Lock()

    def add(self, value: float, *values: str) -> None:
        """Counts one value."""
        with self._lock:
            values = _bounded(values, self._cells)
            if values not in self._cells:
                self._cells[values] = ([0] * (len(self._limits) + 1), [0.0])
            buckets, total = self._cells[values]
            buckets[bisect_left(self._limits, value)] += 1
            total[0] += value

    def lines(self) -> list[str]:
        """The metric in Prometheus' text form."""
        name = _prometheus_name(self.name)
        lines = [f"# TYPE {name} histogram"]
        with self._lock:
            cells = [(values, list(buckets), total[0]) for values, (buckets, total) in self._cells.items()]
        for values, buckets, total in cells:
            pairs, so_far = _pairs(self._labels, values), 0
            for limit, number in zip([*(f"{limit:g}" for limit in self._limits), "+Inf"], buckets, strict=True):
                so_far += number
                lines.append(f'{name}_bucket{{{pairs},le="{limit}"}} {so_far}')
            lines += [f"{name}_sum{{{pairs}}} {total:.10g}", f"{name}_count{{{pairs}}} {so_far}"]
        return lines


class Metrics:
    """The metrics of one server; all times are given in seconds and kept in microseconds."""

    def __init__(self) -> None:
        self.request_count = Counter("/tensorflow/serving/request_count", ("model_name", "status"))
        self.request_latency = _latency("/tensorflow/serving/request_latency", "entrypoint")
        self.runtime_latency = _latency("/tensorflow/serving/runtime_latency", "runtime")
        self.example_counts = Histogram("/tensorflow/serving/request_example_counts", ("model",), 1, 2, 15)
        self.example_count_total = Counter("/tensorflow/serving/request_example_count_total", ("model",))
        self.request_log_count = Counter("/tensorflow/serving/request_log_count", ("model_name", "status_code"))
        self.load_attempts = Counter("/tensorflow/cc/saved_model/load_attempt_count", ("model_path", "status"))
        self.load_latency = Counter("/tensorflow/cc/saved_model/load_latency", ("model_path",))

    def answered(self, model: str, api: str, entrypoint: str, status: str, seconds: float) -> None:
        """One request over REST or gRPC; only the latency of good answers is kept."""
        if status == "OK":
            self.request_latency.add(seconds * 1e6, model, api, entrypoint)
        self.request_count.add(model, status)

    def ran(self, model: str, api: str, seconds: float) -> None:
        """One run of a model's graph."""
        self.runtime_latency.add(seconds * 1e6, model, api, "TF1")

    def examples(self, model: str, count: int) -> None:
        """The examples of one MultiInference request, the only one TensorFlow Serving counts them of."""
        self.example_counts.add(count, model)
        self.example_count_total.add(model, by=count)

    def logged(self, model: str, status: str) -> None:
        """One request that a log of requests took, or could not take."""
        self.request_log_count.add(model, status)

    def loaded(self, folder: Path, good: bool, seconds: float) -> None:
        """One attempt to load a version."""
        self.load_attempts.add(str(folder), "success" if good else "fail")
        self.load_latency.add(str(folder), by=round(seconds * 1e6))

    def value(self, name: str) -> int:
        """What HandleReloadConfigRequest reports of a metric; 0 for histograms and unknown names."""
        return next((item.first() for item in self._all() if item.name == name and isinstance(item, Counter)), 0)

    def page(self) -> bytes:
        """All metrics in Prometheus' text form."""
        lines = [line for item in sorted(self._all(), key=lambda item: item.name) for line in item.lines()]
        return ("\n".join(lines) + "\n").encode("utf-8", "replace")

    def _all(self) -> list[Counter | Histogram]:
        return [item for item in vars(self).values() if isinstance(item, Counter | Histogram)]


def _latency(name: str, last_label: str) -> Histogram:
    return Histogram(name, ("model_name", "API", last_label), 10, 1.8, 33)


def _bounded(values: tuple[str, ...], cells: Mapping[tuple[str, ...], object]) -> tuple[str, ...]:
    if values in cells or len(cells) < MOST_CELLS:
        return values
    return ("", *values[1:])


def _prometheus_name(name: str) -> str:
    return re.sub("[^a-zA-Z0-9_]", ":", name)


def _pairs(labels: Sequence[str], values: tuple[str, ...]) -> str:
    return ",".join(f'{label}="{_escaped(value)}"' for label, value in zip(labels, values, strict=True))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
