"""What the panels show now: from Prometheus' query API, or from the exporters' own pages where there is none."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from monitoring.dashboard.panels import PANELS, Series
from monitoring.exceptions import PrometheusError

SECONDS = 3.0
Fetch = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True)
class Value:
    """One line's newest value."""

    name: str
    value: float
    bound: bool = False


@dataclass(frozen=True)
class Present:
    """Values by panel; a panel without any has no data. `source` and `problems` are sentences for the reader."""

    values: Mapping[str, Sequence[Value]]
    source: str
    problems: tuple[str, ...] = ()


async def present(use_case: str, prometheus_url: str, pages: Mapping[str, Fetch]) -> Present:
    """Every panel's values. `pages`: name -> a way to a metrics page, asked where Prometheus is not to be had."""
    problems: list[str] = []
    if prometheus_url:
        try:
            return Present(await from_prometheus(use_case, prometheus_url), f"Prometheus at {prometheus_url}")
        except PrometheusError as error:
            problems.append(f"{error}; shown is what the exporters say themselves")
    samples: list[Metric] = []
    for name, fetch in pages.items():
        try:
            samples += text_string_to_metric_families((await fetch()).decode())
        except (httpx.HTTPError, ValueError) as error:
            problems.append(f"{name} does not answer ({type(error).__name__})")
    return Present(from_metrics(use_case, samples), "the exporters", tuple(problems))


async def from_prometheus(use_case: str, url: str) -> dict[str, list[Value]]:
    """Each panel's expressions, asked of Prometheus' query API at once.

    Raises:
        PrometheusError: it does not answer, or refuses a query.
    """
    async with httpx.AsyncClient(base_url=url, timeout=SECONDS, trust_env=False) as client:
        wanted = [(panel, series) for panel in PANELS for series in panel.series]
        try:
            answers = await asyncio.gather(*(_query(client, series, use_case) for _, series in wanted))
        except (httpx.HTTPError, KeyError, ValueError, TypeError) as error:
            raise PrometheusError(f"Prometheus at {url} does not answer ({type(error).__name__})") from error
    values: dict[str, list[Value]] = {panel.key: [] for panel in PANELS}
    for (panel, _), found in zip(wanted, answers, strict=True):
        values[panel.key] += found
    return values


async def _query(client: httpx.AsyncClient, series: Series, use_case: str) -> list[Value]:
    answer = await client.get("/api/v1/query", params={"query": series.expression(use_case)})
    answer.raise_for_status()
    result = answer.json()["data"]["result"]
    pairs = [(one["metric"].get(series.by, ""), float(one["value"][1])) for one in result]
    return _values(series, pairs)


def from_metrics(use_case: str, families: Sequence[Metric]) -> dict[str, list[Value]]:
    """Each panel's values from metrics pages: the same as the expressions give, as far as one moment can."""
    mine = [s for family in families for s in family.samples if s.labels.get("use_case") == use_case]
    return {panel.key: [value for series in panel.series for value in _of(series, mine)] for panel in PANELS}


def _of(series: Series, samples: Sequence[Sample]) -> list[Value]:
    if series.quantile is not None:
        buckets: dict[float, float] = {}
        for sample in samples:
            if sample.name == f"{series.metric}_bucket":
                bound = float(sample.labels["le"])
                buckets[bound] = buckets.get(bound, 0.0) + sample.value
        found = histogram_quantile(series.quantile, buckets)
        return [] if found is None else [Value(series.name, found)]
    highest: dict[str, float] = {}
    for sample in samples:
        if sample.name == series.metric:
            label = sample.labels.get(series.by, "")
            highest[label] = max(sample.value, highest.get(label, float("-inf")))
    return _values(series, list(highest.items()))


def _values(series: Series, pairs: Sequence[tuple[str, float]]) -> list[Value]:
    return [
        Value(f"{series.name} {label}".strip(), value, series.bound) for label, value in sorted(pairs) if value == value
    ]


def histogram_quantile(quantile: float, buckets: Mapping[float, float]) -> float | None:
    """Prometheus' own estimate: linear within the bucket that holds the rank; None without observations.

    `buckets`: upper bound -> observations up to it, cumulative, +Inf included.
    """
    bounds = sorted(buckets)
    if not bounds or buckets[bounds[-1]] == 0:
        return None
    rank = quantile * buckets[bounds[-1]]
    place = next(i for i, bound in enumerate(bounds) if buckets[bound] >= rank)
    if bounds[place] == float("inf"):
        return bounds[place - 1] if place else None
    low, before = (bounds[place - 1], buckets[bounds[place - 1]]) if place else (0.0, 0.0)
    within = buckets[bounds[place]] - before
    return low + (bounds[place] - low) * ((rank - before) / within if within else 1.0)
