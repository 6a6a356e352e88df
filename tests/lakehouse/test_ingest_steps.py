"""An ingest in three steps, and the event that new ground truth becomes."""

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.ingest import bronze_step, gold_step, silver_step
from lakehouse.storage.maintenance import optimize
from lakeloop.events import all_events
from lakeloop.landing_files import Arrivals, landed_files, read_known
from tests.lakes import HEADER, OwnLake, claims, own_lake, policy


def patterns(lake: OwnLake) -> dict[str, str]:
    return {name: source.file_pattern.pattern for name, source in lake.contract.sources.items()}


@pytest.mark.long
def test_three_steps_do_what_one_ingest_does(lake: OwnLake, spark: SparkSession, tmp_path: Path) -> None:
    other = own_lake(spark, tmp_path / "other")
    for each in (lake, other):
        each.deliver("policies", "policies-2023-01.csv", HEADER + "".join(policy("2023-01", i) for i in range(5)))
        each.deliver("claims", "claims-2023-01.csv", claims("2023-01", 4, 2))
        each.deliver("claims", "claims-2023-02.csv", "nothing of this kind\n")
    bronze, silver, gold = bronze_step(lake), silver_step(lake), gold_step(lake)
    whole = other.ingest()
    assert bronze.refused == whole.refused and len(bronze.refused) == 1
    assert [s.bronze_rows for s in bronze.sources] == [s.bronze_rows for s in whole.sources]
    assert [s.silver_inserted for s in silver.sources] == [s.silver_inserted for s in whole.sources]
    assert (gold.gold.version, gold.gold.added) == (whole.gold.version, whole.gold.added)
    assert lake.versions() == other.versions()
    key = lake.contract.key.column
    tables = [each.rows("gold/training").sort_values(key, ignore_index=True) for each in (lake, other)]
    assert tables[0].equals(tables[1]) and len(tables[0]) > 0
    before = lake.versions()
    assert not any(step(lake).changed for step in (bronze_step, silver_step, gold_step))
    assert lake.versions() == before


def test_what_was_looked_at_is_known_without_spark(lake: OwnLake) -> None:
    lake.deliver("policies", "policies-2023-01.csv", HEADER + policy("2023-01", 0))
    lake.deliver("claims", "claims-2023-01.csv", "refused\n")
    landing = lake.folder("landing")
    found = landed_files(landing, patterns(lake))
    assert Arrivals(0, 300).look(found, read_known(landing), (), 0) == sorted(found, reverse=True)
    bronze_step(lake)
    assert Arrivals(0, 300).look(found, read_known(landing), (), 0) == []
    lake.deliver("claims", "claims-2023-02.csv", claims("2023-02", 1))
    found = landed_files(landing, patterns(lake))
    assert Arrivals(0, 300).look(found, read_known(landing), (), 0) == ["claims/claims-2023-02.csv"]


def test_new_truth_becomes_one_event_and_the_same_truth_none(lake: OwnLake) -> None:
    lake.deliver("policies", "policies-2023-01.csv", HEADER + policy("2023-01", 0) + policy("2023-01", 1))
    assert lake.ingest().new_truth is None  # features alone
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", 4, 2))
    first = lake.ingest().new_truth
    assert first is not None and first.kind == "ground_truth"
    version = lake.versions()["gold/training"]
    assert first.payload == {
        "table": "gold/training", "version": version, "rows": 2, "since": None, "new_rows": 2, "corrected_rows": 0,
        "months": ["2023-01"],
    }  # fmt: skip
    assert lake.ingest().new_truth is None
    optimize(lake)
    assert lake.ingest().new_truth is None
    lake.deliver("claims", "claims-2023-01.v2.csv", claims("2023-01", 4, 0))
    corrected = lake.ingest().new_truth
    assert corrected is not None and corrected.payload["since"] == version
    assert (corrected.payload["new_rows"], corrected.payload["corrected_rows"]) == (0, 1)


def test_an_event_that_was_not_written_is_written_by_the_next_ingest(
    lake: OwnLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ingest died after gold was written and before the ledger was."""
    lake.deliver("policies", "policies-2023-01.csv", HEADER + policy("2023-01", 0))
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", 4))

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lakehouse.ingest.record_new_truth", dies)
        with pytest.raises(KeyboardInterrupt):
            lake.ingest()
    assert all_events(lake) == ()
    report = lake.ingest()
    assert not report.changed and report.new_truth is not None and report.new_truth.payload["new_rows"] == 1


def test_an_ingest_of_airflow_sends_the_event_itself(lake: OwnLake) -> None:
    """The outbox leaves it alone for a minute, and then asks Airflow first."""
    run = replace(lake, settings=lake.settings.model_copy(update={"airflow_run_id": "manual__1"}))
    lake.deliver("policies", "policies-2023-01.csv", HEADER + policy("2023-01", 0))
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", 4))
    for step in (bronze_step, silver_step, gold_step):
        step(run)
    (event,) = all_events(lake)
    assert event.attempts == 1 and not event.delivered_at
