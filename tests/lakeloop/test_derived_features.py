"""Derived features: what a function's results mean, and what is told of one that is wrong."""

import pickle
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lakeloop.contract import Contract
from lakeloop.derived_features import Derivation, derivation_of, rows_shape_sha256, try_derived, with_derived
from lakeloop.drawn_rows import drawn_period, sample_period
from lakeloop.exceptions import OwnCodeError
from lakeloop.own_files import own_code_problems, own_files
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from tests.use_case_copies import USE_CASES

PRICE = "def price_a_night(price, nights):\n    return {}\n\n\ndef days_ahead(booked, arrival):\n    return 1\n"


@pytest.fixture
def stays(tmp_path: Path) -> UseCase:
    return open_use_case(load_settings(home=tmp_path, use_case="stays", use_cases=USE_CASES["stays"]))


@pytest.fixture
def with_code(stays: UseCase, tmp_path: Path) -> Callable[[str], Derivation]:
    """The use case's derivation by other code."""

    def made(code: str) -> Derivation:
        path = tmp_path / "code" / "features.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        return Derivation(path, stays.contract)

    return made


def row(**changes: Any) -> dict[str, Any]:
    return {"price": 100.0, "nights": 4, "booked": date(2024, 1, 1), "arrival": date(2024, 2, 1)} | changes


def changed(contract: Contract, name: str, **words: Any) -> Contract:
    feature = contract.features[name].model_copy(update=words)
    return contract.model_copy(update={"features": {**contract.features, name: feature}})


def test_each_is_made_by_the_function_of_its_name(stays: UseCase) -> None:
    derivation = derivation_of(stays)
    assert derivation is not None
    assert derivation.of(row()) == ({"price_a_night": 25.0, "days_ahead": 31}, [])
    assert pickle.loads(pickle.dumps(derivation)).of(row()) == derivation.of(row())


def test_a_missing_input_makes_it_missing_unless_the_function_says_what_then(
    with_code: Callable[[str], Derivation],
) -> None:
    assert with_code(PRICE.format("price / nights")).of(row(nights=None, arrival=None))[0] == {
        "price_a_night": None, "days_ahead": None
    }  # fmt: skip
    said = with_code(PRICE.format("price / nights").replace("nights):", "nights=2):"))
    assert said.of(row(nights=None))[0]["price_a_night"] == 50.0


@pytest.mark.parametrize(
    ("result", "value"),
    [
        ("price / 0", None),
        ("float('inf')", None),
        ("float('nan')", None),
        ("10 ** 400", None),
        ("__import__('decimal').Decimal(1) / 0", None),
        ("7", 7.0),
        ("__import__('numpy').float32(0.5)", 0.5),
        ("__import__('fractions').Fraction(1, 4)", 0.25),
        ("None", None),
    ],
)
def test_what_has_no_finite_value_is_missing_and_numbers_of_any_kind_are_numbers(
    with_code: Callable[[str], Derivation], result: str, value: float | None
) -> None:
    found, problems = with_code(PRICE.format(result)).of(row())
    assert problems == [] and found["price_a_night"] == value and type(found["price_a_night"]) is type(value)


def test_a_required_one_without_a_value_names_what_it_is_made_of(stays: UseCase) -> None:
    required = changed(stays.contract, "price_a_night", missing="reject")
    found, (problem,) = Derivation(stays.own_folder / "features.py", required).of(row(nights=0))
    assert found["price_a_night"] is None
    assert problem.kind == "`price_a_night` is missing; it is derived from price, nights"
    assert problem.value == "price = 100.0, nights = 0"


@pytest.mark.parametrize(
    ("result", "kind", "value"),
    [
        ("str(price)", "`price_a_night` is no float: features.py, line 1, gave a str", "price_a_night = '100.0'"),
        ("[price] * 40", "`price_a_night` is no float: features.py, line 1, gave a list", None),
        ("True", "`price_a_night` is no float: features.py, line 1, gave a bool", "price_a_night = True"),
        ("{}['rate']", "`price_a_night` is not known: features.py, line 2, KeyError",
         "'rate'; price = 100.0, nights = 4"),
        ("exit(price)", "`price_a_night` is not known: features.py, line 2, ended itself",
         "100.0; price = 100.0, nights = 4"),
        ("-price", "`price_a_night` is outside 0 to 2000 EUR; it is derived from price, nights",
         "price_a_night = -100.0; price = 100.0, nights = 4"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_sentence_that_is_the_same_in_all_such_rows(
    with_code: Callable[[str], Derivation], result: str, kind: str, value: str | None
) -> None:
    found, (problem,) = with_code(PRICE.format(result)).of(row())
    assert (found["price_a_night"], found["days_ahead"], problem.kind) == (None, 1, kind)
    assert len(problem.value) < 100 if value is None else problem.value == value


def test_a_whole_number_a_text_a_decimal_and_a_moment_are_what_the_contract_says(
    stays: UseCase, tmp_path: Path
) -> None:
    path = tmp_path / "features.py"
    code = "from datetime import datetime\n\n\n" + PRICE
    given = {
        ("int", "3.0"): 3, ("int", "3.5"): "gave a number that is not whole", ("string", "''"): None,
        ("string", "'ä\\0'"): "a text with a NUL character", ("decimal", "0.1"): Decimal("0.1000000000"),
        ("timestamp", "datetime(2024, 1, 1)"): "gave a datetime without a time zone",
        ("date", "datetime(2024, 1, 1)"): "gave a datetime", ("date", "booked"): "NameError",
    }  # fmt: skip
    for (kind, result), wanted in given.items():
        contract = changed(stays.contract, "price_a_night", type=kind, valid=None)
        path.write_text(code.format(result))
        found, problems = Derivation(path, contract).of(row())
        if isinstance(wanted, str):
            assert wanted in problems[0].kind, kind
        else:
            assert (found["price_a_night"], problems) == (wanted, []), kind


@pytest.mark.parametrize(
    ("code", "line", "problem"),
    [
        ("import pandas9\n", 1, "ModuleNotFoundError: No module named 'pandas9'; install"),
        ("def price_a_night(price, nights):\n    return 1 +\n", 2, "SyntaxError: invalid syntax"),
        ("x = 1\n", 0, "it has no function `price_a_night`; write `def price_a_night(…):`"),
        ("\ndef price_a_night(price):\n    return 1\n", 2,
         "`price_a_night` is derived from price, nights by the contract: got an unexpected keyword argument 'nights'; "
         "write `def price_a_night(price, nights):`"),
        (PRICE.format("1").replace("(booked, arrival)", "(booked, arrival, room)"), 5,
         "`days_ahead` is derived from booked, arrival by the contract: missing a required argument: 'room'; write "
         "`def days_ahead(booked, arrival):`"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_told_with_its_line(
    with_code: Callable[[str], Derivation], code: str, line: int, problem: str
) -> None:
    with pytest.raises(OwnCodeError) as told:
        with_code(code)
    assert (told.value.file.name, told.value.line) == ("features.py", line)
    assert told.value.problem.startswith(problem)


def test_a_check_of_the_contract_tries_each_on_ordinary_values(stays: UseCase, tmp_path: Path) -> None:
    path = tmp_path / "features.py"
    path.write_text(PRICE.format("[price, nights]"))
    with pytest.raises(OwnCodeError, match=r"line 1: on ordinary values `price_a_night` is no float.* gave a list"):
        try_derived(path, stays.contract)
    assert "gave a list" in own_code_problems(tmp_path, stays.contract)["features.py"]
    assert own_code_problems(stays.own_folder, stays.contract)["features.py"] == ""


def test_nobody_fails_on_a_text_of_which_no_ordinary_value_is_known(stays: UseCase, tmp_path: Path) -> None:
    path, contract = tmp_path / "features.py", changed(stays.contract, "room", values=None, role="text")
    contract = changed(contract, "price_a_night", derived_from=("room",))
    path.write_text(
        "def price_a_night(room):\n    return int(room[1:])\n\n\ndef days_ahead(booked, arrival): return 1\n"
    )
    try_derived(path, contract)


def test_a_file_that_nothing_is_made_by_is_told(stays: UseCase, tmp_path: Path) -> None:
    (tmp_path / "features.py").write_text("x = 1\n")
    plain = stays.contract.model_copy(update={"features": stays.contract.given_features})
    assert "nothing is made by it" in own_code_problems(tmp_path, plain)["features.py"]


def test_drawn_rows_have_them_and_what_is_delivered_has_not(stays: UseCase) -> None:
    rows = sample_period(stays, 0)
    by_hand = (rows["price"] / rows["nights"]).where(rows["nights"] > 0)
    assert rows["price_a_night"].equals(by_hand) and rows["price_a_night"].isna().any()
    assert rows["days_ahead"].isna().equals(rows["arrival"].isna())
    assert not {"price_a_night", "days_ahead"} & set(drawn_period(stays, 0))


def test_rows_that_silver_rejects_are_not_among_drawn_ones(stays: UseCase) -> None:
    rows = sample_period(stays, 0)[list(stays.contract.given_features)].head(3)
    rows.loc[1, "arrival"] = rows.loc[1, "booked"] - 86_400
    assert len(with_derived(stays, rows)) == 2


def test_its_hash_is_part_of_what_rows_are_made_by(stays: UseCase, tmp_path: Path) -> None:
    copy = tmp_path / "cases" / "stays"
    copy.mkdir(parents=True)
    for file in ("contract.yaml", "features.py", "rules.py", "generator.py"):
        (copy / file).write_bytes((stays.own_folder / file).read_bytes())
    case = open_use_case(load_settings(home=tmp_path, use_case="stays", use_cases=copy.parent))
    before = rows_shape_sha256(case)
    assert before == rows_shape_sha256(stays) != stays.contract.schema_sha256
    (copy / "features.py").write_text((copy / "features.py").read_text() + "\nMORE = 1\n")
    assert rows_shape_sha256(case) != before
    assert own_files(copy)["features.py"].sha256 != own_files(stays.own_folder)["features.py"].sha256


def test_a_use_case_without_any_is_as_before(tmp_path: Path) -> None:
    churn = open_use_case(load_settings(home=tmp_path, use_case="churn", use_cases=USE_CASES["churn"]))
    assert derivation_of(churn) is None and rows_shape_sha256(churn) == churn.contract.schema_sha256
