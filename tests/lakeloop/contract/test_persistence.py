"""`label.naive`: which feature says what a row has now, and what of its values are answers."""

from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from tests.lakeloop.contract.test_label import changed


def test_a_number_is_what_the_feature_says(tmp_path: Path) -> None:
    contract = load_contract(changed(tmp_path, source="source: counts\n  naive: hour"))
    assert contract.persistence is not None and contract.persistence.answers([7, 9]).tolist() == [7.0, 9.0]
    assert Contract.model_validate_json(contract.model_dump_json()) == contract


def test_a_label_without_it_has_none_and_its_record_is_as_before(contract: Contract) -> None:
    assert contract.persistence is None and "naive" not in contract.label.model_dump()


@pytest.mark.parametrize(
    ("naive", "told"),
    [
        ("temprature", "label.naive: `temprature` is no feature: it says what a row has now; did you mean "
         "`temperature`?"),
        ("sky", "label.naive: `sky` is string, and the truth is int; take a feature that can say the same"),
    ],
)  # fmt: skip
def test_a_feature_that_is_no_answer_is_a_mistake(tmp_path: Path, naive: str, told: str) -> None:
    with pytest.raises(ContractError) as error:
        load_contract(changed(tmp_path, source=f"source: counts\n  naive: {naive}"))
    assert told in str(error.value)
