"""`label.ahead`: the truth of a row is a later row's, which its key must lead to."""

from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.contract.contract import AHEAD
from lakeloop.contract.evolution import changes_between
from lakeloop.contract.notes import contract_notes
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from tests.use_case_copies import USE_CASES, with_changes

SHOPS = USE_CASES["shops"] / "shops" / "contract.yaml"


@pytest.fixture
def shops() -> Contract:
    return load_contract(SHOPS)


def changed(folder: Path, changes: dict[str, str]) -> Path:
    path = folder / "contract.yaml"
    path.write_text(with_changes(SHOPS.read_text(), changes))
    return path


def test_a_row_and_its_truth_are_a_period_apart(shops: Contract) -> None:
    assert (shops.ahead, shops.truth_delay, shops.truth_table) == (1, 1, AHEAD)
    assert shops.earlier_key("s0001|2014") == "s0001|2013"
    assert (shops.truth_arrives(0), shops.truth_arrives(3), shops.arrives("accounts", 3)) == (1, 4, 3)
    assert list(shops.silver_columns(AHEAD)) == ["row_key", "turnover_ahead"]
    assert shops.label.truth_column == "turnover_ahead" and not shops.silver_columns("accounts")["turnover"].optional


def test_what_the_row_has_now_is_what_a_model_has_to_beat(shops: Contract) -> None:
    assert shops.persistence is not None and shops.persistence.feature == "turnover"
    assert shops.persistence.answers([84.9, 85.0, 115.0]).tolist() == [0, 1, 2]
    assert list(contract_notes(shops)) == []


def test_the_key_says_where_its_period_stands(tmp_path: Path) -> None:
    turned = load_contract(changed(tmp_path, {"columns: [shop, year]}": "columns: [year, shop]}"}))
    assert turned.earlier_key("2014|s0001") == "2013|s0001"


def test_a_label_of_the_same_period_hashes_as_before(contract: Contract, shops: Contract) -> None:
    for one in (contract, shops):
        assert Contract.model_validate_json(one.model_dump_json()) == one
    assert "ahead" not in contract.label.model_dump() and contract.truth_table == contract.label.source
    other = shops.model_copy(update={"label": shops.label.model_copy(update={"ahead": 2})})
    assert other.schema_sha256 != shops.schema_sha256
    assert {change.where: change.weight for change in changes_between(shops, other)}["label.ahead"] == "breaks"


def test_a_truth_that_is_no_feature_may_be_missing_and_is_told(tmp_path: Path) -> None:
    text = {"orders, staff]": "orders, staff, won]", "  column: turnover\n": "  column: won\n"}
    found = load_contract(changed(tmp_path, text))
    assert found.silver_columns("accounts")["won"].optional and found.persistence is None
    (note,) = contract_notes(found)
    assert note.startswith("label.ahead: no feature says what a row has now") and "make `won` a feature" in note


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"key: {columns: [shop, year]}": "key: {column: shop, description: Shop}"},
         "label.ahead: the later row of a thing is found by the key, which must say the period: write `key: {columns: "
         "[what tells things apart, year]}`"),
        ({"period: year,": "period: year, format: date,"},
         "event_time.format: is a time, and `ahead` finds the later row by the name of its period in the key"),
        ({"history: history": "generator: generator.py"}, "generator: draws a row's truth beside it"),
        ({"  ordered: true": "  ordered: true\n  naive: turnovr"}, "label.naive: `turnovr` is no feature"),
        ({"unit: kEUR, valid: [0, 1000]}\n  ordered": "unit: kEUR, valid: [0, 900]}\n  ordered"},
         "label.truth.valid: `turnover` now and later are one column: `valid` is [0, 1000] of the feature"),
        ({"  ahead: 1": "  ahead: 0"}, "label.ahead: is 0"),
        ({"  accounts:\n": "  ahead:\n", "source: accounts": "source: ahead"},
         "sources.ahead: `ahead` is a table of the lake itself"),
        ({"  column: turnover\n": "  column: sales\n"}, "label.column: `sales` is not a column of source `accounts`"),
        ({"features:\n": "  later:\n    description: Later\n    files: later-{year}.csv\n    "
          "columns: [shop, year, won]\nfeatures:\n",
          "source: accounts\n  column: turnover": "source: later\n  column: won"},
         "label.source: is 'later', and `ahead` takes the truth from later rows of the source that has the event time; "
         "write `source: accounts`"),
    ],
)  # fmt: skip
def test_what_leads_to_no_later_row_is_a_mistake(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    path = changed(tmp_path, changes)
    (tmp_path / "generator.py").write_text("")
    with pytest.raises(ContractError) as error:
        load_contract(path)
    assert told in str(error.value)
