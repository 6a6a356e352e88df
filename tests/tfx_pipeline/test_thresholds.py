"""A threshold, from the contract to what a model server answers: chosen, gated, told on the card, and never a trace."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from lakeloop.contract import Contract
from lakeloop.exceptions import LakeloopError
from lakeloop.model_card import read_model_card
from lakeloop.pushed_models import model_folder
from lakeloop.use_case import UseCase
from operations.evaluation import exported_rows
from operations.performance import calibrate_version
from operations.recorded_baselines import run_baselines
from operations.retraining.selection import EvaluationRows
from operations.scoring import classes_of, given_of
from tests.exports import settings_in
from tests.tfx_pipeline.trained import Trained, served, train
from tfx_pipeline.evaluation.metrics import measure_metric
from tfx_pipeline.evaluation.validate import answers_of
from tfx_pipeline.metadata.store import artifacts_of, open_store
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import load_runs
from tfx_pipeline.runs.runner import run_pipeline

pytestmark = pytest.mark.long

COST = {"cost": {"false_positive": 1.0, "false_negative": 5.0}}


def decided(contract: Contract, decision: dict[str, object], **changes: object) -> Contract:
    """The contract with a threshold; where errors have a cost that decides, as it does in a file."""
    raw = contract.model_dump(mode="json") | changes
    raw["label"] = raw["label"] | {"decision": decision}
    raw["gate"] = {"accuracy": {"above": 0.6}}
    return Contract.model_validate(raw)


@pytest.fixture(scope="module")
def trained(churn: Contract, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    settings = settings_in(tmp_path_factory.mktemp("threshold"), "churn")
    return train(UseCase(settings, decided(churn, COST)), rows=3_000)


@pytest.fixture(scope="module")
def client(trained: Trained) -> Iterator[httpx.Client]:
    with served(trained) as client:
        yield client


def unseen(trained: Trained) -> pd.DataFrame:
    """Rows of a month that the model never saw."""
    return trained.rows(5, 4_000)


def test_a_dear_false_negative_moves_the_threshold_down_and_errors_cost_less(trained: Trained) -> None:
    found = trained.record.trained.threshold if trained.record.trained is not None else None
    assert found is not None and found.of == "leaves" and 0.02 < found.at < 0.4
    rows, costs = unseen(trained), np.array(trained.contract.label.costs)
    given = given_of(trained.contract, trained.folder, rows)
    ids, confidence = classes_of(trained.contract, given)
    likeliest, labels = given[:, :2].argmax(axis=1), rows["churned"].to_numpy()
    assert (ids == (given[:, 1] >= found.at)).all() and (ids != likeliest).any()
    assert costs[labels, ids].mean() < costs[labels, likeliest].mean()
    assert confidence.min() < 0.5, "the probability of the class that was answered"


def test_it_stands_in_the_run_the_card_ml_metadata_and_the_trainers_line(trained: Trained) -> None:
    record = trained.record
    assert record.trained is not None
    card = read_model_card(trained.use_case, record.pushed_version)
    assert card.threshold == record.trained.threshold
    with open_store(trained.use_case.settings) as store:
        for kind in ("Model", "PushedModel"):
            (artifact,) = artifacts_of(store, "churn", kind)
            assert '"of":"leaves"' in artifact.custom_properties["threshold"].string_value
    line = next(node.result for node in record.nodes if node.node == "Trainer")
    assert "answers leaves from probability" in line and "mean cost" in line


def test_the_gate_and_tfma_measure_what_is_answered(trained: Trained) -> None:
    report, found = trained.record.gate, trained.record.evaluation
    assert report is not None and found is not None and trained.record.trained is not None
    assert report.metric == "mean_cost" and set(report.scores) == {"train", "eval"}
    threshold = trained.record.trained.threshold
    assert threshold is not None and report.rows["eval"] + threshold.rows == found.slices[0].rows
    (naive,) = [check for check in report.checks if check.name == "better_than_naive"]
    assert naive.value == report.scores["eval"] and naive.bound.startswith("better than ")
    assert found.metric == "accuracy", "and TFMA's is of the classes answered on all eval rows"
    assert found.slices[0].score == pytest.approx(report.accuracy["eval"], abs=0.05)


def test_whoever_compares_models_leaves_out_the_rows_it_was_chosen_on(trained: Trained) -> None:
    contract, report = trained.contract, trained.record.gate
    rows = exported_rows(contract, trained.manifest, "eval")
    compared = EvaluationRows(rows, "eval rows")
    assert report is not None
    assert compared.score(contract, trained.folder) == pytest.approx(report.scores["eval"], abs=1e-6)
    everything = answers_of(trained.folder, contract, rows)
    assert measure_metric(contract.gate.the_metric, everything).value != pytest.approx(report.scores["eval"], abs=1e-6)


def test_the_model_server_answers_by_it(trained: Trained, client: httpx.Client) -> None:
    rows = unseen(trained).head(200)
    instances = [{"plan": plan, "usage": usage} for plan, usage in zip(rows["plan"], rows["usage"], strict=True)]
    answers = client.post("/v1/models/churn:predict", json={"instances": instances}).json()["predictions"]
    assert set(answers[0]) == {"probabilities", "class_id", "threshold"}
    assert {one["threshold"] for one in answers} == {answers[0]["threshold"]}
    assert [one["class_id"] for one in answers] == [int(o["probabilities"][1] >= o["threshold"]) for o in answers]
    assert any(one["class_id"] == 1 and one["probabilities"][1] < 0.5 for one in answers)


def test_baselines_cost_too_and_the_estimate_is_of_what_is_answered(trained: Trained) -> None:
    record = run_baselines(trained.use_case, trained.record)
    assert list(record.baselines) == ["random", "cheapest", "trees"]
    assert record.gate is not None and record.gate.better_than(record.baselines["cheapest"]) > 0
    (naive,) = [check for check in record.gate.checks if check.name == "better_than_naive"]
    assert naive.bound == f"better than {record.baselines['cheapest']:.3f}", "on the same half of the rows"
    assert abs(record.gate.better_than(record.baselines["trees"])) < 0.3
    rows = unseen(trained)
    ids, _ = classes_of(trained.contract, given_of(trained.contract, trained.folder, rows))
    calibration = calibrate_version(trained.use_case, record.pushed_version)
    assert calibration.accuracy == pytest.approx((ids == rows["churned"]).mean(), abs=0.05)


def test_trees_have_one_by_a_constraint(churn: Contract, trained: Trained, tmp_path: Path) -> None:
    wanted = {"metric": "recall", "at": {"precision": 0.95}}
    contract = decided(churn, wanted, model={"kind": "trees"}, training={})
    use_case = UseCase(settings_in(tmp_path, "churn"), contract)
    record = run_pipeline(use_case, run_parameters(contract, trained.manifest, {}))
    assert record.blessed and record.trained is not None and record.trained.threshold is not None
    assert record.trained.threshold.at > 0.5 and "at precision 0.95" in record.trained.threshold.aim
    rows = unseen(trained)
    given = given_of(contract, model_folder(use_case), rows)
    answered = rows["churned"].to_numpy()[given[:, 2] == 1]
    assert answered.mean() == pytest.approx(0.95, abs=0.04)


def test_one_that_no_point_reaches_ends_the_run_with_what_could_be_had(
    churn: Contract, trained: Trained, tmp_path: Path
) -> None:
    wanted = {"metric": "recall", "at": {"precision": 0.999}}
    contract = decided(churn, wanted, model={"epochs": 1, "units": 1, "layers": 1}, training={})
    use_case = UseCase(settings_in(tmp_path, "churn"), contract)
    with pytest.raises(LakeloopError) as error:
        run_pipeline(use_case, run_parameters(contract, trained.manifest, {}, ("plan",)))
    told = str(error.value)
    assert told.startswith("no threshold gives `leaves` precision 0.999 on the ")
    assert "the best that can be had is" in told and "Write `label.decision.at.precision` below that" in told
    assert "Traceback" not in told and "File " not in told
    (record,) = load_runs(use_case)
    assert record.state == "failed" and record.error == told
