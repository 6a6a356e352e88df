"""What is derived from a contract: months, arrival, file names, split, hash."""

import hashlib
from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.contract.elsewhere import Fetch
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from tests.use_case_copies import USE_CASES, copy_insurance


@pytest.mark.parametrize(("number", "name"), [(0, "2023-01"), (11, "2023-12"), (12, "2024-01"), (36, "2026-01")])
def test_months_are_counted_from_the_start(contract: Contract, number: int, name: str) -> None:
    assert contract.period_name(number) == name
    assert contract.period_number(name) == number


def test_periods_are_drawn_or_replayed_and_a_history_that_nobody_names_is_fetched_where_all_sources_are(
    contract: Contract,
) -> None:
    fetched = {name: source.model_copy(update={"fetch": Fetch()}) for name, source in contract.sources.items()}
    kinds = {
        "generator": {"sources": fetched},
        "folder": {"sources": fetched, "generator": None, "history": "history"},
        "fetched": {"sources": fetched, "generator": None},
        "none": {"sources": fetched | {"claims": contract.sources["claims"]}, "generator": None},
    }
    told = {name: contract.model_copy(update=update) for name, update in kinds.items()}
    assert [name for name, one in told.items() if one.history_is_fetched] == ["fetched"]
    assert [name for name, one in told.items() if one.has_history] == ["folder", "fetched"]
    assert [name for name, one in told.items() if one.plays_periods] == ["generator", "folder", "fetched"]


def test_truth_arrives_two_years_later_except_history(contract: Contract) -> None:
    assert [contract.arrives("claims", m) for m in (0, 1, 12, 36)] == [0, 25, 36, 60]
    assert [contract.arrives("policies", m) for m in (0, 1, 12)] == [0, 1, 12]


@pytest.mark.parametrize(
    ("name", "matches"),
    [
        ("policies-2023-01.csv", True),
        ("policies-2023-01.v2.csv", True),
        ("policies-2023-01.csv.part", False),
        ("claims-2023-01.csv", False),
        ("policies-2023.csv", False),
    ],
)
def test_file_names_are_recognised(contract: Contract, name: str, matches: bool) -> None:
    assert bool(contract.sources["policies"].file_pattern.match(name)) is matches


def test_the_split_is_the_documented_hash(contract: Contract) -> None:
    keys = [f"2023-01-{i:04d}" for i in range(1500)]
    held_out = [k for k in keys if int(hashlib.sha256(f"2:{k}".encode()).hexdigest()[:8], 16) % 5 == 0]
    assert [k for k in keys if contract.split.is_eval(k)] == held_out
    assert len(held_out) == 293


def test_the_schema_hash_changes_with_the_shape_of_a_row_only(contract: Contract) -> None:
    age = contract.features["age"].model_copy(update={"valid": (0.0, 120.0)})
    narrower = contract.model_copy(update={"features": {**contract.features, "age": age}})
    retitled = contract.model_copy(update={"title": "Another title"})
    assert narrower.schema_sha256 != contract.schema_sha256
    assert retitled.schema_sha256 == contract.schema_sha256


@pytest.mark.parametrize("name", USE_CASES)
def test_a_contract_comes_back_whole_from_its_json(name: str) -> None:
    written = load_contract(USE_CASES[name] / name / "contract.yaml")
    assert Contract.model_validate_json(written.model_dump_json()) == written


@pytest.mark.parametrize(
    ("feature", "example", "good"),
    [
        ("age", "40", True), ("age", "151", False), ("age", "old", False), ("training", "1", True),
        ("training", "2", False), ("age", "true", False),
    ],
)  # fmt: skip
def test_an_example_is_one_of_the_values_that_are_possible(
    contract: Contract, tmp_path: Path, feature: str, example: str, good: bool
) -> None:
    folder = copy_insurance(tmp_path, {f"  {feature}:\n    desc": f"  {feature}:\n    example: {example}\n    desc"})
    path = folder / "insurance" / "contract.yaml"
    if good:
        assert load_contract(path).schema_sha256 == contract.schema_sha256
    else:
        with pytest.raises(ContractError, match="example"):
            load_contract(path)
