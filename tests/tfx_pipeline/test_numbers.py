"""A number is predicted, from rows to a pushed model: trained, evaluated, gated, and served with intervals."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from lakeloop.added_columns import with_label
from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.exported import read_shards
from lakeloop.manifest import read_manifest
from lakeloop.model_input import model_columns
from lakeloop.use_case import UseCase, open_use_case
from operations.recorded_baselines import run_baselines
from tests.exports import settings_in
from tests.tfx_pipeline.trained import Trained, served, train
from tfx_pipeline.evaluation.validate import validate_model
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import load_run
from tfx_pipeline.runs.runner import run_pipeline
from tfx_pipeline.training.calibration_rows import which_calibrate

pytestmark = pytest.mark.long


def asked(trained: Trained, month: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels and the model's outputs on the rows of another month."""
    from tfx_pipeline.evaluation.prediction import ask_columns, load_saved_model

    frame = trained.rows(month, 4_000)
    outputs = ask_columns(load_saved_model(trained.folder), model_columns(trained.contract.features, frame))
    return frame["demand"].to_numpy(), dict(outputs)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(open_use_case(settings_in(tmp_path_factory.mktemp("rentals"), "rentals")))


@pytest.fixture(scope="module")
def client(trained: Trained) -> Iterator[httpx.Client]:
    with served(trained) as client:
        yield client


def test_the_gate_holds_the_model_to_named_checks_and_to_the_naive_number(trained: Trained) -> None:
    report = trained.record.gate
    assert report is not None and report.accuracy == {} and report.metric == "mean_absolute_error"
    values = {check.name: check.value for check in report.checks}
    assert values["better_than_naive"] == report.scores["eval"] < 40
    assert 0.7 < values["interval_coverage on eval"] < 0.9
    (coverage,) = [check for check in report.checks if check.name == "interval_coverage on eval"]
    assert coverage.interval is not None and coverage.interval[1] - coverage.interval[0] > 0.05, "of half of the rows"
    assert "root_mean_squared_error on eval where sky" in values


def test_tfma_tells_the_error_by_slice(trained: Trained) -> None:
    found, report = trained.record.evaluation, trained.record.gate
    assert found is not None and report is not None and found.metric == "mean_absolute_error"
    whole, *slices = found.slices
    assert whole.score == pytest.approx(report.scores["eval"], rel=1e-5) and not whole.failed
    assert {one.value for one in slices} == {"clear", "cloudy", "rain"}
    assert found.below == 60
    lines = {node.node: node.result for node in trained.record.nodes}
    assert lines["Evaluator"].startswith("eval mean_absolute_error ") and "mean_absolute_error" in lines["QualityGate"]
    assert "validation mean absolute error" in lines["Trainer"]


def test_intervals_hold_the_truth_of_as_many_rows_as_the_contract_says_and_grow_with_the_number(
    trained: Trained,
) -> None:
    labels, outputs = asked(trained, 0)
    inside = (labels >= outputs["lower"]) & (labels <= outputs["upper"])
    assert inside.mean() == pytest.approx(0.8, abs=0.07)
    width, number = outputs["upper"] - outputs["lower"], outputs["prediction"]
    assert width[number > 200].mean() > 2 * width[number < 50].mean()
    assert outputs["lower"].min() >= 0, "there are no fewer bikes than none"
    assert np.abs(number - labels).mean() < np.abs(labels - np.median(labels)).mean() / 3


def test_serving_gives_the_same_number_by_every_way(trained: Trained, client: httpx.Client) -> None:
    rows = read_shards(
        trained.contract,
        [trained.manifest.parent / f.path for f in read_manifest(trained.manifest).files if f.split == "eval"],
    ).head(20)
    instances = json.loads(rows[list(trained.contract.features)].to_json(orient="records"))
    predicted: list[dict[str, Any]] = client.post("/v1/models/rentals:predict", json={"instances": instances}).json()[
        "predictions"
    ]
    assert set(predicted[0]) == {"prediction", "lower", "upper", "level"} and predicted[0]["level"] == pytest.approx(
        0.8
    )
    body = {"signature_name": "regress", "examples": instances}
    results = client.post("/v1/models/rentals:regress", json=body).json()
    assert set(results) == {"results"}
    assert results["results"] == pytest.approx([one["prediction"] for one in predicted], rel=1e-5)
    assert all(one["lower"] <= one["prediction"] <= one["upper"] for one in predicted)


def test_a_model_evaluated_on_another_month_is_held_to_the_same_checks(trained: Trained) -> None:
    frame = with_label(trained.contract, sample_period(trained.use_case, 0, seed=7))
    report = validate_model(trained.folder, trained.contract, frame)
    assert report.passed, report.failed
    far = frame.assign(demand=frame["demand"] + 500)
    assert "mean_absolute_error on eval" in {
        c.name for c in validate_model(trained.folder, trained.contract, far).failed
    }


def test_baselines_are_one_number_the_rules_and_regression_trees(trained: Trained) -> None:
    record = run_baselines(trained.use_case, trained.record)
    assert list(record.baselines) == ["constant", "rules", "trees"]
    report = record.gate
    assert report is not None and report.better_than(record.baselines["constant"]) > 20
    assert load_run(trained.use_case, record.run_id).baselines == record.baselines


def test_the_champion_is_compared_and_a_worse_model_is_refused(trained: Trained) -> None:
    contract = trained.contract
    worse = run_pipeline(
        trained.use_case, run_parameters(contract, trained.manifest, {"epochs": "1", "units": "1"}, ("hour",))
    )
    report = worse.gate
    assert worse.blessed is False and report is not None
    failed = {check.name for check in report.failed}
    assert "not_worse_than_champion" in failed and worse.pushed_version == ""
    assert report.champion_score == pytest.approx(trained.record.gate.scores["eval"])  # type: ignore[union-attr]


def test_trees_of_numbers_pass_the_gate_and_are_served_with_intervals(trained: Trained) -> None:
    gate = trained.contract.gate.model_copy(update={"champion_margin": None})
    contract = trained.contract.model_copy(update={"gate": gate})
    alone = UseCase(trained.use_case.settings, contract)
    record = run_pipeline(alone, run_parameters(contract, trained.manifest, {"kind": "trees"}))
    assert record.blessed, record.gate
    lines = {node.node: node.result for node in record.nodes}
    assert "iterations of 1,208 rows" in lines["Trainer"] and "validation mean absolute error" in lines["Trainer"]
    assert lines["InfraValidator"] == "the model server answered 100 rows"
    labels, outputs = asked(Trained(alone, trained.manifest, record), 0)
    inside = (labels >= outputs["lower"]) & (labels <= outputs["upper"])
    assert inside.mean() == pytest.approx(0.8, abs=0.07) and outputs["lower"].min() >= 0
    baselines = run_baselines(alone, record).baselines
    assert record.gate is not None and record.gate.scores["eval"] == pytest.approx(baselines["trees"], rel=0.1)


def test_counts_are_fitted_by_their_deviance_and_neither_they_nor_their_intervals_go_below_0(trained: Trained) -> None:
    raw = trained.contract.model_dump(mode="json")
    raw["label"]["loss"] = "poisson"
    raw["gate"] = {"checks": [{"metric": "mean_poisson_deviance", "below": 40}, *raw["gate"]["checks"]]}
    alone = UseCase(trained.use_case.settings, Contract.model_validate(raw))
    record = run_pipeline(alone, run_parameters(alone.contract, trained.manifest, {}))
    report = record.gate
    assert record.blessed and report is not None and report.metric == "mean_poisson_deviance", report
    labels, outputs = asked(Trained(alone, trained.manifest, record), 0)
    for name in ("lower", "prediction", "upper"):
        assert outputs[name].min() >= 0
    assert outputs["prediction"].min() > 0, "a mean, which is never none"
    assert outputs["prediction"].mean() == pytest.approx(labels.mean(), rel=0.1)
    inside = (labels >= outputs["lower"]) & (labels <= outputs["upper"])
    assert inside.mean() == pytest.approx(0.8, abs=0.07)
    baselines = run_baselines(alone, record).baselines
    assert report.scores["eval"] < baselines["constant"] / 4


def test_rows_for_intervals_are_about_half_of_the_held_out_ones(trained: Trained) -> None:
    files = [trained.manifest.parent / f.path for f in read_manifest(trained.manifest).files if f.split == "eval"]
    keys = read_shards(trained.contract, files)["slot"]
    assert which_calibrate(keys).mean() == pytest.approx(0.5, abs=0.08)
