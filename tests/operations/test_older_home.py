"""A whole home that an earlier release left goes on: what it holds is read, and the next file, answer and retrain come.

`older_home.tar.gz` was made by commit 8cf8e14, before migrations, periods and records of retrains: month 0 delivered,
taken in and exported, month 1 asked and not streamed yet, one segment switched off.
"""

import tarfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.gold.export import finished_export
from lakehouse.requests.stream import stream
from lakeloop.clock import read_clock
from lakeloop.decision_table import read_decisions
from lakeloop.events import open_events
from lakeloop.manifest import read_manifest
from lakeloop.switches import active_switches
from operations.delivery import generate
from operations.retraining.record_table import load_record
from operations.retraining.request import RetrainRequest, Workplace
from operations.retraining.retrain import retrain
from operations.retraining.undecided import undecided
from operations.simulation import advance
from tests.lakes import OwnLake, own_lake
from tests.operations.retraining.test_record_table import BEGUN, PLAN, older_home

pytestmark = pytest.mark.long

OLDER_HOME = Path(__file__).with_name("older_home.tar.gz")


@pytest.fixture
def older(spark: SparkSession, tmp_path: Path) -> OwnLake:
    with tarfile.open(OLDER_HOME) as archive:
        archive.extractall(tmp_path, filter="data")
    lake = own_lake(spark, tmp_path / "home")
    older_home(lake.settings, {"begun": BEGUN, "plan": PLAN})
    return lake


def test_a_home_of_an_earlier_release_is_read_and_goes_on(older: OwnLake) -> None:
    assert read_clock(older).period == 1
    assert len(older.rows("gold/training")) == 1500 and older.rows("gold/monthly")["labelled"].tolist() == [1500]
    assert read_manifest(finished_export(older, 1) or Path()).rows == 1500
    assert [switch.segment for switch in active_switches(older)] == ["age<20"]
    assert [event.payload["rows"] for event in open_events(older)] == [1500]
    ((failed, state),) = undecided(older, [])
    assert (failed.request.periods, failed.plan is not None, state) == ((0, 12), True, "failed")

    assert stream(older).inserted == 1500
    generate(older, [1], sources=["policies"])
    advance(older, 25)
    report = older.ingest()
    assert report.gold is not None and "2023-02" in report.gold.periods
    assert len(older.rows("gold/training")) == 3000 and older.rows("gold/performance")["with_truth"].sum() == 1500

    work = Workplace(older, lambda _: nullcontext(older.spark))
    made = retrain(work, RetrainRequest("keep", decided_by="me"))
    assert made is not None and made.outcome == "kept" and len(made.event_ids) == 2
    assert read_decisions(older) == [made] and load_record(older, made.decision_id).state == "recorded"
    assert open_events(older) == ()
