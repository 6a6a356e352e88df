"""Segments in words, the rules they are part of, and the switches a user sets."""

import math
from pathlib import Path
from typing import Any

import pytest

from lakeloop.contract import Contract, Segment
from lakeloop.exceptions import NotFoundError, OwnCodeError, WrongUseError
from lakeloop.fallback import given_by, load_rules, model_answer, rules_answer, why_not_ask, why_not_take
from lakeloop.settings import Settings
from lakeloop.switches import active_switches, add_switch, all_switches, parse_segment, remove_switch
from lakeloop.use_case import UseCase
from tests.command_line import Run
from tests.use_case_copies import copy_insurance

ROW = {"training": 0, "age": 40.0, "emergency_braking": 1, "braking_distance": 40.0, "power": 100.0, "miles": 70.0}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("age < 40", False), ("age <= 40", True), ("age == 40", True), ("age != 40", False), ("age > 39.9", True),
        ("age >= 40.1", False), ("age<41 and training == 0", True), ("age < 41 and training == 1", False),
    ],
)  # fmt: skip
def test_a_segment_says_which_rows_it_holds(contract: Contract, text: str, holds: bool) -> None:
    assert parse_segment(contract, text).holds(ROW) is holds


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("age", "is not a condition"),
        ("age < 25 or power > 100", "a number"),
        ("age < old", "`age` is a number"),
        ("colour == red", "`colour` is no feature; features: training, age"),
    ],
)
def test_a_segment_that_cannot_be_used_is_explained(contract: Contract, text: str, sentence: str) -> None:
    with pytest.raises(WrongUseError, match="(?s)" + sentence):
        parse_segment(contract, text)


@pytest.mark.parametrize(
    ("changes", "segments", "off", "why"),
    [
        ({}, (), False, ""),
        ({"age": 149.999}, (), False, ""),
        ({"age": 150.0}, (), False, "out of range: age is 150, the model answers 10 to below 150"),
        ({"power": 49.5}, (), False, "out of range: power is 49.5, the model answers 50 to below 250"),
        ({"age": 9.9999999}, (), False, "out of range: age is 9.9999999, the model answers 10 to below 150"),
        ({}, ("age == 40",), False, "segment switched off: age == 40"),
        ({}, ("age == 40",), True, "model switched off"),
        ({"age": 1.0}, ("age < 2",), False, "segment switched off: age < 2"),
    ],
)
def test_why_the_model_is_not_asked(
    contract: Contract, changes: dict[str, Any], segments: tuple[str, ...], off: bool, why: str
) -> None:
    assert why_not_ask(contract, {**ROW, **changes}, [Segment(text=text) for text in segments], off) == why


def test_the_model_is_believed_from_the_contracts_confidence_on(contract: Contract) -> None:
    sure = model_answer(contract, lambda _: "high", ROW, [0.25, 0.5, 0.25])
    assert (sure.prediction, sure.class_id, sure.predictor_type, sure.reason) == ("medium", 1, "model", "ok")
    unsure = model_answer(contract, lambda _: "high", ROW, [0.3, 0.4999, 0.2001])
    assert (unsure.prediction, unsure.class_id, unsure.predictor_type) == ("high", 0, "rules")
    assert unsure.reason == "low confidence: 0.49 is below 0.5" and unsure.probabilities == (0.3, 0.4999, 0.2001)
    plain = model_answer(contract, lambda _: "high", ROW, [0.29, 0.29, 0.29])
    assert plain.reason == "low confidence: 0.29 is below 0.5"
    assert rules_answer(contract, lambda _: "low", ROW, "why").probabilities is None


@pytest.mark.parametrize(
    ("body", "line", "problem"),
    [
        ('    return row["x"]\n', 2, "KeyError: 'x'"),
        ('    return "nobody"\n', 0, "they answered 'nobody', which is no class of high, medium, low"),
    ],
)
def test_rules_that_fail_name_their_file_and_line(
    settings: Settings, contract: Contract, tmp_path: Path, body: str, line: int, problem: str
) -> None:
    folder = copy_insurance(tmp_path)
    (folder / "insurance" / "rules.py").write_text(f"def risk_group(row):\n{body}")
    rules = load_rules(UseCase(settings.model_copy(update={"use_cases": folder}), contract))
    assert rules is not None
    with pytest.raises(OwnCodeError) as told:
        rules(ROW)
    assert told.value.file.name == "rules.py" and told.value.line == line and problem in told.value.problem


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_probabilities_that_are_no_numbers_are_not_taken(odd: float) -> None:
    assert why_not_take([0.2, odd, 0.1]).startswith("model unavailable: ")
    assert why_not_take([0.25, 0.75]) == ""


def test_switches_stay_on_record(use_case: UseCase) -> None:
    first = add_switch(use_case, "age < 25", "ann", "complaints")
    whole = add_switch(use_case, "", "bob", "audit")
    with pytest.raises(WrongUseError, match="switched off already"):
        add_switch(use_case, "age < 25", "eve", "again")
    remove_switch(use_case, first.id, "bob")
    assert [switch.segment for switch in active_switches(use_case)] == [""]
    gone, still = all_switches(use_case)
    assert (gone.who, gone.why, gone.removed_by) == ("ann", "complaints", "bob") and gone.until and still == whole
    with pytest.raises(NotFoundError, match="no active switch has number"):
        remove_switch(use_case, first.id, "bob")
    assert active_switches(UseCase(use_case.settings, use_case.contract.model_copy(update={"use_case": "other"}))) == ()


def test_the_command_line_adds_lists_and_removes(lakeloop: Run) -> None:
    added = lakeloop("fallback", "add", "age < 25", "--why", "too many complaints", "--who", "ann")
    assert added.returncode == 0 and "1: rules answer for age < 25 (ann: too many complaints)" in added.stdout
    listed = lakeloop("fallback", "list").stdout
    assert "age < 25" in listed and "ann" in listed
    assert lakeloop("fallback", "remove", 1, "--who", "bob").returncode == 0
    assert "bob" in lakeloop("fallback", "list", "--history").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("add", "age < 25"), 2, "say why with --why"),
        (("add", "age < 25", "--all", "--why", "x"), 2, "name a segment"),
        (("remove", "7"), 1, "no active switch has number 7"),
    ],
)
def test_wrong_use_of_fallback_is_explained(
    lakeloop: Run, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    wrong = lakeloop("fallback", *arguments)
    assert wrong.returncode == code and sentence in wrong.stderr and "Traceback" not in wrong.stderr


def test_of_a_model_with_a_threshold_its_own_class_is_taken(churn: Contract) -> None:
    outputs = {"probabilities": [[0.7, 0.3], [0.9, 0.1]], "class_id": [1, 0], "threshold": [0.2, 0.2]}
    given = given_by(churn, outputs, 2)
    assert given == [[0.7, 0.3, 1, 0.2], [0.9, 0.1, 0, 0.2]]
    answer = model_answer(churn, None, {}, given[0])
    assert (answer.prediction, answer.class_id, answer.probabilities) == ("leaves", 1, (0.7, 0.3))
    assert answer.threshold == 0.2 and model_answer(churn, None, {}, [0.7, 0.3]).threshold is None
    assert given_by(churn, outputs | {"threshold": [0.2]}, 2) is None, "one a row"
    assert given_by(churn, {"probabilities": outputs["probabilities"], "class_id": [1, 1]}, 2) == [
        [0.7, 0.3],
        [0.9, 0.1],
    ]


def test_how_sure_a_model_must_be_goes_by_the_highest_probability(contract: Contract) -> None:
    assert contract.fallback is not None and contract.fallback.confidence_below == 0.5
    two = contract.model_copy(
        update={"label": contract.label.model_copy(update={"classes": contract.label.classes[:2]})}
    )
    answer = model_answer(two, lambda row: "high", {}, [0.7, 0.3, 1, 0.2])
    assert (answer.prediction, answer.predictor_type) == ("medium", "model")
    unsure = model_answer(two, lambda row: "high", {}, [0.45, 0.4, 1, 0.2])
    assert (unsure.predictor_type, unsure.probabilities, unsure.threshold) == ("rules", (0.45, 0.4), 0.2)
