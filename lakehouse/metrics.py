"""What Delta tells about a table's commits."""

from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from lakehouse.layout import list_folder


@dataclass(frozen=True)
class MergeCounts:
    """Rows a MERGE changed."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


def merge_counts(result: DataFrame) -> MergeCounts:
    """Counts from what `merge(…).execute()` returns."""
    row = result.collect()[0]
    return MergeCounts(row["num_inserted_rows"], row["num_updated_rows"], row["num_deleted_rows"])


def last_operation(table: DeltaTable) -> dict[str, str]:
    """Metrics of the newest commit, e.g. `numOutputRows`."""
    return dict(table.history(1).select("operationMetrics").collect()[0][0])


def table_version(spark: SparkSession, path: str) -> int:
    """The newest version of the table at `path`: the highest commit file in its log. No Spark job is needed."""
    names = [str(status.getPath().getName()) for status in list_folder(spark, f"{path}/_delta_log")]
    return max(int(name.removesuffix(".json")) for name in names if name.endswith(".json") and name[:20].isdigit())
