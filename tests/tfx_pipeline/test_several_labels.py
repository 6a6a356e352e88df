"""Several labels a row, from rows to a pushed model: trained, evaluated, gated, compared, and served label by label."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from lakeloop.added_columns import with_label
from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import WrongUseError
from lakeloop.label_sets import has_labels, set_ids
from lakeloop.pushed_models import model_folder
from lakeloop.use_case import UseCase, open_use_case
from operations.baselines import run_baselines
from operations.comparison import compare_variants, read_variant
from operations.performance import calibrate_version
from operations.scoring import classes_of, given_of
from serving.model_server.process import running_server
from tests.exports import month_export, settings_in
from tfx_pipeline.evaluation.validate import validate_model
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord, load_run
from tfx_pipeline.runs.runner import run_pipeline

pytestmark = pytest.mark.long
LABELS = ["billing", "login", "outage"]


class Trained:
    """A use case with a pushed model of its month 0."""

    def __init__(self, use_case: UseCase, manifest: Path, record: RunRecord) -> None:
        self.use_case, self.contract, self.manifest, self.record = use_case, use_case.contract, manifest, record
        self.folder = model_folder(use_case, record.pushed_version)

    def rows(self, month: int = 0) -> pd.DataFrame:
        """Rows that it never saw."""
        return with_label(self.contract, sample_period(self.use_case, month, rows=2_000, seed=9))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    home = tmp_path_factory.mktemp("tickets")
    use_case = open_use_case(settings_in(home, "tickets"))
    manifest = month_export(use_case.contract, use_case.settings, home / "export")
    record = run_pipeline(use_case, run_parameters(use_case.contract, manifest, {}))
    assert record.blessed, record.gate
    return Trained(use_case, manifest, record)


@pytest.fixture(scope="module")
def served(trained: Trained) -> Iterator[httpx.Client]:
    with (
        running_server({"tickets": trained.folder.parent}) as running,
        httpx.Client(base_url=running.url, timeout=60) as client,
    ):
        yield client


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
    rows = trained.rows()
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


def test_the_model_server_gives_scores_and_names_labels(trained: Trained, served: httpx.Client) -> None:
    rows = trained.rows().head(20)
    instances: list[dict[str, Any]] = json.loads(rows[list(trained.contract.features)].to_json(orient="records"))
    predicted = served.post("/v1/models/tickets:predict", json={"instances": instances}).json()["predictions"]
    assert set(predicted[0]) == {"probabilities", "set_id"}
    probabilities = np.array([one["probabilities"] for one in predicted])
    assert [one["set_id"] for one in predicted] == set_ids(probabilities).tolist()
    body = {"signature_name": "classify", "examples": instances}
    results = served.post("/v1/models/tickets:classify", json=body).json()["results"]
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
