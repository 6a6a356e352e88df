"""A label of the next year, from a shop's files to a model that is better than the same again, and one that is not."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.gold.export import export
from lakeloop.clock import set_clock
from lakeloop.gate_check import GateCheck
from operations.delivery import generate
from operations.recorded_baselines import run_baselines
from tests.lakes import OwnLake
from tests.shops import shops_in
from tfx_pipeline.evaluation.gate import NAIVE
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord
from tfx_pipeline.runs.runner import run_pipeline

pytestmark = pytest.mark.long

YEARS = range(8)


def run_of(spark: SparkSession, home: Path, told: float) -> RunRecord:
    """A run on all years of a history; of the last one no truth is known."""
    shops = shops_in(home, len(YEARS), told=told)
    lake = OwnLake(shops.settings, shops.contract, lambda: spark)
    set_clock(lake, YEARS[-1])
    generate(lake, YEARS)
    assert lake.ingest().gold.added == 300 * (len(YEARS) - 1)
    record = run_pipeline(shops, run_parameters(shops.contract, export(lake)))
    return run_baselines(shops, record)


def naive_check(record: RunRecord) -> GateCheck:
    assert record.gate is not None
    return next(check for check in record.gate.checks if check.name == NAIVE)


def test_a_model_that_knows_more_than_now_passes_and_one_that_does_not_is_refused(
    spark: SparkSession, tmp_path: Path
) -> None:
    knows = run_of(spark, tmp_path / "knows", told=30.0)
    check, found = naive_check(knows), knows.baselines
    assert knows.blessed and check.passed and knows.pushed_version
    assert found["majority"] < found["persistence"] < check.value
    assert check.bound == f"better than {found['persistence']:.3f}, `turnover` as it is"
    assert "an answer that knows no row has" in check.note

    by_chance = run_of(spark, tmp_path / "by_chance", told=0.0)
    check = naive_check(by_chance)
    assert by_chance.blessed is False and not check.passed and not by_chance.pushed_version
    assert by_chance.gate is not None and [failed.name for failed in by_chance.gate.failed] == [NAIVE]
    assert check.value > by_chance.baselines["majority"] + 0.1, "it would have passed without what shops have now"
