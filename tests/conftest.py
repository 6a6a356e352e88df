"""What holds for every test."""

import os
from pathlib import Path

import pytest

from tests.quick_java import QUICK_JAVA

# A test's home would keep a Spark of its own for minutes after it; tests of the shared Spark say so themselves.
os.environ.setdefault("LAKELOOP_SPARK_KEEP_SECONDS", "0")
os.environ.setdefault("JDK_JAVA_OPTIONS", QUICK_JAVA)

LONGEST_FIRST = (
    "e2e/test_story.py",
    "e2e/test_exercise.py",
    "platform/test_up_and_down.py",
    "dags/test_retrain_scheduled.py",
    "lakehouse/test_stream_killed.py",
    "lakehouse/test_stream_faults.py",
    "lakehouse/test_killed.py",
    "e2e/test_second_use_case.py",
    "deploy/test_start.py",
    "tfx_pipeline/test_seeds.py",
    "monitoring/test_alert_chain.py",
    "dags/test_runs.py",
    "lakehouse/test_shared_spark.py",
    "tfx_pipeline/test_pipeline.py",
    "lakehouse/test_tables.py",
    "lakehouse/test_stream.py",
    "lakehouse/test_ingest_steps.py",
    "lakehouse/test_ledger.py",
    "lakehouse/test_gold_from_requests.py",
    "lakehouse/test_bad_input.py",
)
"""Files of half a minute and more."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers take whole files in this order: none is to be left alone with a long one at the end."""
    folder = Path(__file__).parent
    places = {folder / name: place for place, name in enumerate(LONGEST_FIRST)}
    if gone := [str(path) for path in places if not path.exists()]:
        raise pytest.UsageError(f"LONGEST_FIRST in tests/conftest.py names what is not there: {', '.join(gone)}")
    items.sort(key=lambda item: places.get(item.path, len(places)))
