"""What was only asked through the gateway becomes training data and performance when its ground truth comes."""

from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.requests.stream import stream
from tests.lakehouse.request_log import by_rules, log_file, record
from tests.lakes import HEADER, OwnLake, own_lake, policy

pytestmark = pytest.mark.long

MARCH = "2023-03-10T12:00:00+00:00"


def counts(performance: pd.DataFrame, month: str, version: str) -> list[Any]:
    row = performance.set_index(["month", "model_version"]).loc[(month, version)]
    return row[["answered", "rules", "with_truth", "correct"]].tolist()


class Gold:
    """The gold tables of a lake as they were at one moment."""

    def __init__(self, lake: OwnLake) -> None:
        self.training = lake.rows("gold/training").set_index("policy_id")
        self.performance = lake.rows("gold/performance")
        self.monthly = lake.rows("gold/monthly").set_index("month")


@pytest.fixture(scope="module")
def moments(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Gold]:
    lake = own_lake(spark, tmp_path_factory.mktemp("gold"))
    log_file(lake, "w-1", [
        record("a", "K1", at="2023-02-10T12:00:00+00:00"),
        record("b", "K1", {"age": 50.0}, at=MARCH),
        record("c", "K1", {"age": 60.0}, at="2023-01-10T12:00:00+00:00"),
        by_rules("d", "K2", at=MARCH),
        record("e", None, {"age": 20.0}, at=MARCH, prediction="high", class_id=0, probabilities=[0.9, 0.05, 0.05]),
    ])  # fmt: skip
    stream(lake)
    lake.deliver("claims", "claims-2023-02.csv", "policy_id;risk\nK1;0.5\n")
    lake.ingest()
    found = {"first truth": Gold(lake)}
    log_file(lake, "w-2", [record("f", "K1", {"age": 70.0}, at="2023-02-20T12:00:00+00:00")])
    stream(lake)
    lake.deliver("claims", "claims-2023-03.csv", "policy_id;risk\nK2;5\n")
    lake.deliver("policies", "policies-2023-04.csv", HEADER + policy("2023-04", 0, {"policy_id": "K1", "age": "33"}))
    lake.ingest()
    found["more truth"] = Gold(lake)
    assert not lake.ingest().changed
    log_file(lake, "w-3", [record("g", "K1", at="2023-02-21T12:00:00+00:00")])
    stream(lake)
    assert lake.ingest().changed  # no row of training, but one more answer in gold/performance
    return found


def test_a_key_that_nobody_delivered_gets_the_features_of_its_newest_request(moments: dict[str, Gold]) -> None:
    training = moments["first truth"].training
    assert training[["month", "age", "group_name"]].to_dict("index") == {
        "K1": {"month": "2023-03", "age": 50.0, "group_name": "low"}
    }


def test_delivered_features_take_the_place_of_asked_ones_also_in_another_month(moments: dict[str, Gold]) -> None:
    training = moments["more truth"].training
    assert training[["month", "age", "group_name"]].to_dict("index") == {
        "K1": {"month": "2023-04", "age": 33.0, "group_name": "low"},
        "K2": {"month": "2023-03", "age": 41.5, "group_name": "high"},
    }


def test_performance_counts_what_is_known_and_follows_the_truth(moments: dict[str, Gold]) -> None:
    first, more = moments["first truth"].performance, moments["more truth"].performance
    assert len(first) == len(more) == 4
    for month, version, before, after in [
        ("2023-01", "7", [1, 0, 1, 1], [1, 0, 1, 1]),
        ("2023-02", "7", [1, 0, 1, 1], [2, 0, 2, 2]),
        ("2023-03", "7", [2, 0, 1, 1], [2, 0, 1, 1]),
        ("2023-03", "", [1, 1, 0, 0], [1, 1, 1, 0]),
    ]:
        assert (counts(first, month, version), counts(more, month, version)) == (before, after), month


def test_accuracy_is_empty_without_truth_and_confidence_where_no_model_was_asked(moments: dict[str, Gold]) -> None:
    rows = {name: gold.performance.set_index(["month", "model_version"]) for name, gold in moments.items()}
    asked, rules = rows["first truth"].loc[("2023-03", "7")], rows["first truth"].loc[("2023-03", "")]
    assert (asked["accuracy"], asked["rules_share"]) == (1.0, 0.0)
    assert asked["mean_confidence"] == pytest.approx(0.8)
    assert rules["rules_share"] == 1.0 and pd.isna(rules["accuracy"]) and pd.isna(rules["mean_confidence"])
    assert rows["more truth"].loc[("2023-03", ""), "accuracy"] == 0.0


def test_a_month_s_averages_are_over_what_was_delivered_and_asked_in_it(moments: dict[str, Gold]) -> None:
    monthly = moments["more truth"].monthly
    assert monthly["rows"].to_dict() == {"2023-01": 1, "2023-02": 1, "2023-03": 3, "2023-04": 1}
    assert monthly.loc["2023-03", "age_mean"] == pytest.approx((50 + 41.5 + 20) / 3)
    assert monthly.loc["2023-02", "age_mean"] == 70.0
    assert monthly["labelled"].to_dict() == {"2023-01": 0, "2023-02": 0, "2023-03": 1, "2023-04": 1}
