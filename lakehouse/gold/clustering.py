"""Clusters of things that are alike: means of their rows, standardised, and k-means of Spark MLlib.

Spark reads the rows and fits; what comes between, a row a thing, is small and worked on with numpy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf

from lakehouse.exceptions import ClusteringError
from lakehouse.storage.schema import quoted
from lakeloop.contract import Clusters

MOST_THINGS, MOST_COLUMNS = 200_000, 200
STARTS = 4
"""K-means ends where it began well: of so many beginnings the one with the least squared distances is taken."""
MOST_ITERATIONS, TOLERANCE = 100, 1e-6


@dataclass(frozen=True)
class ThingValues:
    """What things are compared by: `values` (things, columns), in their units, NaN where a thing has none.

    `things` are sorted; those of `left_out` are none of them, and have a sentence why. `imputed`: of a thing the
    columns whose gap got the mean of the others.
    """

    things: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    left_out: Mapping[str, str]
    imputed: Mapping[str, tuple[str, ...]]

    @property
    def mean(self) -> np.ndarray:
        """Of each column, over all things."""
        return np.asarray(self.values.mean(axis=0))

    @property
    def spread(self) -> np.ndarray:
        """The standard deviation of each column, as Spark's StandardScaler has it; 0 of a constant one."""
        return np.asarray(self.values.std(axis=0, ddof=1))

    def standardised(self, values: np.ndarray) -> np.ndarray:
        """Values (…, columns) in standard deviations from the mean of all things; 0 in a constant column."""
        return np.asarray((values - self.mean) / np.where(self.spread == 0, np.inf, self.spread))


@dataclass(frozen=True)
class Clustering:
    """Clusters as k-means found them, by numbers of no meaning: `labels` (things,), `centres` (clusters, columns).

    `centres`, `distances` (things,) are in standard deviations from the mean of all things. `silhouette` is the best
    of `silhouettes`, of each number of clusters that was tried.
    """

    labels: np.ndarray
    centres: np.ndarray
    distances: np.ndarray
    silhouette: float
    silhouettes: Mapping[int, float]


def thing_means(rows: DataFrame, terms: Clusters) -> tuple[DataFrame, tuple[str, ...]]:
    """A row a thing: its name, and the means `_0`, `_1`, … of the columns whose names are given beside it.

    Raises:
        ClusteringError: the pivot makes more than MOST_COLUMNS columns.
    """
    means: dict[str, Column] = {name: sf.avg(_number(name)) for name in terms.columns}
    if terms.pivot is not None:
        by = sf.col(quoted(terms.pivot.by)).cast("string")
        found = rows.where(by.isNotNull()).select(by.alias("by")).distinct().limit(MOST_COLUMNS + 1)
        for value in sorted(row[0] for row in found.collect()):
            means |= {f"{name} of {value}": sf.avg(sf.when(by == value, _number(name))) for name in terms.pivot.columns}
    if len(means) > MOST_COLUMNS:
        what = "" if terms.pivot is None else f"; a category of fewer values than `{terms.pivot.by}`"
        raise ClusteringError(f"things would be compared by more than {MOST_COLUMNS} columns: take fewer{what}")
    thing = sf.col(quoted(terms.of)).cast("string")
    numbered = [mean.alias(f"_{place}") for place, mean in enumerate(means.values())]
    return rows.where(thing.isNotNull()).groupBy(thing.alias("thing")).agg(*numbered), tuple(means)


def _number(name: str) -> Column:
    column = sf.col(quoted(name)).cast("double")
    return sf.when(sf.isnan(column), None).otherwise(column)


def read_values(rows: DataFrame, terms: Clusters) -> ThingValues:
    """The means of all things, with gaps.

    Raises:
        ClusteringError: there are more things than MOST_THINGS, or columns than MOST_COLUMNS.
    """
    means, columns = thing_means(rows, terms)
    table = means.limit(MOST_THINGS + 1).toArrow().sort_by("thing")
    if table.num_rows > MOST_THINGS:
        raise ClusteringError(f"`{terms.of}` names more than {MOST_THINGS:,} things; cluster by what is coarser")
    values = np.column_stack([table[f"_{place}"].to_numpy().astype(float) for place in range(len(columns))])
    return ThingValues(tuple(table["thing"].to_pylist()), columns, values, {}, {})


def without_gaps(found: ThingValues, terms: Clusters) -> ThingValues:
    """Things without a value left out, or with the mean of the others in its place, as the contract says.

    Raises:
        ClusteringError: no thing has a value of a column.
    """
    missing = np.isnan(found.values)
    if nowhere := [name for name, none in zip(found.columns, missing.all(axis=0), strict=True) if none]:
        raise ClusteringError(f"`{nowhere[0]}` has no value in the rows that count; leave it out of `clusters`")
    gaps = {
        thing: tuple(name for name, gap in zip(found.columns, row, strict=True) if gap)
        for thing, row in zip(found.things, missing, strict=True)
        if row.any()
    }
    if terms.missing == "mean":
        return replace(found, values=np.where(missing, np.nanmean(found.values, axis=0), found.values), imputed=gaps)
    kept = ~missing.any(axis=1)
    things = tuple(thing for thing in found.things if thing not in gaps)
    why = {thing: f"it has no value of {_listed(names)}" for thing, names in gaps.items()}
    return replace(found, things=things, values=found.values[kept], left_out=why)


def constant_columns(found: ThingValues) -> tuple[str, ...]:
    """The columns that have one value for all things, and so tell none apart."""
    return tuple(name for name, column in zip(found.columns, found.values.T, strict=True) if len(set(column)) == 1)


def check_enough(found: ThingValues, terms: Clusters) -> None:
    """Raises ClusteringError where there are fewer things that differ than clusters are asked for."""
    most, things = terms.counts[-1], len(found.things)
    if things <= most:
        out = f", and {len(found.left_out):,} were left out for a missing value" if found.left_out else ""
        raise ClusteringError(f"{things:,} of `{terms.of}` are too few for {most} clusters: more than {most} are "
                              f"needed{out}; lower `clusters.count`, or take more `periods`")  # fmt: skip
    different = len(np.unique(found.values, axis=0))
    if different < most:
        raise ClusteringError(f"the {things:,} of `{terms.of}` have only {different} different values, too few for "
                              f"{most} clusters; lower `clusters.count`, or compare by more columns")  # fmt: skip


def fit(spark: SparkSession, found: ThingValues, terms: Clusters) -> Clustering:
    """K-means of standardised values without gaps; of several counts that with the best silhouette.

    The same values and seed give the same clusters.
    """
    from pyspark.ml.clustering import KMeans
    from pyspark.ml.evaluation import ClusteringEvaluator
    from pyspark.ml.feature import StandardScaler, VectorAssembler

    names, values = [f"_{place}" for place in range(len(found.columns))], found.values
    rows = spark.createDataFrame(pa.table({"place": np.arange(len(values)), **dict(zip(names, values.T, strict=True))}))
    raw = VectorAssembler(inputCols=names, outputCol="raw").transform(rows.coalesce(1)).select("place", "raw")
    scaler = StandardScaler(inputCol="raw", outputCol="features", withMean=True, withStd=True).fit(raw)
    scaled = scaler.transform(raw).select("place", "features").cache()
    try:
        tried, silhouettes = {}, {}
        for count in terms.counts:
            models = [
                KMeans(k=count, seed=terms.seed + start, maxIter=MOST_ITERATIONS, tol=TOLERANCE).fit(scaled)
                for start in range(STARTS)
            ]
            tried[count] = min(models, key=lambda one: one.summary.trainingCost)
            silhouettes[count] = float(ClusteringEvaluator().evaluate(tried[count].transform(scaled)))
        chosen = max(silhouettes, key=lambda count: silhouettes[count])
        best = tried[chosen]
        told = best.transform(scaled).select("place", "prediction").toArrow().sort_by("place")
    finally:
        scaled.unpersist()
    labels, centres = told["prediction"].to_numpy(), np.array(best.clusterCenters())
    distances = np.linalg.norm(found.standardised(values) - centres[labels], axis=1)
    return Clustering(labels, centres, distances, silhouettes[chosen], silhouettes)


def _listed(names: Sequence[str]) -> str:
    """Some names in code's quotes."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"`{name}`" for name in names[:3]) + more
