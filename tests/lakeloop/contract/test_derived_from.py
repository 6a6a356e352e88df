"""`derived_from` in a contract: what it may name, and where a mistake in it is told."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lakeloop.contract import Contract
from lakeloop.contract.evolution import changes_between
from lakeloop.contract.section import sequences_as_tuples
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from operations.open_data_contract.exporting import as_standard
from operations.open_data_contract.importing import contract_of
from tests.use_case_copies import USE_CASES, with_changes

STAYS = USE_CASES["stays"] / "stays"


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[dict[str, str]], Contract]:
    """The use case's contract with passages replaced, its own code beside it."""

    def load(changes: dict[str, str]) -> Contract:
        folder = shutil.copytree(STAYS, tmp_path / "stays", dirs_exist_ok=True)
        (folder / "contract.yaml").write_text(with_changes((STAYS / "contract.yaml").read_text(), changes))
        return load_contract(folder / "contract.yaml")

    return load


def test_derived_features_are_features_that_no_file_and_no_request_has() -> None:
    contract = load_contract(STAYS / "contract.yaml")
    assert list(contract.derived_features) == ["price_a_night", "days_ahead"]
    assert list(contract.given_features) == ["price", "nights", "booked", "arrival", "room"]
    assert contract.feature_source == contract.source_of("days_ahead") == "bookings"
    assert not {"price_a_night", "days_ahead"} & set(contract.columns_of("bookings"))
    assert {"price_a_night", "days_ahead"} <= set(contract.silver_columns("bookings"))
    assert not {"Price of one night", "price_a_night"} & set(contract.words)


@pytest.mark.parametrize(
    ("old", "new", "place", "problem"),
    [
        ("[price, nights]", "[price, night]", "features.price_a_night.derived_from.1",
         "'night' is not a feature; did you mean `nights`?"),
        ("[price, nights]", "[price, days_ahead]", "features.price_a_night.derived_from.1",
         "`days_ahead` is derived, too; name what that is made of, and call its function"),
        ("[price, nights]", "[price_a_night, nights]", "features.price_a_night.derived_from.0",
         "`price_a_night` is what is made; name what it is made of"),
        ("[price, nights]", "[price, price]", "features.price_a_night",
         "`derived_from` names a feature twice: price, price"),
        ("[price, nights]", "[]", "features.price_a_night.derived_from", "is empty; 1 or more are needed"),
        ("booked, arrival, room]", "booked, arrival, room, days_ahead]", "sources.bookings.columns",
         "`days_ahead` is derived from other features, so no file has it; leave it out, or `derived_from` where files"),
        ("    derived_from: [price, nights]", "    derived_from: [price, nights]\n    source: bookings",
         "features.price_a_night", "`source` is for a feature that files and requests have"),
        ("  price_a_night:", "  price_one_night:", "features.price_one_night.derived_from",
         "has no function `price_one_night`"),
        ("[booking, month, price, nights,", "[booking, month, price,", "features.nights",
         "is not a column of source `bookings`, which has the event time; add it"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_where_it_is(
    changed: Callable[[dict[str, str]], Contract], old: str, new: str, place: str, problem: str
) -> None:
    changes = {old: new}
    if old == "  price_a_night:":
        changes |= {"{price_a_night: {at_least": "{price_one_night: {at_least"}
    with pytest.raises(ContractError) as told:
        changed(changes)
    assert any(f", {place}: " in one and problem in one for one in told.value.problems), told.value.problems


def test_what_comes_from_a_joined_source_is_not_there_yet(tmp_path: Path) -> None:
    joined = """  weather:
    description: Weather
    files: weather-{month}.csv
    columns: [month, sun]
    join: {on: [month]}
"""
    text = (STAYS / "contract.yaml").read_text()
    text = with_changes(text, {
        "  outcomes:\n": f"{joined}  outcomes:\n", "[price, nights]": "[price, sun]", "generator: generator.py\n": "",
        "  room:\n": "  sun: {description: Hours of sun, type: float, role: numeric, valid: [0, 24]}\n  room:\n",
    })  # fmt: skip
    shutil.copytree(STAYS, tmp_path / "stays")
    (tmp_path / "stays" / "contract.yaml").write_text(text)
    with pytest.raises(ContractError, match=r"derived_from\.1: `sun` comes from a joined source"):
        load_contract(tmp_path / "stays" / "contract.yaml")


def test_a_file_that_is_not_there_is_told_at_the_feature(tmp_path: Path) -> None:
    shutil.copytree(STAYS, tmp_path / "stays")
    (tmp_path / "stays" / "features.py").unlink()
    with pytest.raises(ContractError, match=r"features.days_ahead.derived_from: .*features.py does not exist"):
        load_contract(tmp_path / "stays" / "contract.yaml")


def test_what_a_change_does_is_told(changed: Callable[[dict[str, str]], Contract]) -> None:
    now = load_contract(STAYS / "contract.yaml")
    before = changed({"[price, nights]": "[nights, price]"})
    (derived, _) = changes_between(before, now)
    assert (derived.where, derived.weight) == ("features.price_a_night.derived_from", "retrain")
    without = before.model_copy(update={"features": {n: f for n, f in before.features.items() if n != "days_ahead"}})
    added = next(change for change in changes_between(without, now) if change.where == "features.days_ahead")
    assert added.weight == "safe" and "requests stay as they are" in added.effect
    gone = next(change for change in changes_between(now, without) if change.where == "features.days_ahead")
    assert gone.weight == "breaks" and "rules answer until" in gone.effect and "still send" not in gone.effect
    delivered = changed({"    derived_from: [price, nights]\n": "", "price, nights,": "price, nights, price_a_night,"})
    weights = {c.where: c.weight for c in changes_between(delivered, now)}
    assert weights["features.price_a_night.derived_from"] == "breaks"


def test_it_survives_the_open_data_contract_standard() -> None:
    before = load_contract(STAYS / "contract.yaml")
    text = contract_of(as_standard(STAYS / "contract.yaml"))
    assert "derived_from: [price, nights]" in text and "derived:" not in text
    assert before == Contract.model_validate(sequences_as_tuples(yaml.safe_load(text)))
