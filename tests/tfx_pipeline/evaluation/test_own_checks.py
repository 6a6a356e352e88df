"""A use case's own checks: what they are given, what becomes of them in a report, and what they may not give."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lakeloop.contract import Contract, Gate
from lakeloop.exceptions import OwnCodeError
from lakeloop.gate_check import GateCheck
from lakeloop.own_files import OwnFile, own_files
from tests.use_case_copies import USE_CASES
from tfx_pipeline.evaluation.answers import ModelAnswers
from tfx_pipeline.evaluation.gate import GateReport, check_again, check_gate
from tfx_pipeline.evaluation.own_checks import CheckedModel, checked_model, own_checks


def answered(probability: float, rows: int = 60) -> ModelAnswers:
    """Every third row leaves; all get `probability` that they do. Every second one is of the basic plan."""
    labels = (np.arange(rows) % 3 == 0).astype(int)
    given = np.full(rows, probability)
    columns = {"plan": np.where(np.arange(rows) % 2, b"basic", b"plus").astype(object), "usage": np.arange(rows) * 1.0}
    return ModelAnswers(labels, np.stack([1 - given, given], axis=1), None, columns)


def model_of(contract: Contract, probability: float = 0.9) -> CheckedModel:
    rows = {"train": answered(probability), "eval": answered(probability, 30)}
    made = (GateCheck(name="roc_auc on eval", value=0.5, bound="> 0.4", passed=True),)
    return checked_model(rows, answered(0.1, 30), contract.label.class_names, contract.features, made)


def write(folder: Path, text: str) -> OwnFile:
    (folder / "checks.py").write_text(text)
    return own_files(folder)["checks.py"]


def test_the_example_counts_what_its_mistakes_cost(churn: Contract) -> None:
    file = own_files(USE_CASES["churn"] / "churn")["checks.py"]
    cost, plans = own_checks(file, model_of(churn))
    assert (cost.name, cost.bound, cost.passed) == ("cost_of_a_row", "< 4", True)
    assert cost.value == pytest.approx(5 * 20 / 30), "all are called, and two in three would have stayed"
    assert (plans.name, plans.value, plans.passed) == ("plans_are_told_apart", 0.0, False)
    assert own_checks(file, model_of(churn, 0.1))[0].value == pytest.approx(40 * 10 / 30)


def test_it_is_given_the_rows_with_their_features_and_the_champions_answers(churn: Contract) -> None:
    model = model_of(churn)
    assert len(model.train.labels) == 60 and model.class_names == ("stays", "leaves")
    assert model.eval.features["plan"].tolist()[:2] == ["plus", "basic"] and model.eval.features["usage"][29] == 29.0
    assert model.champion is not None and set(model.champion.answers.tolist()) == {0}
    assert [check.name for check in model.checked] == ["roc_auc on eval"]


def test_it_is_told_which_rows_a_threshold_was_chosen_on(churn: Contract) -> None:
    chosen_on = np.arange(30) < 10
    rows = {"train": answered(0.6), "eval": replace(answered(0.6, 30), calibrated=chosen_on)}
    model = checked_model(rows, None, churn.label.class_names, churn.features, ())
    assert model.eval.learnt_from is not None and model.eval.learnt_from.tolist() == chosen_on.tolist()
    assert model.train.learnt_from is None


def test_a_missing_value_is_none_or_nan(churn: Contract) -> None:
    optional = {name: one.model_copy(update={"missing": "zero"}) for name, one in churn.features.items()}
    answers = answered(0.5, 4)
    columns = {
        "plan": np.array([b"basic", b"", b"plus", b""], object),
        "usage": np.array([1.0, np.nan, 3.0, 4.0]),
    }
    rows = ModelAnswers(answers.labels, answers.probabilities, None, columns)
    found = checked_model({"train": rows, "eval": rows}, None, ("stays", "leaves"), optional, ()).eval.features
    assert found["plan"].isna().tolist() == [False, True, False, True]
    assert found["usage"].isna().tolist() == [False, True, False, False]


def test_one_that_fails_refuses_the_model_and_stays_as_it_is_when_the_gate_is_changed(churn: Contract) -> None:
    rows = {"train": answered(0.6), "eval": answered(0.6, 30)}
    gate = Gate.model_validate({"accuracy": {"above": 0.9}, "beats_naive": False})
    report = check_gate(gate, rows, None, churn.label.class_names)
    failed = GateCheck(name="cost", value=9.0, bound="< 4", passed=False)
    report = GateReport.model_validate_json(report.with_own((failed,)).model_dump_json())
    assert not report.passed and report.checks[-1] == failed
    again = check_again(gate.model_copy(update={"accuracy": None}), report)
    assert [check.name for check in again.checks] == ["cost"] and again.own == ("cost",)


ONE = '{"name": "cost", "value": 1.0, "passed": True, "text": "< 2"}'


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("return 7 / 0", 2, "ZeroDivisionError: division by zero"),
        ("yield 1\n    raise KeyError('usage')", 3, "KeyError: 'usage'"),
        ("return model.evaluation", 2, "AttributeError: 'CheckedModel' object has no attribute 'evaluation'"),
        ("pass", 1, "gave None; yield"),
        ("return []", 1, "gave no check; yield"),
        (f"return {ONE}", 1, "gave {'name': 'cost'"),
        ("return ['cost']", 1, r"gave 'cost' \(str\) as its check 1"),
        ("return [{'name': 'cost', 'value': 1.0, 'passed': True}]", 1, "has name, value, passed, not name, value, pas"),
        (f"return [{ONE}, {ONE}]", 1, "gave two checks of one name, or one of the contract's: 'cost'"),
        (f"return [{ONE.replace('cost', 'roc_auc on eval')}]", 1, "or one of the contract's: 'roc_auc on eval'"),
        (f"return [{ONE.replace('1.0', 'float(chr(110) + chr(97) + chr(110))')}]", 1, r"`value` is nan \(float\), not"),
        (f"return [{ONE.replace('1.0', 'True')}]", 1, r"`value` is True \(bool\), not a number"),
        (f"return [{ONE.replace('True', '1')}]", 1, r"`passed` is 1 \(int\), not True or False"),
        (f"return [{ONE.replace('< 2', '')}]", 1, "whose `text` is '' "),
    ],
)  # fmt: skip
def test_what_is_wrong_with_them_names_file_and_line(
    churn: Contract, tmp_path: Path, body: str, line: int, words: str
) -> None:
    file = write(tmp_path, f"def checks(model):\n    {body}\n")
    with pytest.raises(OwnCodeError, match=words) as told:
        own_checks(file, model_of(churn))
    assert str(told.value).startswith(f"{tmp_path / 'checks.py'}, line {line}: ")


def test_a_function_that_cannot_be_called_is_told_how_to_be_written(churn: Contract, tmp_path: Path) -> None:
    with pytest.raises(OwnCodeError, match=r"line 1: too many positional arguments; write `def checks\(model\):`"):
        own_checks(write(tmp_path, "def checks():\n    pass\n"), model_of(churn))
