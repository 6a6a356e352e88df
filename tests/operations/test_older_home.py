"""A whole home that an earlier release left goes on: what it holds is read, and the next file, answer and retrain come.

`older_home.tar.gz` was made by commit 8cf8e14, before migrations, periods and records of retrains: month 0 delivered,
taken in and exported, month 1 asked and not streamed yet, one segment switched off.

`older_home_with_models.tar.xz` was made by commit 0b2980a, before the tree of today: month 0 trained a model, which
answered month 9; its drift was judged, and a retrain put a second one in its place. Both lie elsewhere than where made.
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
from lakeloop.settings import load_settings
from lakeloop.switches import active_switches
from lakeloop.use_case import open_use_case
from operations.delivery import generate
from operations.retraining.record_table import load_record
from operations.retraining.request import RetrainRequest, Workplace
from operations.retraining.retrain import retrain
from operations.retraining.undecided import undecided
from operations.simulation import advance
from tests.command_line import lakeloop_in
from tests.lakes import OwnLake, own_lake
from tests.operations.retraining.test_record_table import BEGUN, PLAN, older_home
from tfx_pipeline.metadata.store import pushed_models

pytestmark = pytest.mark.long

OLDER_HOME = Path(__file__).with_name("older_home.tar.gz")
WITH_MODELS = Path(__file__).with_name("older_home_with_models.tar.xz")
FIRST, SECOND, DECISION = "1795986870", "1795987158", "20261129T211824-8315"


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


def test_models_drift_and_decisions_of_an_earlier_release_go_on(
    tmp_path: Path,
) -> None:
    with tarfile.open(WITH_MODELS) as archive:
        archive.extractall(tmp_path, filter="data")
    lakeloop = lakeloop_in(tmp_path / "home")

    def said(*words: object) -> str:
        ended = lakeloop(*words)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    assert f"promoted reweight as {SECOND}" in said("decisions", "list")
    assert "0.8924 pass" in said("decisions", "show", DECISION)
    assert "*0.1501" in said("drift") and FIRST in said("performance")
    assert "accuracy_month  " in said("validate", "--period", 0) and "0.8800" in said("validate", "--period", 0)
    assert "pipeline run 20261129T211842-1de3" in said("lineage", "model", SECOND)

    trained = lakeloop("train", "--periods", 0, "--set", "epochs=3")
    assert trained.returncode == 3, trained.stdout + trained.stderr
    assert "(champion 0.891)" in trained.stdout and "better_than_naive" in trained.stdout

    asked = open_use_case(load_settings(home=tmp_path / "home", use_case="insurance"))
    assert [push.version for push in pushed_models(asked)] == [FIRST, SECOND]
    assert all(push.folder.is_dir() and push.folder.is_relative_to(tmp_path) for push in pushed_models(asked))
