"""gold/performance holds, beside what the model answered, what rows had when they were asked about."""

import pytest
from pyspark.sql import SparkSession

from lakehouse.gold.number_performance import number_rows
from lakehouse.gold.performance import performance_rows
from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from tests.use_case_copies import USE_CASES

pytestmark = pytest.mark.long

TRUTH = [("a|2010", 90.0), ("b|2010", 130.0), ("c|2010", 60.0), ("d|2010", 100.0)]


@pytest.fixture
def shops() -> Contract:
    return load_contract(USE_CASES["shops"] / "shops" / "contract.yaml")


def test_the_same_class_again_is_counted_where_the_model_answered(spark: SparkSession, shops: Contract) -> None:
    asked = [
        ("a|2010", "2010", "model", 1, "7", 0.9, 100.0),  # both are right
        ("b|2010", "2010", "model", 2, "7", 0.9, 100.0),  # the model alone
        ("c|2010", "2010", "model", 1, "7", 0.9, 70.0),  # what it had alone
        ("d|2010", "2010", "rules", 1, "7", 0.4, 100.0),  # no answer of the model's
        ("e|2010", "2010", "model", 1, "7", 0.9, 100.0),  # whose truth is not known
    ]
    requests = spark.createDataFrame(
        asked, "row_key string, year string, predictor_type string, class_id int, model_version string, "
        "confidence double, turnover double"
    )  # fmt: skip
    truth = spark.createDataFrame(TRUTH, "row_key string, turnover_ahead double")
    (row,) = performance_rows(requests, truth, shops).collect()
    assert (row["model_with_truth"], row["model_correct"], row["persistence_correct"]) == (3, 2, 2)
    assert row["persistence_accuracy"] == pytest.approx(2 / 3)
    without = shops.model_copy(update={"features": {"staff": shops.features["staff"]}})
    assert "persistence_accuracy" not in performance_rows(requests, truth, without).columns


def test_of_numbers_it_is_the_error(spark: SparkSession, shops: Contract) -> None:
    label = shops.label.model_copy(update={"classes": (), "ordered": False})
    gate = shops.gate.model_copy(update={"decides": "mean_absolute_error", "accuracy": None})
    numbers = shops.model_copy(update={"label": label, "gate": gate})
    asked = [
        ("a|2010", "2010", "model", "7", 92.0, 80.0, 99.0, 100.0),
        ("b|2010", "2010", "model", "7", 120.0, 80.0, 140.0, None),
        ("c|2010", "2010", "model", "7", 60.0, 50.0, 70.0, 90.0),
    ]
    requests = spark.createDataFrame(
        asked, "row_key string, year string, predictor_type string, model_version string, prediction double, "
        "lower double, upper double, turnover double"
    )  # fmt: skip
    truth = spark.createDataFrame(TRUTH, "row_key string, turnover_ahead double")
    (row,) = number_rows(requests, truth, numbers, {}).collect()
    assert row["model_mean_absolute_error"] == pytest.approx((2 + 10 + 0) / 3)
    assert row["persistence_mean_absolute_error"] == pytest.approx((10 + 30) / 2), "of rows that had a value"
