"""When a table is scored by itself: told by the contract, off where it says nothing."""

from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from lakeloop.use_case import CONTRACT_FILE
from tests.use_case_copies import copy_insurance


def written(folder: Path, section: str) -> Contract:
    path = copy_insurance(folder) / "insurance" / CONTRACT_FILE
    path.write_text(path.read_text() + section)
    return load_contract(path)


def test_it_is_off_by_default_and_then_in_no_record(contract: Contract) -> None:
    assert contract.scoring is None and "scoring" not in contract.model_dump()
    assert contract.scored_table == "silver/policies"


def test_table_time_and_file_are_said(tmp_path: Path) -> None:
    found = written(tmp_path, "scoring: {table: gold/training, every: 1 day, file: parquet}\n")
    assert found.scoring is not None and found.scored_table == "gold/training"
    assert (found.scoring.every, found.scoring.after, found.scoring.file) == ("1 day", None, "parquet")


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("scoring: {file: csv}", "say when: `every`, such as `every: 1 day`, or `after: gold`"),
        ("scoring: {every: 1 day, after: gold}", "one of the two"),
        ("scoring: {after: model, table: training}", "`table` is 'training'; write its layer, too"),
        ("scoring: {after: gold, table: silver/polices}", "'silver/polices' has not key and features; did you mean"),
        ("scoring: {after: gold, table: silver/claims}", "did you mean `silver/policies`?"),
        ("scoring: {after: gold, table: gold/drift}", "those that have: silver/policies, silver/predictions, gold/"),
        ("scoring: {every: daily}", "write a time such as 15 minutes, 1 hour or 2 days"),
        ("scoring: {after: silver}", "gold"),
        ("scoring: {after: gold, fille: csv}", "did you mean `file`?"),
    ],
)
def test_a_mistake_is_told_with_its_remedy(tmp_path: Path, section: str, sentence: str) -> None:
    with pytest.raises(ContractError) as found:
        written(tmp_path, f"{section}\n")
    assert sentence in str(found.value)
