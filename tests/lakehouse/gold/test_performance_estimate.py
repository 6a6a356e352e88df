"""gold/performance holds, beside what was realised, what calibrated confidence lets expect."""

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.gold.build import update_estimates
from lakehouse.gold.calibration import CalibrationRow, calibrated_versions, periods_to_estimate, write_calibrations
from lakehouse.requests.stream import stream
from tests.lakehouse.request_log import by_rules, log_file, record
from tests.lakes import OwnLake, own_lake

pytestmark = pytest.mark.long

FEBRUARY, MARCH = "2023-02-10T12:00:00+00:00", "2023-03-10T12:00:00+00:00"
KNOTS = (0.0, 0.4, 1.0)  # straight from 0 to .4 at confidence .5, then to 1
SEVEN = CalibrationRow("7", "platt", 300, 0.85, 0.03, KNOTS)


@pytest.fixture(scope="module")
def moments(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[OwnLake, dict[str, pd.DataFrame]]:
    lake = own_lake(spark, tmp_path_factory.mktemp("estimate"))
    low = "low confidence: the highest probability is 0.45, below 0.5"
    log_file(lake, "w-1", [
        record("a", "K1", at=FEBRUARY, probabilities=[0.1, 0.15, 0.75]),
        record("b", "K2", at=FEBRUARY, probabilities=[0.25, 0.25, 0.5]),
        record("c", "K3", at=FEBRUARY, probabilities=[0.3, 0.25, 0.45], predictor_type="rules", reason=low),
        record("d", "K4", at=FEBRUARY, model_version="8"),
        record("e", "K5", at=MARCH, probabilities=[0.0, 0.0, 1.0]),
        by_rules("f", "K6", at=MARCH),
    ])  # fmt: skip
    stream(lake)
    lake.ingest()
    found = {"before": lake.rows("gold/performance")}
    write_calibrations(lake, [SEVEN])
    assert periods_to_estimate(lake) == {"2023-02", "2023-03"}
    assert update_estimates(lake) == ("2023-02", "2023-03")
    found["calibrated"] = lake.rows("gold/performance")
    versions = lake.versions()
    write_calibrations(lake, [CalibrationRow("7", "isotonic", 1, 0.0, 0.0, (0.0, 0.0))])
    assert update_estimates(lake) == ()
    assert lake.versions()["gold/performance"] == versions["gold/performance"]
    lake.deliver("claims", "claims-2023-02.csv", "policy_id;risk\nK1;0.5\nK3;0.5\n")
    lake.ingest()
    found["truth"] = lake.rows("gold/performance")
    return lake, found


def row(performance: pd.DataFrame, month: str, version: str) -> pd.Series:
    return performance.set_index(["month", "model_version"]).loc[(month, version)]


def test_without_a_calibration_there_is_no_estimate(moments: tuple[OwnLake, dict[str, pd.DataFrame]]) -> None:
    _, found = moments
    columns = ["estimated_accuracy", "estimate_standard_error", "estimate_error"]
    assert found["before"][columns].isna().all(axis=None)
    assert row(found["calibrated"], "2023-02", "8")[columns].isna().all()


def test_the_estimate_is_the_calibrated_mean_over_the_models_own_answers(
    moments: tuple[OwnLake, dict[str, pd.DataFrame]],
) -> None:
    _, found = moments
    february = row(found["calibrated"], "2023-02", "7")
    assert february["estimated_accuracy"] == pytest.approx((0.7 + 0.4) / 2)
    assert february["estimate_standard_error"] == pytest.approx((0.03**2 + 0.55 * 0.45 / 2) ** 0.5)
    assert february["rules_share"] == pytest.approx(1 / 3)
    assert row(found["calibrated"], "2023-03", "7")["estimated_accuracy"] == pytest.approx(1.0)
    assert pd.isna(row(found["calibrated"], "2023-03", "")["estimated_accuracy"])


def test_the_error_compares_the_same_answers_once_truth_arrives(
    moments: tuple[OwnLake, dict[str, pd.DataFrame]],
) -> None:
    _, found = moments
    february = row(found["truth"], "2023-02", "7")
    assert february[["with_truth", "correct", "model_with_truth", "model_correct"]].tolist() == [2, 2, 1, 1]
    assert february["estimated_accuracy"] == pytest.approx((0.7 + 0.4) / 2)
    assert february["estimate_error"] == pytest.approx(0.7 - 1.0)
    assert pd.isna(row(found["truth"], "2023-03", "7")["estimate_error"])


def test_a_version_keeps_its_first_calibration(moments: tuple[OwnLake, dict[str, pd.DataFrame]]) -> None:
    lake, _ = moments
    assert calibrated_versions(lake) == {"7"}
    assert lake.rows("gold/calibration")["method"].tolist() == ["platt"]


def test_a_table_of_an_older_shape_is_made_anew_with_all_its_months(
    spark: SparkSession, moments: tuple[OwnLake, dict[str, pd.DataFrame]]
) -> None:
    lake, found = moments
    path = lake.table("gold/performance")
    old = spark.read.format("delta").load(path).select("month", "model_version", "answered", "rules")
    old.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(path)
    assert update_estimates(lake) == ("2023-02", "2023-03")
    order = ["month", "model_version"]
    again = lake.rows("gold/performance").sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(again, found["truth"].sort_values(order, ignore_index=True)[again.columns])
