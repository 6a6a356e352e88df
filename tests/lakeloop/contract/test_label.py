"""What is predicted: classes, or without them a number; and what of a contract means nothing for a number."""

from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.contract.evolution import changes_between
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from tests.use_case_copies import USE_CASES

RENTALS = USE_CASES["rentals"] / "rentals" / "contract.yaml"


def changed(folder: Path, **changes: str) -> Path:
    """The contract with texts replaced, by the first word of each."""
    text = RENTALS.read_text()
    for found, new in changes.items():
        (line,) = [line for line in text.splitlines() if line.strip().startswith(found + ":")]
        text = text.replace(line, line[: len(line) - len(line.lstrip())] + new)
    path = folder / "contract.yaml"
    path.write_text(text)
    for name in ("generator.py", "rules.py"):
        (folder / name).write_bytes((RENTALS.parent / name).read_bytes())
    return path


def problems(path: Path) -> str:
    with pytest.raises(ContractError) as error:
        load_contract(path)
    return str(error.value)


def test_a_label_without_classes_is_the_number_itself(contract: Contract) -> None:
    rentals = load_contract(RENTALS)
    assert (rentals.label.task, contract.label.task) == ("regression", "classification")
    assert (rentals.label.carried_as, contract.label.carried_as) == ("float", "int")
    assert rentals.label.gold_columns == ("demand",) and contract.label.gold_columns == ("group", "group_name")
    assert (rentals.gate.decides, contract.gate.decides) == ("mean_absolute_error", "accuracy")
    assert rentals.label.interval == 0.8


def test_a_contract_comes_back_from_json(contract: Contract) -> None:
    rentals = load_contract(RENTALS)
    for one in (rentals, contract):
        assert Contract.model_validate_json(one.model_dump_json()) == one
    assert "classes" not in rentals.label.model_dump()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"truth": "truth: {description: Any, type: string, values: [many, few]}"},
         "without `classes` the number itself is predicted, and the truth is of type string; name its `classes`"),
        ({"column": "column: rented\n  interval: 1.0"}, "label.interval: is 1.0; input should be less than 1"),
        ({"champion_margin": "accuracy: {above: 0.8}"}, "gate.accuracy: is about classes, and the label is a number"),
        ({"champion_margin": "class_share_tolerance: 0.2"}, "gate.class_share_tolerance: is about classes"),
        ({"champion_margin": "decides: roc_auc"}, "is of classes, and the label is of regression; the nearest that "
         "fits is `r2_score`"),
        ({"champion_margin": "decides: interval_coverage"}, "`interval_coverage` is about the interval alone and "
         "cannot decide; take one of the answer: mean_absolute_error"),
        ({"column": "column: rented\n  loss: poisson", "truth": "truth: {description: Any, type: int, valid: [-1, 9]}"},
         "label: `loss: poisson` is for what is never below 0; say that of the truth by `valid: [0, …]`"),
        ({"champion_margin": "decides: mean_poisson_deviance",
          "truth": "truth: {description: Any, type: float, valid: [-0.5, 9]}"},
         "gate.decides: is of what is never below 0; say that of the truth by `label.truth.valid: [0, …]`"),
        ({"column": "column: rented\n  loss: poison"}, "label.loss: is 'poison'; allowed: 'squared_error' or"),
        ({"model": "training: {balance: smote}"}, "training.balance: evens out classes, and the label is a number"),
    ],
)  # fmt: skip
def test_what_means_nothing_for_a_number_is_refused(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    assert told in problems(changed(tmp_path, **changes))


def test_a_count_is_decided_by_its_deviance_unless_the_gate_says_otherwise(tmp_path: Path) -> None:
    count = load_contract(changed(tmp_path, column="column: rented\n  loss: poisson"))
    assert (count.label.loss, count.gate.decides, count.gate.shown) == ("poisson", *["mean_poisson_deviance"] * 2)
    assert count.gate.watched_error == "mean_absolute_error"
    said = {"column": "column: rented\n  loss: poisson", "champion_margin": "decides: root_mean_squared_error"}
    assert load_contract(changed(tmp_path, **said)).gate.decides == "root_mean_squared_error"
    listed = {**said, "truth": "truth: {description: Any, type: int, values: [0, 1, 5]}"}
    assert load_contract(changed(tmp_path, **listed)).label.limits == (0.0, 5.0)
    rentals = load_contract(RENTALS)
    assert "loss" not in rentals.label.model_dump(), "records of contracts without it are those of before"
    of_counts = rentals.model_copy(update={"label": count.label})
    assert [(c.where, c.weight) for c in changes_between(rentals, of_counts)] == [("label.loss", "retrain")]


def test_a_metric_of_the_other_task_is_told_the_nearest_that_fits(tmp_path: Path) -> None:
    path = changed(tmp_path)
    path.write_text(path.read_text().replace("metric: r2_score", "metric: brier_score"))
    told = problems(path)
    assert "gate.checks.1.metric: `brier_score` is of classes, and the label is of regression" in told
    assert "the nearest that fits is `root_mean_squared_error`" in told
    path.write_text(path.read_text().replace("metric: brier_score", "metric: mean_abs_error"))
    assert "there is no metric `mean_abs_error`; did you mean `mean_absolute_error`?" in problems(path)


def test_an_interval_and_a_loss_are_of_numbers_alone(tmp_path: Path) -> None:
    text = (USE_CASES["churn"] / "churn" / "contract.yaml").read_text()
    path = tmp_path / "contract.yaml"
    path.write_text(text.replace("  column: left\n", "  column: left\n  interval: 0.9\n"))
    (tmp_path / "generator.py").touch()
    assert "`interval` is the share of rows whose number lies in what a model answers" in problems(path)
    path.write_text(text.replace("  column: left\n", "  column: left\n  interval: 0.8\n"))
    assert "leave `interval` out, or `classes`" in problems(path), "also where it is the usual one"
    path.write_text(text.replace("  column: left\n", "  column: left\n  loss: poisson\n"))
    assert "`loss` is of a label that is a number, and this one has classes; leave it out" in problems(path)


def test_from_classes_to_a_number_all_that_serves_breaks(contract: Contract) -> None:
    rentals = load_contract(RENTALS)
    number = contract.model_copy(update={"label": contract.label.model_copy(update={"classes": ()})})
    found = {change.where: change for change in changes_between(contract, number)}
    assert found["label.classes"].weight == "breaks" and "becomes a regression" in found["label.classes"].effect
    wider = rentals.model_copy(update={"label": rentals.label.model_copy(update={"interval": 0.9})})
    assert [(c.where, c.weight) for c in changes_between(rentals, wider)] == [("label.interval", "retrain")]


def ordered(folder: Path, decides: str, middle: str = "    - {name: some, when: {above: 5}}\n") -> Path:
    """The noise contract with classes in an order, from loud to quiet."""
    text = (USE_CASES["noise"] / "noise" / "contract.yaml").read_text()
    quiet, loud = "    - {name: quiet}\n", "    - {name: loud, when: {above: 10}}\n"
    assert quiet + loud in text
    text = text.replace("  classes:\n" + quiet + loud, "  ordered: true\n  classes:\n" + loud + middle + quiet)
    path = folder / "contract.yaml"
    path.write_text(text.replace("gate:\n", f"gate:\n  decides: {decides}\n"))
    (folder / "generator.py").touch()
    return path


@pytest.mark.parametrize("metric", ["mean_class_distance", "cohen_kappa_score"])
def test_classes_in_an_order_have_metrics_of_their_own(tmp_path: Path, contract: Contract, metric: str) -> None:
    found = load_contract(ordered(tmp_path, metric))
    assert found.label.ordered and found.gate.decides == metric and found.gate.shown == "accuracy"
    assert "ordered" not in contract.label.model_dump()
    path = tmp_path / "contract.yaml"
    path.write_text(path.read_text().replace("  ordered: true\n", ""))
    assert "gate.decides: is of classes in an order; write them in it, and say `label.ordered: true`" in problems(path)


def test_an_order_takes_three_classes(tmp_path: Path) -> None:
    assert "takes three classes, and this label has 2 classes; leave it out" in problems(
        ordered(tmp_path, "f1_macro", "")
    )
    of_number = changed(tmp_path, column="column: rented\n  ordered: true")
    assert "this label is a number, which is ordered anyway" in problems(of_number)


def test_the_fields_other_name_of_kappa_is_known(tmp_path: Path) -> None:
    told = problems(ordered(tmp_path, "quadratic_weighted_kappa"))
    assert "there is no metric `quadratic_weighted_kappa`; did you mean `cohen_kappa_score`?" in told
