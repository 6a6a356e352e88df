"""gold/clusters: which things of the contract's `clusters` are alike, made anew when there are new rows of them.

A row a thing, all of them written in one transaction whose note says what they were made of: that is also how far the
table is, so nothing has to be remembered beside it, and who is killed leaves the table as it was.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from deltalake.schema import ArrayType, PrimitiveType
from pyspark.sql import functions as sf

from lakehouse.exceptions import ClusteringError
from lakehouse.gold.cluster_identity import cluster_names, stable_ids
from lakehouse.gold.clustering import (
    Clustering,
    ThingValues,
    check_enough,
    constant_columns,
    fit,
    read_values,
    without_gaps,
)
from lakehouse.lake import Lake
from lakehouse.read.clusters import NOTE
from lakehouse.storage.commits import commits_of
from lakehouse.storage.layout import CLUSTERS
from lakehouse.storage.schema import quoted
from lakehouse.storage.small_tables import SmallTable, column, replace_rows, rows_within
from lakehouse.storage.table_log import commits_after, version_of
from lakehouse.storage.table_rows import table_at
from lakeloop.contract import Clusters, Contract
from lakeloop.lake_tables import open_lake_table, read_lake_records
from lakeloop.use_case import UseCase

SAME_ROWS = ("OPTIMIZE", "VACUUM START", "VACUUM END")
"""Operations of Delta that change no row."""


@dataclass(frozen=True)
class ClusterReport:
    """What a run of the step did. `version`: the one it wrote, None where nothing was new, or it could not be done.

    `problem`: why not, and `notices` what should be known, in sentences.
    """

    version: int | None = None
    things: int = 0
    clusters: int = 0
    silhouette: float = 0.0
    seconds: float = 0.0
    notices: tuple[str, ...] = ()
    problem: str = ""

    @property
    def sentence(self) -> str:
        """What was written."""
        return (
            f"{CLUSTERS} version {self.version}: {self.things:,} things in {self.clusters} clusters, "
            f"silhouette {self.silhouette:.2f}, {self.seconds:.1f} s"
        )


def update_clusters(lake: Lake) -> ClusterReport | None:
    """Bring gold/clusters up to date with silver; None where the contract has none, or nothing is new.

    Whoever calls it holds the home's tables.
    """
    terms = lake.contract.clusters
    if terms is None:
        return None
    source = f"silver/{lake.contract.feature_source}"
    version = version_of(lake.table(source))
    if version is None or not _is_new(lake, terms, source, version):
        return None
    began = time.monotonic()
    try:
        report = _make(lake, terms, source, version)
    except ClusteringError as error:
        return ClusterReport(problem=f"{CLUSTERS} stays as it is: {error}", seconds=time.monotonic() - began)
    return ClusterReport(**{**vars(report), "seconds": time.monotonic() - began})


def _is_new(lake: Lake, terms: Clusters, source: str, version: int) -> bool:
    """Whether the table was made of other rows, or by other words of the contract."""
    made = made_of(lake)
    if made is None or made[NOTE]["contract"] != terms.sha256:
        return True
    known = made["silver"].get(lake.contract.feature_source)
    if known is None or known > version:
        return True
    return any(commit.operation not in SAME_ROWS for commit in commits_after(lake.table(source), known))


def made_of(use_case: UseCase) -> Mapping[str, Any] | None:
    """What the newest commit that made clusters says they were made of; None: there are none yet."""
    table = open_lake_table(use_case, CLUSTERS)
    notes = [] if table is None else [commit.note for commit in commits_of(table)]
    return next((note for note in notes if NOTE in note and "silver" in note), None)


def _make(lake: Lake, terms: Clusters, source: str, version: int) -> ClusterReport:
    contract, rows = lake.contract, lake.frame(source, version)
    period = quoted(contract.period_column)
    last = rows.agg(sf.max(period)).collect()[0][0]
    if last is None:
        raise ClusteringError(f"{source} has no rows")
    newest = contract.period_number(last)  # below 0 where all rows are from before the contract's start
    first = contract.period_name(max(min(0, newest), newest - terms.periods + 1))
    counted = rows.where(sf.col(period).between(first, last))
    found = without_gaps(read_values(counted, terms), terms)
    check_enough(found, terms)
    made = fit(lake.spark, found, terms)
    ids = _ids(lake, found, made)
    table, facts = clusters_table(contract, terms), _facts(terms, made, (first, last), version)
    note = {
        "silver": {contract.feature_source: version},
        NOTE: {"contract": terms.sha256, "periods": [first, last], "things": len(found.things),
               "clusters": len(made.centres), "silhouettes": made.silhouettes},
    }  # fmt: skip
    replace_rows(lake, table, cluster_rows(terms.of, found, made, ids, facts), note=note)
    return ClusterReport(
        table_at(lake, CLUSTERS).version(),
        len(found.things),
        len(made.centres),
        made.silhouette,
        notices=tuple(_notices(found, terms)),
    )


def _ids(lake: Lake, found: ThingValues, made: Clustering) -> list[int]:
    """The clusters' ids, so that they go on with those that the table has."""
    of, former = _of_table(lake)
    known = {row[of]: row["cluster"] for row in former if row["cluster"] is not None}
    centres = {row["cluster"]: {one["column"]: one["value"] for one in row["centre"]} for row in former
               if row["cluster"] is not None}  # fmt: skip
    comparable = bool(centres) and all(set(centre) == set(found.columns) for centre in centres.values())
    distances = None
    if comparable:
        old = found.standardised(np.array([[one[name] for name in found.columns] for one in centres.values()]))
        distances = np.linalg.norm(made.centres[:, None, :] - old[None, :, :], axis=2)
    return stable_ids(found.things, made.labels, len(made.centres), known, distances, tuple(centres))


def _of_table(use_case: UseCase) -> tuple[str, Sequence[Mapping[str, Any]]]:
    """The column that names the things in the table as it is, and its rows; another contract may have made it."""
    rows = read_lake_records(use_case, CLUSTERS)
    return (next(iter(rows[0])), rows) if rows else ("", ())


def cluster_rows(
    of: str, found: ThingValues, made: Clustering, ids: Sequence[int], facts: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The table's rows: things in clusters, then those left out. `facts` stand in every row."""
    names = cluster_names(made.centres, found.columns)
    centres = [_named(found.columns, centre) for centre in made.centres * found.spread + found.mean]
    rows = [
        {
            of: thing, "cluster": ids[label], "name": names[label], "distance": float(distance), "left_out": "",
            "imputed": list(found.imputed.get(thing, ())), "values": _named(found.columns, values),
            "centre": centres[label], **facts,
        }
        for thing, label, distance, values in zip(
            found.things, made.labels.tolist(), made.distances, found.values, strict=True
        )
    ]  # fmt: skip
    nothing: dict[str, Any] = {"cluster": None, "name": "", "distance": None, "imputed": [], "values": [], "centre": []}
    return rows + [{of: thing, **nothing, "left_out": why, **facts} for thing, why in sorted(found.left_out.items())]


def _named(columns: Sequence[str], values: np.ndarray) -> list[dict[str, Any]]:
    return [{"column": name, "value": float(value)} for name, value in zip(columns, values, strict=True)]


def _facts(terms: Clusters, made: Clustering, periods: tuple[str, str], version: int) -> dict[str, Any]:
    return {
        "clusters": len(made.centres),
        "silhouette": made.silhouette,
        "first": periods[0],
        "last": periods[1],
        "silver_version": version,
        "contract_sha256": terms.sha256,
    }


def _notices(found: ThingValues, terms: Clusters) -> list[str]:
    said = [f"`{name}` is the same for all of `{terms.of}`, and tells none apart" for name in constant_columns(found)]
    for what, some in (("left out: ", found.left_out), ("with the mean of all for what is missing: ", _gaps(found))):
        if some:
            thing, why = next(iter(sorted(some.items())))
            more = ", …" if len(some) > 1 else ""
            said.append(f"{len(some):,} of `{terms.of}` {what}{thing}, {why}{more}")
    return said


def _gaps(found: ThingValues) -> dict[str, str]:
    return {thing: ", ".join(f"`{name}`" for name in names) for thing, names in found.imputed.items()}


def clusters_table(contract: Contract, terms: Clusters) -> SmallTable:
    """The table of a contract. All columns may be null: where others are named, they are added before its rows go."""
    values = rows_within(column="string", value="double")
    columns = (
        (terms.of, "string", "what is clustered"),
        ("cluster", "integer", "number of its cluster, the same as long as that is; null: left out"),
        ("name", "string", "what is special of the cluster: columns that lie off the mean of all, the furthest first"),
        ("distance", "double", "from the centre of its cluster, in standard deviations"),
        ("left_out", "string", "why it is in no cluster; empty: it is in one"),
        ("imputed", ArrayType(PrimitiveType("string")), "columns without a value, which got the mean of all"),
        ("values", values, "means over its rows, in the columns' units"),
        ("centre", values, "the same of its cluster"),
        ("clusters", "integer", "number of clusters"),
        ("silhouette", "double", "how well all of them lie in their clusters: 1 well, 0 between two, below in another"),
        ("first", "string", f"first {contract.period} of the rows"),
        ("last", "string", f"last {contract.period} of the rows"),
        ("silver_version", "long", f"version of silver/{contract.feature_source} the rows are from"),
        ("contract_sha256", "string", "hash of the contract's section `clusters`"),
    )  # fmt: skip
    return SmallTable(
        CLUSTERS,
        tuple(column(name, kind, comment, nullable=True) for name, kind, comment in columns),
        key=(terms.of,),
        comment=f"{contract.title}: which {terms.of} are alike",
    )
