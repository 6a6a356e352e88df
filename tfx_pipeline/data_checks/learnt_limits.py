"""Limits of numbers for which the contract states none: as far as training rows reach, and as far again on both sides.

What lies outside is told and stops nothing: it may be a wrong unit, or only a rare case.
"""

from collections.abc import Iterator, Mapping, Sequence

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from lakeloop.contract import Contract
from tfx_pipeline.data_checks.statistics import FeatureStatistics

Statistics = Mapping[str, FeatureStatistics]
"""By column."""
OUTSIDE = "Outside of learnt limits"


def without_limits(contract: Contract) -> list[str]:
    """The numbers that may be anything by the contract."""
    return [name for name, f in contract.features.items() if f.role == "numeric" and f.valid is None]


def learnt_limits(name: str, trained: Statistics) -> tuple[float, float] | None:
    """The limits that training rows give a column; None where they say nothing of it."""
    reached = _ends(trained, name)
    if reached is None:
        return None
    lowest, highest = reached
    return lowest - (highest - lowest), highest + (highest - lowest)


def outside(names: Sequence[str], trained: Statistics, found: Statistics) -> Iterator[tuple[str, str]]:
    """Each of these columns that reaches beyond its limits, and what is to be said of it."""
    for name in names:
        limits, now, before = learnt_limits(name, trained), _ends(found, name), _ends(trained, name)
        if limits is None or now is None or before is None or (limits[0] <= now[0] and now[1] <= limits[1]):
            continue
        trained_on = f"those the model was trained on from {before[0]:g} to {before[1]:g}"
        yield name, f"values reach from {now[0]:g} to {now[1]:g}, {trained_on}"


def tell(anomalies: anomalies_pb2.Anomalies, said: Iterator[tuple[str, str]]) -> None:
    """Add what is outside to TFDV's findings."""
    for name, what in said:
        info = anomalies.anomaly_info[name]
        if not info.path.step:
            info.path.step.append(name)
        info.severity = info.severity or anomalies_pb2.AnomalyInfo.WARNING
        info.reason.add(short_description=OUTSIDE, description=what)


def unlimited_in(schema: schema_pb2.Schema) -> list[str]:
    """The numbers that may be anything by a schema."""
    return [feature.name for feature in schema.feature if _may_be_anything(feature)]


def _ends(statistics: Statistics, name: str) -> tuple[float, float] | None:
    """The lowest and the highest value of a column; None where it has none."""
    column = statistics.get(name)
    if column is None or not column.rows or column.minimum is None or column.maximum is None:
        return None
    return column.minimum, column.maximum


def _may_be_anything(feature: schema_pb2.Feature) -> bool:
    kind = feature.WhichOneof("domain_info")
    if kind not in ("float_domain", "int_domain"):
        return False
    domain = getattr(feature, kind)
    return not domain.HasField("max") and not (kind == "int_domain" and domain.is_categorical)
