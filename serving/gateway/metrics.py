"""What the gateway counts, for Prometheus."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from lakeloop.fallback import AnyPrediction

PREFIX = "lakeloop_gateway"
SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
MODEL_UNAVAILABLE = "model unavailable"


def reason_kind(reason: str) -> str:
    """`out of range: age is …` -> `out of range`: few enough kinds to be a label."""
    return reason.partition(":")[0]


class Metrics(Collector):
    """One use case's counters, in a registry of their own; `window` is how many answers the share of rules looks at."""

    def __init__(self, use_case: str, window: int) -> None:
        disable_created_metrics()
        self._registry = CollectorRegistry()
        self._use_case = use_case
        self._lately: deque[bool] = deque(maxlen=window)
        self._rules = 0
        self.answers = self._counter(
            "answers", "Rows answered, each request id once.", ("use_case", "predictor_type", "reason")
        )
        self.seconds = Histogram(
            f"{PREFIX}_seconds", "From request to answer, by route.", ("use_case", "route"),
            buckets=SECONDS, registry=self._registry,
        )  # fmt: skip
        self.refused = self._counter("refused", "Requests not answered, by HTTP status.", ("use_case", "status"))
        self.duplicates = self._counter("duplicates", "Rows whose request id was answered before.").labels(use_case)
        self.unavailable = self._counter(
            "model_unavailable", "Rows the model should have answered and could not."
        ).labels(use_case)
        self.log_failures = self._counter(
            "request_log_failures", "ALARM when it rises: attempts to write the request log that failed."
        ).labels(use_case)
        self.challenger_rows = self._counter(
            "challenger_rows", "Rows for the challenger: answered, failed, or dropped, where it gave way to clients.",
            ("use_case", "stage", "outcome"),
        )  # fmt: skip
        self._version = Gauge(
            f"{PREFIX}_model_version_info", "1 for the model version that is asked.", ("use_case", "version"),
            registry=self._registry,
        )  # fmt: skip
        self._gauge("rules_share", "Share of rules among the latest answers.", self._share)
        self._children: dict[tuple[str, str], Counter] = {}
        self._challenger_children: dict[tuple[str, str], Counter] = {}

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge whose value is asked for when it is read."""
        self._gauge(name, text, value)

    def count(self, answer: AnyPrediction) -> None:
        """Count an answered row."""
        place = (answer.predictor_type, reason_kind(answer.reason))
        child = self._children.get(place)
        if child is None:
            child = self._children[place] = self.answers.labels(self._use_case, *place)
        child.inc()
        if place[1] == MODEL_UNAVAILABLE:
            self.unavailable.inc()
        rules = answer.predictor_type == "rules"
        if len(self._lately) == self._lately.maxlen:
            self._rules -= self._lately[0]
        self._lately.append(rules)
        self._rules += rules

    def model_version(self, version: str | None) -> None:
        """Say which version is asked now."""
        self._version.clear()
        if version is not None:
            self._version.labels(self._use_case, version).set(1)

    def challenger(self, stage: str, outcome: str) -> None:
        """Count a row that the challenger was asked, or should have been."""
        place = (stage, outcome)
        child = self._challenger_children.get(place)
        if child is None:
            child = self._challenger_children[place] = self.challenger_rows.labels(self._use_case, *place)
        child.inc()

    def collect(self) -> Iterator[Metric]:
        """Everything that was counted."""
        yield from self._registry.collect()

    def _share(self) -> float:
        return self._rules / len(self._lately) if self._lately else 0.0

    def _counter(self, name: str, text: str, labels: tuple[str, ...] = ("use_case",)) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        gauge = Gauge(f"{PREFIX}_{name}", text, ("use_case",), registry=self._registry)
        gauge.labels(self._use_case).set_function(value)


class Together(Collector):
    """Several collectors of the same metrics as one: each metric once, with the series of all."""

    def __init__(self, collectors: Iterable[Collector]) -> None:
        self._collectors = tuple(collectors)

    def collect(self) -> Iterator[Metric]:
        """Each metric with the series of all."""
        found: dict[str, Metric] = {}
        for metric in (metric for collector in self._collectors for metric in collector.collect()):
            if metric.name in found:
                found[metric.name].samples += metric.samples
            else:
                found[metric.name] = metric
        yield from found.values()
