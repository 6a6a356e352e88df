"""Reads what StatisticsGen wrote as plain values, for pages and reports that must work offline."""

from dataclasses import dataclass
from pathlib import Path

from tensorflow_metadata.proto.v0 import statistics_pb2

from lakeloop.contract import Feature
from lakeloop.contract.columns import TIMES
from lakeloop.contract.time_features import DAY_SECONDS, value_of
from lakeloop.exceptions import NotFoundError
from tfx_pipeline.metadata.lineage.runs import RunGraph

FILE_NAME = "FeatureStats.pb"


@dataclass(frozen=True)
class FeatureStatistics:
    """One column in one split. Numeric columns have moments and a histogram, the others their commonest values."""

    name: str
    rows: int
    missing: int
    mean: float | None = None
    std: float | None = None
    minimum: float | None = None
    median: float | None = None
    maximum: float | None = None
    edges: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()
    top: tuple[tuple[str, float], ...] = ()

    @property
    def moments(self) -> tuple[float | None, ...]:
        """Mean, standard deviation, minimum, median and maximum; None for a column that is not numeric."""
        return self.mean, self.std, self.minimum, self.median, self.maximum

    def shown(self, feature: Feature | None = None) -> tuple[str, ...]:
        """The same as texts: four digits; of a date or time ISO 8601, and the deviation in days."""
        if feature is None or feature.type not in TIMES:
            return tuple("" if value is None else f"{value:.4g}" for value in self.moments)
        mean, std, *others = self.moments
        texts = ["" if value is None else value_of(feature.type, int(value)).isoformat() for value in (mean, *others)]
        return texts[0], "" if std is None else f"{std / DAY_SECONDS:.4g} days", *texts[1:]


def read_statistics(uri: str) -> dict[str, dict[str, FeatureStatistics]]:
    """Split name (train before eval) -> column name -> statistics.

    Raises:
        NotFoundError: there are no statistics at `uri`.
    """
    splits = sorted(Path(uri).glob(f"Split-*/{FILE_NAME}"))
    if not splits:
        raise NotFoundError(f"there are no statistics at {uri}; a run writes them, `lakeloop train` starts one")
    return {path.parent.name.removeprefix("Split-"): _read(path) for path in reversed(splits)}


def statistics_uri(graph: RunGraph) -> str:
    """Where the statistics of a run's rows lie; '' where it has none."""
    return next((artifact.uri for artifact in graph.artifacts if artifact.type == "ExampleStatistics"), "")


def _read(path: Path) -> dict[str, FeatureStatistics]:
    listed = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
    features = (feature for dataset in listed.datasets for feature in dataset.features)
    return {read.name: read for read in map(_feature, features)}


def _feature(feature: statistics_pb2.FeatureNameStatistics) -> FeatureStatistics:
    name = feature.path.step[0] if feature.HasField("path") else feature.name
    if feature.WhichOneof("stats") == "num_stats":
        stats = feature.num_stats
        standard = next((h for h in stats.histograms if h.type == statistics_pb2.Histogram.STANDARD), None)
        buckets = list(standard.buckets) if standard else []
        edges = [b.low_value for b in buckets] + ([buckets[-1].high_value] if buckets else [])
        return FeatureStatistics(
            name=name,
            rows=stats.common_stats.num_non_missing,
            missing=stats.common_stats.num_missing,
            mean=stats.mean,
            std=stats.std_dev,
            minimum=stats.min,
            median=stats.median,
            maximum=stats.max,
            edges=tuple(edges),
            counts=tuple(b.sample_count for b in buckets),
        )
    stats_of_strings = feature.string_stats
    return FeatureStatistics(
        name=name,
        rows=stats_of_strings.common_stats.num_non_missing,
        missing=stats_of_strings.common_stats.num_missing,
        top=tuple((value.value, value.frequency) for value in stats_of_strings.top_values),
    )
