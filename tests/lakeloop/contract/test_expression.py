"""Expressions that a truth is computed by: what can be written, and that every mistake says where it is."""

from pathlib import Path

import pandas as pd
import pytest

from lakeloop.added_columns import with_label
from lakeloop.contract.expression import columns_in, read_expression
from lakeloop.contract.notes import contract_notes
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError, ExpressionError
from lakeloop.made_truth import evaluated
from lakeloop.settings import PROJECT
from tests.use_case_copies import changed_contract

RIDES = PROJECT / "tests" / "use_cases" / "rides" / "contract.yaml"
ROWS = pd.DataFrame(
    {"tips": [1.0, 5.0, None, 0.0, 3.0], "fare": [10, 10, 10, 0, None], "paid": ["cash", "", "card", None, "cash"]}
)
NA = pd.NA


def same(found: pd.Series, expected: list[object]) -> bool:
    return [None if value is NA else value for value in found] == [None if value is NA else value for value in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tips > 0.2 * fare", [False, True, NA, False, NA]),
        ("tips / fare", [0.1, 0.5, NA, NA, NA]),
        ("fare > 0 and tips / fare > 0.2", [False, True, NA, False, NA]),
        ("fare == 0 or tips / fare > 0.2", [False, True, NA, True, NA]),
        ("not (paid == 'cash')", [False, NA, True, NA, False]),
        ('-tips + 1 > 0 or paid != "card"', [True, NA, NA, True, True]),
        ("0 < tips <= 3", [True, False, NA, False, True]),
        ("1 / 4 * (tips - 1)", [0.0, 1.0, NA, -0.25, 0.5]),
        ("tips >\n  0.2 * fare", [False, True, NA, False, NA]),
        ("tips * 1e308 * 100 > 0", [NA, NA, NA, False, NA]),
    ],
)
def test_a_missing_value_makes_missing_what_needs_it(text: str, expected: list[object]) -> None:
    assert same(evaluated(read_expression(text, {}), ROWS), expected)


def test_a_column_is_of_the_type_it_is_used_as() -> None:
    found = read_expression("paid == 'cash' and tips > 1 and night", {"night": "bool"})
    assert {named.column: named.kind for named in columns_in(found)} == {
        "paid": "text", "tips": "number", "night": "condition",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tips > 0.2 fare", "cannot be read at `fare` (character 12)"),
        ("tips > abs(fare)", "`abs(fare)` (character 8) is not known here; allowed are columns"),
        ("tips ** 2 > fare", "`tips ** 2` (character 1) is not known here"),
        ("tips > True", "`True` (character 8) is not known here"),
        ("tips[0] > 1", "`tips[0]` (character 1) is not known here"),
        ("__import__('os').system('true')", "is not known here"),
        ("'é' == paid and (lambda: 1)", "`lambda: 1` (character 18) is not known here"),
        ("tips / 0 > 1", "`tips / 0` (character 1) divides by 0"),
        ("tips and fare", "`tips` (character 1) is a number; `and` is for conditions such as `refund > 0`"),
        ("not tips", "`tips` (character 5) is a number; `not` is for conditions"),
        ("paid + 'a' == 'b'", "`'a'` (character 8) is a text; `+` is for numbers"),
        ("tips > 'a'", "compares texts by size; take == or !="),
        ("tips + 1 == 'a'", "`tips + 1 == 'a'` (character 1) compares a number with a text"),
        ("(tips > 1) == (fare > 1)", "compares conditions; join them by and, or, not"),
        ("1 < 2", "`1 < 2` (character 1) compares what is the same in every row"),
        ("3 + 4", "names no column"),
        ("tips > 1e999", "`1e999` (character 8) is a number beyond all that a float holds"),
        ("day > 3", "`day` (character 1) is a date, which cannot be computed with"),
        ("-" * 400 + "tips", "has more than 100 steps inside one another"),
        ("tips > " + "1 + " * 200 + "1", "has 808 characters; 500 are the most"),
        ("", "cannot be read at its end"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place_and_what_is_allowed(text: str, expected: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read_expression(text, {"day": "date"})
    assert expected in str(caught.value)


def test_two_names_are_the_classes_of_false_and_true(tmp_path: Path) -> None:
    contract = load_contract(RIDES)
    assert [contract.label.class_id(value) for value in (False, True)] == [0, 1]
    other_way = changed_contract(
        tmp_path,
        "rides",
        {"{name: small}": "{name: large, when: {equals: true}}", "    - {name: large}": "    - {name: small}"},
    )
    assert [other_way.label.class_names[other_way.label.class_id(value)] for value in (False, True)] == [
        "small",
        "large",
    ]


def test_a_feature_in_the_truth_is_noted_as_what_may_tell_the_answer() -> None:
    (note,) = contract_notes(load_contract(RIDES))
    assert note.startswith("features.fare: the truth is computed from it (`tips > 0.2 * fare`)")


def test_rows_of_a_frame_get_the_computed_truth_and_those_without_are_left_out() -> None:
    frame = ROWS.assign(paid="cash")
    found = with_label(load_contract(RIDES), frame)
    assert found[["big", "tip", "tip_name"]].values.tolist() == [
        [False, 0, "small"], [True, 1, "large"], [False, 0, "small"],
    ]  # fmt: skip
    assert found["big"].dtype == bool


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"made: tips > 0.2 * fare": "made: tips > 0.2 fare"},
         "line 38, label.made: cannot be read at `fare` (character 12)"),
        ({"made: tips > 0.2 * fare": "made: tipps > 0.2 * fare"},
         "label.made: `tipps` is no column of source `rides`; did you mean `tips`?"),
        ({"made: tips > 0.2 * fare": "made: tips / fare"},
         "label.truth.type: is bool, and `label.made` gives a number; write `type: float`"),
        ({"made: tips > 0.2 * fare": "made: big"}, "label.made: `big` is what is computed"),
        ({"made: tips > 0.2 * fare": "made: tips > month"}, "label.made: `month` is the key or the event time"),
        ({"made: tips > 0.2 * fare": "made: paid"}, "label.made: is a text as it was delivered"),
        ({"fare, tips, paid]": "fare, tips, paid, big]"},
         "sources.rides.columns.6: `big` is computed (`label.made`), so no file has it"),
        ({"  made: tips > 0.2 * fare\n": ""}, "label.column: `big` is not a column of source `rides`"),
        ({"{name: large}": "{name: large, when: {above: 1}}"}, "a bool ground truth is true or false"),
        ({"{name: large}": "{name: large, when: {equals: 1}}"}, "a bool ground truth is true or false"),
        ({"{name: large}": "{name: large, when: {equals: true}}\n    - {name: other, when: {equals: false}}"},
         "gives the class small"),
        ({"type: bool}": "type: string, values: [a, b]}", "{name: large}": "{name: large, when: {equals: yes}}"},
         "label.classes.1.when.equals: is yes without quotes, which YAML reads as a truth value; write \"yes\""),
    ],
)  # fmt: skip
def test_mistakes_in_a_computed_truth_are_told(tmp_path: Path, changes: dict[str, str], expected: str) -> None:
    with pytest.raises(ContractError) as caught:
        changed_contract(tmp_path, "rides", changes)
    assert any(expected in problem for problem in caught.value.problems), caught.value.problems


def test_a_bool_truth_may_be_delivered_as_well(tmp_path: Path) -> None:
    contract = changed_contract(
        tmp_path, "rides", {"  made: tips > 0.2 * fare\n": "", "fare, tips, paid]": "fare, big, paid]"}
    )
    assert (contract.label.truth.type, contract.label.class_id(True)) == ("bool", 1)
