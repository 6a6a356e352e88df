"""What a model is compared with: rules, the commonest class, gradient-boosted trees, all on the same eval rows."""

from pathlib import Path

import numpy as np
import pytest

from lakeloop.added_columns import with_label
from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from operations.baselines import (
    CHEAPEST,
    CONSTANT,
    MEANINGS,
    PERSISTENCE,
    SHARES,
    baselines,
    beside_words,
    difference_words,
    split_baselines,
)
from operations.evaluation import exported_rows
from operations.recorded_baselines import run_baselines
from tests.exports import export_frame, month_export, settings_in
from tfx_pipeline.evaluation.answers import ModelAnswers
from tfx_pipeline.evaluation.gate import GateReport, check_gate
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord, load_run


def test_without_a_split_all_rows_count(contract: Contract, use_case: UseCase) -> None:
    found = baselines(use_case, with_label(contract, sample_period(use_case, 0)))
    assert found == {
        "random": pytest.approx(1 / 3),
        "majority": pytest.approx(580 / 1500),
        "rules": pytest.approx(0.602),
    }


def test_trees_are_trained_on_the_train_rows_and_asked_about_the_eval_rows(
    contract: Contract, settings: Settings, use_case: UseCase, tmp_path: Path
) -> None:
    found = split_baselines(use_case, month_export(contract, settings, tmp_path)).shown
    assert list(found) == ["random", "majority", "rules", "trees"]
    assert found["majority"] == pytest.approx(129 / 293)  # of the eval rows; of all it is 580 / 1500
    assert 0.8 < found["trees"] < 0.95  # 1.0 if they had seen the rows


def test_a_runs_baselines_stay_on_its_record(
    contract: Contract, settings: Settings, use_case: UseCase, tmp_path: Path
) -> None:
    parameters = run_parameters(contract, month_export(contract, settings, tmp_path))
    begun = RunRecord(run_id="r1", use_case=contract.use_case, started="", parameters=parameters)
    assert run_baselines(use_case, begun) is begun, "the gate has not checked it"
    accuracy, rows = {"train": 0.9, "eval": 0.9}, {"train": 1207, "eval": 293}
    gate = GateReport(checks=(), accuracy=accuracy, rows=rows, interval_set="eval", interval=(0.8, 0.95))
    checked = run_baselines(use_case, begun.model_copy(update={"gate": gate}))
    assert set(checked.baselines) == set(MEANINGS) - {CHEAPEST, CONSTANT, SHARES, PERSISTENCE}
    assert load_run(use_case, "r1") == checked
    assert run_baselines(use_case, checked, begun) is checked, "what is known is not computed again"


def test_categories_are_no_numbers_to_the_trees(tmp_path: Path) -> None:
    churn = open_use_case(settings_in(tmp_path, "churn"))
    found = split_baselines(churn, month_export(churn.contract, churn.settings, tmp_path / "export")).shown
    assert found["trees"] > found["majority"]


def test_rows_of_one_class_teach_trees_nothing(contract: Contract, use_case: UseCase, tmp_path: Path) -> None:
    frame = with_label(contract, sample_period(use_case, 0))
    alike = frame[frame[contract.label.name] == 0]
    assert "trees" not in split_baselines(use_case, export_frame(contract, alike, tmp_path)).shown


def test_distances_are_the_models_lead() -> None:
    report = GateReport(checks=(), rows={"eval": 293}, interval_set="eval", interval=(0, 1), accuracy={"eval": 0.87})
    found = difference_words(report, {"majority": 0.387, "trees": 0.88})
    assert found == "majority 0.387 (+0.483), trees 0.880 (-0.010)"
    errors = {"metric": "mean_absolute_error", "scores": {"eval": 20.0}, "accuracy": {}}
    of_numbers = report.model_copy(update=errors)
    assert difference_words(of_numbers, {"constant": 90.0, "trees": 19.0}) == (
        "constant 90.000 (+70.000), trees 19.000 (-1.000)"
    )


def test_numbers_are_held_against_one_number_and_regression_trees(tmp_path: Path) -> None:
    rentals = open_use_case(settings_in(tmp_path, "rentals"))
    manifest = month_export(rentals.contract, rentals.settings, tmp_path / "export")
    train, held_out = (exported_rows(rentals.contract, manifest, split)["demand"] for split in ("train", "eval"))
    found = split_baselines(rentals, manifest).shown
    assert list(found) == ["constant", "rules", "trees"]
    assert found["constant"] == pytest.approx((held_out - train.median()).abs().mean())
    assert 5 < found["trees"] < found["constant"] / 3


@pytest.mark.parametrize(
    ("decides", "names"),
    [
        ("log_loss", ["shares", "trees"]),
        ("f1_macro", ["shares", "rules", "trees"]),
        ("cohen_kappa_score", ["shares", "rules", "trees"]),
    ],
)
def test_where_another_metric_decides_it_is_told_by_that_too(
    contract: Contract, settings: Settings, tmp_path: Path, decides: str, names: list[str]
) -> None:
    gate = contract.gate.model_copy(update={"decides": decides, "champion_margin": None})
    by_other = UseCase(settings, contract.model_copy(update={"gate": gate}))
    manifest = month_export(contract, settings, tmp_path)
    found = split_baselines(by_other, manifest)
    assert list(found.shown) == ["random", "majority", "rules", "trees"] and list(found.decided) == names
    held_out = exported_rows(contract, manifest, "eval")
    train = exported_rows(contract, manifest, "train")[contract.label.name].value_counts(normalize=True)
    if decides == "log_loss":
        wanted = -np.log(held_out[contract.label.name].map(train)).mean()
        assert found.decided["shares"] == pytest.approx(wanted) and found.decided["trees"] < wanted / 2
    else:
        assert found.decided["shares"] < found.decided["rules"] < found.decided["trees"] < 1
    labels = held_out[contract.label.name].to_numpy()
    sure = np.full((len(labels), 3), 0.05)
    sure[np.arange(len(labels)), labels] = 0.9
    answers = ModelAnswers(labels, sure)
    report = check_gate(gate, {"train": answers, "eval": answers}, class_names=contract.label.class_names)
    assert report.decides == decides and list(report.decided) == ["train", "eval"]
    run = RunRecord(run_id="r1", use_case=contract.use_case, started="", parameters=run_parameters(contract, manifest),
                    gate=report, baselines={"majority": 0.4}, baselines_decided=found.decided)  # fmt: skip
    said = beside_words(run)
    assert said.startswith("majority 0.400 (+0.600); by ") and f"by {decides}, which decides, it has " in said
    assert report.decided_better_than(found.decided["trees"]) > 0
    assert RunRecord.model_validate_json(run.model_dump_json()) == run


def test_where_the_accuracy_decides_nothing_is_told_twice(
    contract: Contract, use_case: UseCase, tmp_path: Path
) -> None:
    manifest = month_export(contract, use_case.settings, tmp_path)
    assert split_baselines(use_case, manifest).decided == {}
    labels = np.arange(30) % 3
    answers = ModelAnswers(labels, np.eye(3)[labels])
    report = check_gate(contract.gate, {"train": answers, "eval": answers})
    assert "decide" not in report.model_dump_json()
