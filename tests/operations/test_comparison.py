"""Two ways to train, read from the command line and held against each other on the same rows."""

from pathlib import Path

import numpy as np
import pytest

from lakeloop.contract import Contract, Gate
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase
from operations.comparison import Variant, check_variants, compare_variants, compared_checks, read_variant
from tests.exports import month_export, settings_in
from tfx_pipeline.evaluation.answers import ModelAnswers
from tfx_pipeline.evaluation.metrics import measure
from tfx_pipeline.runs.run_record import load_runs


def test_a_variant_is_changes_and_features_left_out_on_top_of_both() -> None:
    found = read_variant("kind=trees, leaves=15,drop=usage", {"seed": "3"}, ("plan",))
    assert found == Variant(
        "kind=trees, leaves=15,drop=usage", {"seed": "3", "kind": "trees", "leaves": "15"}, ("plan", "usage")
    )
    assert found.options == "--set seed=3 --set kind=trees --set leaves=15 --drop plan --drop usage"
    assert read_variant("contract", {}) == Variant("contract", {})


def test_what_cannot_be_compared_is_told(churn: Contract) -> None:
    with pytest.raises(WrongUseError, match="--compare trees: 'trees' says nothing; write NAME=VALUE"):
        read_variant("trees", {})
    with pytest.raises(WrongUseError, match="cannot drop"):
        check_variants(churn, (read_variant("contract", {}), read_variant("drop=", {})))
    units = str(churn.model.model_dump()["units"])
    with pytest.raises(WrongUseError, match=f"`contract` and `units={units}` are the same model"):
        check_variants(churn, (read_variant("contract", {}), read_variant(f"units={units}", {})))
    with pytest.raises(WrongUseError, match="did you mean `units`"):
        check_variants(churn, (read_variant("contract", {}), read_variant("unit=9", {})))


def test_models_are_compared_by_what_decides_and_by_what_the_gate_asks_as_it_asks_it(churn: Contract) -> None:
    gate = Gate.model_validate(
        {
            "decides": "log_loss",
            "checks": (
                {"metric": "recall", "of": "stays", "at": {"precision": 0.5}, "above": 0.3},
                {"metric": "accuracy", "above": 0.5},
                {"metric": "f1", "above": 0.5, "slice": "plan"},
                {"metric": "precision", "above": 0.5, "on": "train"},
            ),
        }
    )
    found = compared_checks(churn.model_copy(update={"gate": gate}))
    assert list(found) == [
        "log_loss", "recall of stays at precision 0.5", "accuracy", "f1_macro", "roc_auc", "calibration_error",
    ]  # fmt: skip
    assert found["recall of stays at precision 0.5"] == gate.checks[0]
    both = np.array([[0.9, 0.1], [0.2, 0.8]] * 50)
    answers = ModelAnswers(np.array([0, 1] * 50), both)
    assert {title: measure(check, answers, ("stays", "leaves")).metric.name for title, check in found.items()} == {
        title: title.split(" ")[0] for title in found
    }


@pytest.mark.long
def test_two_models_of_one_export_are_compared_and_neither_is_pushed(churn: Contract, tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "home", "churn")
    use_case = UseCase(settings, churn)
    manifest = month_export(churn, settings, tmp_path / "export", rows=1_500)
    variants = (read_variant("drop=usage", {"epochs": "4"}), read_variant("balance=downsample", {"epochs": "4"}))
    found = compare_variants(use_case, manifest, variants)
    assert [one.title for one in found.metrics] == list(compared_checks(churn))
    assert found.metrics[0].first.metric.name == churn.gate.decides
    assert found.rows > 100 and found.better == variants[1], "nobody can tell who leaves without the usage"
    accuracy = found.metrics[0]
    assert accuracy.gain == pytest.approx(accuracy.second.value - accuracy.first.value) and accuracy.gain > 0.05
    assert accuracy.gain_interval[0] > 0 and np.isfinite(accuracy.gain_interval[1])
    first, second = found.runs
    assert (first.parameters.drop, second.parameters.balance) == (("usage",), "downsample")
    assert second.trained is not None and second.trained.balance == "downsample"
    assert len(set(second.trained.class_weights)) == 1, "as many rows of each class"
    assert {run.pushed_version for run in load_runs(use_case)} == {""}
    assert not list(use_case.folder("models").glob("*"))
