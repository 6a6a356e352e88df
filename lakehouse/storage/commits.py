"""A table's commits as Delta's log has them, and the note in them: what Lakeloop says of where their rows came from."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import SparkSession

USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"


@dataclass(frozen=True)
class Commit:
    """One version of a table, made at `at` (UTC) by an operation as Delta calls it.

    `rows` is what it wrote, changed or removed, where that is not 0, by Spark's name for it, e.g. `numOutputRows`.
    `overwrote`: instead of what was there. `note` is {} where nothing was noted, or by somebody else.
    """

    version: int
    at: datetime
    operation: str
    overwrote: bool
    rows: Mapping[str, int]
    note: Mapping[str, Any]

    def count(self, name: str) -> int:
        """One of `rows`; 0 where the operation has none of that name."""
        return self.rows.get(name, 0)


def commits_of(table: "DeltaTable", most: int | None = None) -> list[Commit]:
    """The commits that a table's log still knows, or only the newest of them; newest first."""
    found = [
        Commit(
            int(commit["version"]),
            datetime.fromtimestamp(commit["timestamp"] / 1000, UTC),
            commit.get("operation", ""),
            commit.get("operationParameters", {}).get("mode") == "Overwrite",
            _row_counts(commit.get("operationMetrics") or {}),
            _note(commit.get("userMetadata") or "{}"),
        )
        for commit in table.history(most)
    ]
    return sorted(found, key=lambda commit: -commit.version)


@contextmanager
def commit_note(spark: "SparkSession", note: Mapping[str, Any]) -> Iterator[None]:
    """Every commit made meanwhile by this session carries the note; lineage reads it."""
    spark.conf.set(USER_METADATA, json.dumps(note, sort_keys=True))
    try:
        yield
    finally:
        spark.conf.unset(USER_METADATA)


def _note(text: str) -> Mapping[str, Any]:
    try:
        note = json.loads(text)
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}


def _row_counts(metrics: Mapping[str, Any]) -> dict[str, int]:
    """Spark writes texts, delta-rs numbers and names in its own spelling."""
    counts = {_as_spark_names(name): str(value) for name, value in metrics.items()}
    return {name: int(value) for name, value in counts.items() if "Rows" in name and value.isdigit() and value != "0"}


def _as_spark_names(name: str) -> str:
    """`num_output_rows` as `numOutputRows`."""
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
