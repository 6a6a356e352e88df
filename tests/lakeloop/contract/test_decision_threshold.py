"""How a threshold is asked for, and what of it makes no sense."""

from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.contract.evolution import changes_between
from lakeloop.exceptions import ContractError
from tests.use_case_copies import changed_contract

COST = "{cost: {false_positive: 1, false_negative: 5}}"


def decided(folder: Path, decision: str, use_case: str = "churn", **changes: str) -> Contract:
    """A use case's contract with a threshold."""
    column = {"churn": "left", "rentals": "rented", "noise": "complaints"}[use_case]
    line = f"  column: {column}\n"
    return changed_contract(folder, use_case, {line: f"{line}  decision: {decision}\n", **changes})


def test_without_one_nothing_is_written_and_the_accuracy_decides(churn: Contract) -> None:
    assert churn.label.decision is None and churn.label.costs is None and churn.gate.decides == "accuracy"
    assert "decision" not in churn.label.model_dump() and "decision" not in churn.model_dump_json()


def test_by_cost_it_is_of_the_last_class_and_the_mean_cost_decides(tmp_path: Path) -> None:
    contract = decided(tmp_path, COST)
    assert contract.label.positive == 1 and contract.label.costs == ((0.0, 1.0), (5.0, 0.0))
    assert (contract.gate.decides, contract.gate.shown) == ("mean_cost", "mean_cost")
    assert contract.label.decision is not None
    assert contract.label.decision.aim == "the lowest cost (1 a false positive, 5 a false negative)"
    assert Contract.model_validate_json(contract.model_dump_json()) == contract


def test_it_can_be_of_the_first_class_and_another_metric_can_decide(tmp_path: Path) -> None:
    said = "{of: stays, cost: {false_positive: 1, false_negative: 5}}"
    contract = decided(tmp_path, said, **{"gate:\n": "gate:\n  decides: roc_auc\n"})
    assert contract.label.positive == 0 and contract.label.costs == ((0.0, 5.0), (1.0, 0.0))
    assert (contract.gate.decides, contract.gate.shown) == ("roc_auc", "accuracy")


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        ("{cost: {false_positive: -1, false_negative: 5}}", "label.decision.cost.false_positive: is -1; input should "
         "be greater than or equal to 0"),
        ("{cost: {false_positive: 0, false_negative: 5}}", "a false positive costs nothing, so answering the class "
         "always would be the cheapest"),
        ("{cost: {false_positive: 1, false_negative: 5}, metric: f1}", "both are there, keep one"),
        ("{of: leaves}", "neither is there"),
        ("{metric: recal, at: {precision: 0.8}}", "there is no metric `recal`; did you mean `recall`?"),
        ("{metric: recall, at: {precission: 0.8}}", "there is no metric `precission`; did you mean `precision`?"),
        ("{metric: f2}", "there is no metric `f2`; there are: recall, precision, f1, accuracy, balanced_accuracy"),
        ("{metric: roc_auc}", "`metric` cannot be `roc_auc`; there are: recall, precision, f1"),
        ("{metric: recall, at: {f1: 0.8}}", "`at` cannot be `f1`; there can be held: precision, recall"),
        ("{metric: recall}", "`recall` by itself is best where the class is answered always; say `at: {precision: 0.8"),
        ("{metric: recall, at: {recall: 0.8}}", "`recall` is what is to be best"),
        ("{metric: f1, at: {recall: 0.8, precision: 0.5}}", "`at` holds one other metric"),
        ("{metric: recall, at: {precision: 80}}", "should be less than or equal to 1"),
        ("{of: leave, metric: f1}", "`decision.of` is 'leave', which is not a class of the label; did you mean "
         "`leaves`?"),
        ("{of: leaves, metric: f1, at: {precision: 0.5}, treshold: 0.3}", "treshold"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(tmp_path: Path, decision: str, told: str) -> None:
    with pytest.raises(ContractError) as error:
        decided(tmp_path, decision)
    assert told in str(error.value)


def test_it_is_between_two_classes(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="between two classes, and this label is a number"):
        decided(tmp_path, COST, "rentals")
    three = {"    - {name: quiet}\n": "    - {name: quiet}\n    - {name: middle, when: {equals: 10}}\n"}
    with pytest.raises(ContractError, match="between two classes, and this label has 3 classes"):
        decided(tmp_path, COST, "noise", **three)


def test_the_mean_cost_needs_costs(tmp_path: Path) -> None:
    with pytest.raises(ContractError) as error:
        decided(tmp_path, "{metric: f1}", **{"gate:\n": "gate:\n  decides: mean_cost\n"})
    assert "gate.decides: is of what errors cost; say it: `label.decision: {cost:" in str(error.value)


def test_another_threshold_is_the_next_models(tmp_path: Path, churn: Contract) -> None:
    found = {change.where: change for change in changes_between(churn, decided(tmp_path, COST))}
    assert found["label.decision"].weight == "retrain" and found["label.decision"].before is None
    assert found["label.decision"].after == "the lowest cost (1 a false positive, 5 a false negative)"
    assert found["gate.decides"].after == "mean_cost" and "tables" not in found
