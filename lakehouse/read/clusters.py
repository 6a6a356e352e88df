"""gold/clusters as people ask for it: the clusters themselves, as they are or were; read without Spark."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from lakehouse.read.as_of import Point
from lakehouse.read.tables import open_table
from lakehouse.storage.commits import commits_of
from lakehouse.storage.layout import CLUSTERS
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import dataset_of, has_lake_table
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    from deltalake import DeltaTable

NOTE = "clusters"
"""What of a commit's note is about clusters."""


@dataclass(frozen=True)
class Cluster:
    """One cluster with its things. `centre`: its values in the columns' units; `deviations`: how many standard
    deviations these lie from the mean of all things.
    """

    number: int
    name: str
    things: tuple[str, ...]
    centre: Mapping[str, float]
    deviations: Mapping[str, float]


@dataclass(frozen=True)
class ClusterOfThing:
    """Where a thing stands in a version of the table. `of` is the column that names it; `cluster` None: left out."""

    of: str
    cluster: int | None
    name: str
    distance: float | None
    left_out: str
    periods: tuple[str, str]
    silver_version: int


@dataclass(frozen=True)
class FoundClusters:
    """A version of the table. `of` is the column that names the things, `periods` the first and last that counted.

    `left_out`: things in no cluster, with the reason.
    """

    version: int
    of: str
    periods: tuple[str, str]
    silhouette: float
    silver_version: int
    clusters: tuple[Cluster, ...]
    left_out: Mapping[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        """What things were compared by."""
        return tuple(self.clusters[0].centre)


def read_clusters(use_case: UseCase, version: int | None = None, point: Point | None = None) -> FoundClusters:
    """The clusters of a version (None: the newest), or those that were known at a point in time.

    Raises:
        NotFoundError: there are none, no such version, or none yet at that point; or its files were vacuumed.
    """
    if not has_lake_table(use_case, CLUSTERS):
        remedy = (
            f"its contract has no `clusters`; `{use_case.name}` is not clustered"
            if use_case.contract.clusters is None
            else "`lakeloop lake ingest` makes it when there are rows, and says so where it cannot"
        )
        raise NotFoundError(f"there is no {CLUSTERS} in use case {use_case.name}: {remedy}")
    table = open_table(use_case, CLUSTERS, _version_at(use_case, point) if point is not None else version)
    return _found(table.version(), _rows(table))


def _rows(table: "DeltaTable") -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = dataset_of(table).to_table().to_pylist()
    except FileNotFoundError as gone:
        raise NotFoundError(f"version {table.version()} of {CLUSTERS} was vacuumed: its rows are gone") from gone
    if not rows:
        raise NotFoundError(f"version {table.version()} of {CLUSTERS} has no rows; the first clusters came after it")
    return rows


def cluster_of(use_case: UseCase, version: int, thing: str) -> ClusterOfThing:
    """Where a thing stands in a version of the table; raises as `read_clusters`, or where it has no such thing."""
    rows = _rows(open_table(use_case, CLUSTERS, version))
    of = next(iter(rows[0]))
    row = next((row for row in rows if row[of] == thing), None)
    if row is None:
        known = ", ".join(str(row[of]) for row in rows[:3])
        raise NotFoundError(f"{CLUSTERS} version {version} has no {of} {thing!r}; it has {known}, …")
    return ClusterOfThing(
        of, row["cluster"], row["name"], row["distance"], row["left_out"], (row["first"], row["last"]),
        row["silver_version"],
    )  # fmt: skip


def _version_at(use_case: UseCase, point: Point) -> int:
    """The newest version of that moment; by a simulated clock the newest made of no later period."""
    for commit in commits_of(open_table(use_case, CLUSTERS)):
        made = commit.note.get(NOTE)
        if made and (commit.at <= point if isinstance(point, datetime) else made["periods"][1] <= point):
            return commit.version
    raise NotFoundError(f"there was no version of {CLUSTERS} yet at {point}; `lakeloop lake history {CLUSTERS}` lists "
                        "them")  # fmt: skip


def _found(version: int, rows: list[dict[str, Any]]) -> FoundClusters:
    of, one = next(iter(rows[0])), rows[0]
    inside = [row for row in rows if row["cluster"] is not None]
    values = np.array([[each["value"] for each in row["values"]] for row in inside])
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1)
    clusters = []
    for number in sorted({row["cluster"] for row in inside}):
        members = [row for row in inside if row["cluster"] == number]
        centre = {each["column"]: each["value"] for each in members[0]["centre"]}
        off = (np.array(list(centre.values())) - mean) / np.where(spread == 0, np.inf, spread)
        things = tuple(row[of] for row in members)
        clusters.append(
            Cluster(number, members[0]["name"], things, centre, dict(zip(centre, off.tolist(), strict=True)))
        )
    return FoundClusters(
        version,
        of,
        (one["first"], one["last"]),
        one["silhouette"],
        one["silver_version"],
        tuple(clusters),
        {row[of]: row["left_out"] for row in rows if row["cluster"] is None},
    )
