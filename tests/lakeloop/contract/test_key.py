"""Keys that are delivered, joined of columns, or made: what a contract says of them, and what is wrong with one."""

from pathlib import Path

import pytest

from lakeloop.catalogue import catalogue_markdown
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from lakeloop.settings import PROJECT
from tests.use_case_copies import changed_contract

INSURANCE_SHA256 = "59c1832d0a7a46ca2714eb7b253dce7ce6f470d6c3b8947841ad97d45995e305"
CHURN_SHA256 = "bd9459790d6e043fbc3fd9d53d56dd7b18eeed6ca6313bc99e133ab83652a080"
FOLDER = PROJECT / "tests" / "use_cases"


HASHED = {"key: {column: customer, description: Customer number}": "key: {made: row_hash}", "[customer, ": "["}


def test_a_key_of_several_columns_is_one_text_column_of_every_source() -> None:
    contract = load_contract(FOLDER / "noise" / "contract.yaml")
    assert contract.key.column == "row_key"
    assert contract.feature_source == "traffic"
    assert list(contract.columns_of("traffic")) == ["row_key", "district", "month", "cars", "area"]
    assert {name: column.type for name, column in contract.columns_of("complaints").items()} == {
        "row_key": "string", "month": "string", "complaints": "int", "district": "string",
    }  # fmt: skip
    said = "**Key** `row_key` (made when rows come into bronze, columns: district, month)"
    assert said in catalogue_markdown(contract)


def test_a_made_key_needs_nothing_but_the_word(tmp_path: Path) -> None:
    contract = changed_contract(tmp_path, "churn", HASHED)
    assert (contract.key.column, contract.key.description) == (
        "row_key", "Hash over the delivered values of the row",
    )  # fmt: skip
    assert list(contract.columns_of("customers")) == ["row_key", "period", "plan", "usage", "left"]


def test_the_schema_hash_tells_keys_that_are_made_otherwise_apart(tmp_path: Path) -> None:
    delivered = load_contract(FOLDER / "churn" / "contract.yaml")
    hashed = changed_contract(tmp_path, "churn", HASHED)
    lines = hashed.model_copy(update={"key": hashed.key.model_copy(update={"made": "file_line"})})
    assert len({delivered.schema_sha256, hashed.schema_sha256, lines.schema_sha256}) == 3


@pytest.mark.parametrize(
    ("use_case", "changes", "expected"),
    [
        ("noise", {"columns: [month, complaints, district]": "columns: [month, complaints]"},
         "sources.complaints.columns: `district` is missing, a part of the key; every source must deliver it"),
        ("noise", {"{columns: [district, month]}": "{columns: [district]}"}, "write `column: district` instead"),
        ("noise", {"{columns: [district, month]}": "{columns: [district, month, month]}"}, "names a column twice"),
        ("noise", {"{columns: [district, month]}": "{columns: [district, month], made: row_hash}"}, "leave one out"),
        ("noise", {"{columns: [district, month]}": "{columns: [district, month, complaints]}"},
         "key.columns.2: `complaints` is the truth, which requests do not know"),
        ("noise", {"{columns: [district, month]}": "{made: row_hash}"},
         "key.made: a row_hash is another one in every file, so the rows of traffic, complaints would never meet"),
        ("noise", {"columns: [district, month, cars, area]": "columns: [row_key, district, month, cars, area]"},
         "sources.traffic.columns.0: `row_key` is the key, which is made when rows come in"),
        ("noise", {"{columns: [district, month]}": "{columns: [district, month], column: cars}"},
         "features.cars: is also the key"),
        ("noise", {"{columns: [district, month]}": "{column: district}"}, "key.description: is missing"),
        ("noise", {"{columns: [district, month]}": "{description: The district}"}, "key.column: is missing"),
        ("churn", {**HASHED, "key: {column: customer, description: Customer number}": "key: {made: rowhash}"},
         "key.made: is 'rowhash'; allowed: 'row_hash' or 'file_line'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_key_is_told(
    tmp_path: Path, use_case: str, changes: dict[str, str], expected: str
) -> None:
    with pytest.raises(ContractError) as caught:
        changed_contract(tmp_path, use_case, changes)
    assert any(expected in problem for problem in caught.value.problems), caught.value.problems


def test_contracts_with_a_delivered_key_keep_their_hash() -> None:
    """Another hash would make silver and gold of every home anew."""
    assert load_contract(FOLDER / "churn" / "contract.yaml").schema_sha256 == CHURN_SHA256
    assert load_contract(PROJECT / "data" / "insurance" / "contract.yaml").schema_sha256 == INSURANCE_SHA256
