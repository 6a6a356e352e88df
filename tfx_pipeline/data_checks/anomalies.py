"""Reads the anomalies that ExampleValidator or DistributionValidator wrote as plain values; no TensorFlow needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2

FILE_NAME = "SchemaDiff.pb"
ALL_ROWS = "all rows"


@dataclass(frozen=True)
class Anomaly:
    """One thing that is wrong with a feature (or with all rows) in a split, or between a pair of splits."""

    feature: str
    split: str
    what: str

    def __str__(self) -> str:
        return f"{self.feature} ({self.split}): {self.what}"


def read_anomalies(folder: Path) -> tuple[Anomaly, ...]:
    """What is in a validator's output, train before eval; () where nothing is wrong.

    Raises:
        FileNotFoundError: no validator has written there.
    """
    files = sorted(folder.glob(f"Split*/{FILE_NAME}"), reverse=True)
    if not files:
        raise FileNotFoundError(f"no anomalies were written in {folder}")
    return tuple(anomaly for path in files for anomaly in _of_split(path))


def anomalies_in(found: anomalies_pb2.Anomalies, split: str) -> Iterator[Anomaly]:
    """TFDV's findings on one split."""
    for key, info in sorted(found.anomaly_info.items()):
        yield Anomaly(".".join(info.path.step) or key.strip("'"), split, _what(info))
    if found.HasField("dataset_anomaly_info"):
        yield Anomaly(ALL_ROWS, split, _what(found.dataset_anomaly_info))


def _of_split(path: Path) -> Iterator[Anomaly]:
    split = path.parent.name.partition("-")[2].replace("_", " against ")
    return anomalies_in(anomalies_pb2.Anomalies.FromString(path.read_bytes()), split)


def _what(info: anomalies_pb2.AnomalyInfo) -> str:
    reasons = [(r.short_description, r.description) for r in info.reason] or [
        (info.short_description, info.description)
    ]
    return "; ".join(f"{short}: {long}" if short else long for short, long in reasons).rstrip(".")
