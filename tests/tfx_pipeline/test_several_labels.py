"""Several labels a row, from rows to a pushed model: trained, evaluated, gated, compared, and served label by label."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from lakeloop.exceptions import WrongUseError
from lakeloop.label_sets import has_labels, set_ids
from lakeloop.use_case import open_use_case
from operations.comparison import compare_variants, read_variant
from operations.performance import calibrate_version
from operations.recorded_baselines import run_baselines
from operations.scoring import classes_of, given_of
from tests.exports import settings_in
from tests.tfx_pipeline.trained import Trained, served, train
from tfx_pipeline.evaluation.validate import validate_model
from tfx_pipeline.runs.run_record import load_run

pytestmark = pytest.mark.long
LABELS = ["billing", "login", "outage"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(open_use_case(settings_in(tmp_path_factory.mktemp("tickets"), "tickets")))


@pytest.fixture(scope="module")
def client(trained: Trained) -> Iterator[httpx.Client]:
    with served(trained) as client:
        yield client


def unseen(trained: Trained) -> pd.DataFrame:
    """Rows that the model never saw."""
    return trained.rows(0, 2_000, seed=9)


def test_the_gate_and_tfma_measure_sets_and_the_naive_one_is_beaten(trained: Trained) -> None:
    report, found = trained.record.gate, trained.record.evaluation
    assert report is not None and found is not None and report.metric == "accuracy" and report.decides == "f1_micro"
    values = {check.name: check.value for check in report.checks}
    assert values["better_than_naive"] == report.decided["eval"] == values["f1_micro on eval"] > 0.8
    assert {"hamming_loss on eval", "recall of outage on eval", "f1_macro on eval where channel"} <= set(values)
    assert found.metric == "accuracy" and found.slices[0].score == pytest.approx(report.accuracy["eval"])
    assert {one.value for one in found.slices[1:]} == {"basic", "plus"}
    lines = {node.node: node.result for node in trained.record.nodes}
    assert lines["Evaluator"].startswith("eval accuracy ")


def test_each_label_is_answered_by_its_own_probability(trained: Trained) -> None:
    rows = unseen(trained)
    given = given_of(trained.contract, trained.folder, rows)
    ids, confidence = classes_of(trained.contract, given)
    assert given.shape == (2_000, 3) and (ids == set_ids(given)).all()
    assert len(set(given.sum(axis=1).round(3))) > 100, "they need not add up to 1"
    had = has_labels(rows["topics"].to_numpy(), 3)
    assert ((given >= 0.5) == had).mean(axis=0).min() > 0.8
    assert np.corrcoef(confidence, ids == rows["topics"])[0, 1] > 0.2
    report = validate_model(trained.folder, trained.contract, rows)
    assert report.accuracy["rows"] == pytest.approx((ids == rows["topics"]).mean())
    with pytest.raises(WrongUseError, match="number of a set from 0 to 7"):
        validate_model(trained.folder, trained.contract, rows.assign(topics=8))
    calibration = calibrate_version(trained.use_case, trained.record.pushed_version)
    assert calibration.accuracy == pytest.approx(trained.record.gate.accuracy["eval"])  # type: ignore[union-attr]


def test_the_model_server_gives_scores_and_names_labels(trained: Trained, client: httpx.Client) -> None:
    rows = unseen(trained).head(20)
    instances: list[dict[str, Any]] = json.loads(rows[list(trained.contract.features)].to_json(orient="records"))
    predicted = client.post("/v1/models/tickets:predict", json={"instances": instances}).json()["predictions"]
    assert set(predicted[0]) == {"probabilities", "set_id"}
    probabilities = np.array([one["probabilities"] for one in predicted])
    assert [one["set_id"] for one in predicted] == set_ids(probabilities).tolist()
    body = {"signature_name": "classify", "examples": instances}
    results = client.post("/v1/models/tickets:classify", json=body).json()["results"]
    assert [[name for name, _ in row] for row in results] == [LABELS] * 20
    assert np.array([[score for _, score in row] for row in results]) == pytest.approx(probabilities, rel=1e-5)


def test_baselines_are_the_commonest_set_the_rules_and_trees_by_label(trained: Trained) -> None:
    record = run_baselines(trained.use_case, trained.record)
    assert list(record.baselines) == ["majority", "rules", "trees"]
    assert list(record.baselines_decided) == ["shares", "rules", "trees"]
    report = record.gate
    assert report is not None and report.decided_better_than(record.baselines_decided["shares"]) > 0.2
    assert record.baselines["rules"] > record.baselines["majority"]
    assert abs(report.decided_better_than(record.baselines_decided["trees"])) < 0.1


def test_trees_grow_for_each_label_and_are_compared_on_the_same_rows(trained: Trained) -> None:
    pair = read_variant("kind=trees,iterations=20", {}), read_variant("epochs=1", {})
    found = compare_variants(trained.use_case, trained.manifest, pair)
    assert {one.first.metric.name for one in found.metrics} >= {"f1_micro", "hamming_loss", "f1_macro", "roc_auc"}
    decides = found.metrics[0]
    assert decides.first.metric.name == "f1_micro" and decides.first.value > 0.8
    assert decides.first.value > decides.second.value
    trees = load_run(trained.use_case, found.runs[0].run_id)
    assert trees.trained is not None and len(trees.trained.class_weights) == 3
