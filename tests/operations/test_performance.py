"""A pushed model is calibrated on its own held-out rows, and months it answered get their estimate, once."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from pyspark.sql import SparkSession

from lakehouse.requests.stream import stream
from lakeloop.contract import Contract
from lakeloop.exceptions import NotFoundError
from lakeloop.manifest import file_sha256
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from operations.performance import calibrate_version, estimate_performance, performance_table
from tests.lakehouse.request_log import log_file, record
from tests.lakes import OwnLake, own_lake
from tests.monitoring.conftest import push_card

pytestmark = pytest.mark.long
CONFIDENCE = 0.6


class AlwaysMedium(tf.Module):
    """Says medium with probability .6, whatever it is asked."""

    def answer(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = tf.tile(tf.constant([[0.2, CONFIDENCE, 0.2]]), [rows, 1])
        return {"probabilities": probabilities, "class_id": tf.argmax(probabilities, axis=1)}


def push_model(lake: OwnLake, folder: Path) -> None:
    model, kinds = AlwaysMedium(), {"float": tf.float32, "int": tf.int64}
    inputs = {n: tf.TensorSpec([None], kinds[f.type], name=n) for n, f in lake.contract.features.items()}
    columns = tf.function(lambda **asked: model.answer(tf.shape(asked["age"])[0]))
    examples = tf.function(lambda examples: model.answer(tf.shape(examples)[0]))
    signatures = {
        "serving_default": columns.get_concrete_function(**inputs),
        "serve_examples": examples.get_concrete_function(examples=tf.TensorSpec([None], tf.string)),
    }
    tf.saved_model.save(model, str(folder), signatures=signatures)


def test_months_get_their_estimate_from_the_models_own_held_out_rows(spark: SparkSession, tmp_path: Path) -> None:
    lake = own_lake(spark, tmp_path)
    card = push_card(lake.contract, lake.settings)
    push_model(lake, lake.folder("models") / "7")
    sure = {"probabilities": [0.2, CONFIDENCE, 0.2], "prediction": "medium", "class_id": 1}
    log_file(lake, "w-1", [record(str(n), f"K{n}", **sure) for n in range(20)])
    stream(lake)
    lake.ingest()
    report = estimate_performance(lake)
    (calibration,) = report.calibrated
    held_out = np.loadtxt(card.manifest.parent / "eval" / "part-00000.csv", str, delimiter=",", skiprows=1)
    share = (held_out[:, -1] == "1").mean()
    assert (calibration.model_version, calibration.rows) == ("7", len(held_out))
    assert report.periods == ("2023-03",) and report.notices == ()
    month = performance_table(lake).iloc[0]
    assert month["estimated_accuracy"] == pytest.approx(share, abs=1e-4)
    versions = lake.versions()
    again = estimate_performance(lake)
    assert again.calibrated == () and again.periods == () and lake.versions() == versions


def test_a_version_whose_rows_are_gone_is_named_and_stays_without_estimate(spark: SparkSession, tmp_path: Path) -> None:
    lake = own_lake(spark, tmp_path)
    card = push_card(lake.contract, lake.settings)
    card.manifest.unlink()
    report = estimate_performance(lake)
    assert report.calibrated == () and "version 7 cannot be calibrated" in report.notices[0]


@pytest.mark.parametrize("changed", ["manifest.json", "eval/part-00000.csv"])
def test_rows_that_are_not_those_it_was_trained_with_calibrate_nothing(
    spark: SparkSession, tmp_path: Path, changed: str
) -> None:
    lake = own_lake(spark, tmp_path)
    card = push_card(lake.contract, lake.settings)
    file = card.manifest.parent / changed
    file.write_text(file.read_text() + "\n")
    report = estimate_performance(lake)
    assert report.calibrated == () and "sha256" in report.notices[0] and str(file) in report.notices[0]


def test_a_version_whose_export_held_nothing_out_says_so(contract: Contract, settings: Settings) -> None:
    card = push_card(contract, settings)
    content = json.loads(card.manifest.read_text())
    card.manifest.write_text(json.dumps(content | {"files": [f for f in content["files"] if f["split"] == "train"]}))
    changed = card.model_copy(update={"manifest_sha256": file_sha256(card.manifest)})
    changed.save(open_use_case(settings).folder("models") / "7")
    with pytest.raises(NotFoundError, match="held no rows out"):
        calibrate_version(UseCase(settings, contract), "7")
