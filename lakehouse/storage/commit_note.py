"""What a commit says of where its rows came from, in its own words: JSON in Delta's user metadata."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"


@contextmanager
def commit_note(spark: "SparkSession", note: Mapping[str, Any]) -> Iterator[None]:
    """Every commit made meanwhile by this session carries the note; lineage reads it."""
    spark.conf.set(USER_METADATA, json.dumps(note, sort_keys=True))
    try:
        yield
    finally:
        spark.conf.unset(USER_METADATA)


def note_of(commit: Mapping[str, Any]) -> dict[str, Any]:
    """The note of a commit as delta-rs lists it; {} where there is none, or one of somebody else's."""
    try:
        note = json.loads(commit.get("userMetadata") or "{}")
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}


def read_note(spark: "SparkSession") -> Mapping[str, Any] | None:
    """The note that commits of this session carry at the moment, for who commits without Spark."""
    note = spark.conf.get(USER_METADATA, None)
    return None if note is None else json.loads(note)
