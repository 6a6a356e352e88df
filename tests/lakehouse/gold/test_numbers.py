"""A label that is a number: gold has it as it is, a period's summary its quantiles, and exports bring it unchanged."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.gold.build import update_estimates
from lakehouse.gold.calibration import ErrorCalibrationRow, write_calibrations
from lakehouse.gold.export import export
from lakehouse.requests.stream import stream
from lakeloop.added_columns import with_label
from lakeloop.drawn_rows import sample_period
from lakeloop.error_trees import ErrorColumn, ErrorTree, ErrorTrees
from lakeloop.exported import read_shards
from lakeloop.manifest import read_manifest
from operations.delivery import generate
from operations.evaluation import exported_rows
from tests.lakehouse.request_log import line, log_file
from tests.lakes import OwnLake, own_lake

request = partial(
    line, at="2024-01-05T10:00:00+00:00",
    features={"hour": 12, "temperature": 10.5, "sky": "clear", "workday": 1},
)  # fmt: skip


@pytest.fixture(scope="module")
def rentals(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> OwnLake:
    lake = own_lake(spark, tmp_path_factory.mktemp("rentals"), "rentals")
    generate(lake, [0])
    lake.ingest()
    return lake


def test_gold_and_exports_have_the_number(rentals: OwnLake) -> None:
    drawn = with_label(rentals.contract, sample_period(rentals, 0)).set_index("slot")["demand"].sort_index()
    gold = rentals.rows("gold/training")
    assert list(gold.columns)[-2:] == ["rented", "demand"] and gold["demand"].dtype == np.float64
    pd.testing.assert_series_equal(gold.set_index("slot")["demand"].sort_index(), drawn)
    manifest = export(rentals)
    shards = [manifest.parent / file.path for file in read_manifest(manifest).files]
    exported = read_shards(rentals.contract, shards).set_index("slot")["demand"].sort_index()
    pd.testing.assert_series_equal(exported, drawn)
    assert list(exported_rows(rentals.contract, manifest).columns)[-1] == "demand"


def test_a_periods_summary_tells_where_the_numbers_lie(rentals: OwnLake) -> None:
    (row,) = rentals.rows("gold/monthly").to_dict("records")
    truth = rentals.rows("gold/training")["rented"]
    assert row["rented_mean"] == pytest.approx(truth.mean())
    quantiles = [row[f"rented_{name}"] for name in ("p10", "median", "p90")]
    assert quantiles == pytest.approx(truth.quantile([0.1, 0.5, 0.9]).tolist())
    assert not [name for name in row if name.endswith("_share")]


@pytest.mark.long
def test_answered_numbers_come_into_the_lake_and_are_held_against_their_truth(rentals: OwnLake) -> None:
    known = rentals.rows("gold/training").set_index("slot")["demand"].head(3)
    near, far, ruled = (
        {"prediction": truth + error, "lower": truth + error - 5, "upper": truth + error + 5}
        for truth, error in zip(known, (1.0, 9.0, 20.0), strict=True)
    )
    rules = {"predictor_type": "rules", "reason": "out of range: temperature", "model_version": None}
    lines = [
        request("a", known.index[0], **near),
        request("b", known.index[1], **far),
        request("c", known.index[2], **(ruled | {"lower": None, "upper": None} | rules)),
        request("d", None, prediction=7.0, lower=8.0, upper=9.0),
        request("e", None, prediction="many", lower=None, upper=None),
    ]
    log_file(rentals, "w-1", lines)
    stream(rentals)
    rentals.ingest()
    answered = rentals.rows("silver/predictions").set_index("request_id")
    assert set(answered.index) == {"a", "b", "c"} and answered["prediction"].dtype == np.float64
    assert answered.loc["a", ["prediction", "lower", "upper"]].tolist() == list(near.values())
    assert "class_id" not in answered and "confidence" not in answered
    reasons = rentals.rejects("w-1.jsonl")["reason"].tolist()
    assert reasons == [
        "`prediction` does not lie between `lower` and `upper`",
        "the line is not a request record in JSON",
    ]
    rows = rentals.rows("gold/performance").set_index("model_version")
    assert rows.loc["7", "mean_absolute_error"] == pytest.approx(5.0) == rows.loc["7", "model_mean_absolute_error"]
    assert rows.loc["7", "root_mean_squared_error"] == pytest.approx(np.sqrt(41))
    assert (rows.loc["7", "interval_coverage"], rows.loc["7", "mean_interval_width"]) == (0.5, pytest.approx(10.0))
    assert rows.loc["", ["answered", "rules", "with_truth"]].tolist() == [1, 1, 1]
    assert rows.loc["", "mean_absolute_error"] == pytest.approx(20.0)
    assert rows["estimated_mean_absolute_error"].isna().all()
    ahead = ErrorTree(column=(0, -1, -1), threshold=(float(near["prediction"]), 0, 0), left=(1, -1, -1),
                      right=(2, -1, -1), value=(0, -1, 3))  # fmt: skip
    trees = ErrorTrees(start=4.0, columns=(ErrorColumn(name="prediction"),), trees=(ahead,))
    text = trees.model_dump_json()
    write_calibrations(
        rentals, [ErrorCalibrationRow("7", "mean_absolute_error", "boosted trees", 9, 4.0, 0.3, 2.0, text)]
    )
    assert update_estimates(rentals) == ("2024-01",) and update_estimates(rentals) == ()
    seven = rentals.rows("gold/performance").set_index("model_version").loc["7"]
    expected = float(np.mean([3.0 if one["prediction"] <= near["prediction"] else 7.0 for one in (near, far)]))
    assert seven["estimated_mean_absolute_error"] == pytest.approx(expected)
    assert seven["estimate_error"] == pytest.approx(expected - 5.0)
    assert seven["estimate_standard_error"] == pytest.approx((0.3**2 + 2.0**2 / 2) ** 0.5)
