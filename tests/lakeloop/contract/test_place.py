"""Where rows are, in a contract: a column with shapes or coordinates with cells, and an index of the contract's own."""

from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.contract.evolution import changes_between
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from tests.use_case_copies import USE_CASES, with_changes

INDEXED = "{{column: room, shapes: a.json, index: {{title: t, description: d, formula: {}}}}}"
STAYS = (USE_CASES["stays"] / "stays" / "contract.yaml").read_text(encoding="utf-8")


def written(folder: Path, section: str, changes: dict[str, str] | None = None) -> Contract:
    for name in ("rules.py", "features.py", "generator.py"):
        (folder / name).write_text((USE_CASES["stays"] / "stays" / name).read_text())
    path = folder / "contract.yaml"
    path.write_text(with_changes(STAYS, changes or {}) + section)
    return load_contract(path)


def test_without_a_place_a_contract_hashes_to_what_it_did(contract: Contract) -> None:
    assert contract.place is None and "place" not in contract.model_dump() and contract.placed_columns == ()


def test_a_column_of_the_base_may_be_nothing_but_the_place(tmp_path: Path) -> None:
    section = "place: {column: town, shapes: towns.geojson, name: label, by: room}\n"
    changes = {"arrival, room]": "arrival, room, town]"}
    found, before = written(tmp_path, section, changes), written(tmp_path, "")
    assert found.place is not None and found.place.columns == ("town", "room")
    assert found.place.key_property == "town" and found.placed_columns == ("town",)
    town = found.silver_columns("bookings")["town"]
    assert town.type == "string" and town.optional
    assert "town" not in found.features
    weights = {change.where: change.weight for change in changes_between(before, found)}
    assert weights["place"] == "safe" and weights["tables"] == "safe"


def test_coordinates_make_cells_and_may_be_columns_that_are_nothing_else(tmp_path: Path) -> None:
    found = written(tmp_path, "place: {longitude: east, latitude: north, cell: 0.01}\n", {
        "arrival, room]": "arrival, room, east, north]"})  # fmt: skip
    assert found.place is not None and not found.place.has_shapes
    assert found.placed_columns == ("east", "north")


def test_a_feature_is_a_place_without_another_column(tmp_path: Path) -> None:
    found = written(tmp_path, "place: {column: room, shapes: rooms.json, key: kind}\n")
    assert found.place is not None and found.placed_columns == () and found.place.key_property == "kind"
    assert found.schema_sha256 == written(tmp_path, "").schema_sha256


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("{column: room}", "`column` and `shapes` are needed together"),
        ("{longitude: price, latitude: nights}", "`longitude`, `latitude` and `cell` are needed together"),
        ("{by: room}", "say `column` and `shapes` for places with shapes, or"),
        ("{column: room, shapes: a.json, longitude: price, latitude: nights, cell: 1}", "one of the two"),
        ("{longitude: price, latitude: nights, cell: 0}", "greater than 0"),
        ("{longitude: price, latitude: nights, cell: 1, name: x}", "cells have none; leave them out"),
        ("{column: room, shapes: ../rooms.geojson}", "'../rooms.geojson'"),
        ("{column: rom, shapes: a.json}", "`rom` is no column of source `bookings`; did you mean `room`?"),
        ("{column: cancelled, shapes: a.json}", "is the truth, which is not known when the row is"),
        ("{column: booking, shapes: a.json}", "is the key: each row would be a place of its own"),
        ("{column: month, shapes: a.json}", "is the event time, which the map has a slider for"),
        ("{column: price, shapes: a.json}", "`price` is numeric, and a place is a category"),
        ("{column: room, shapes: a.json, by: nights}", "`nights` is numeric, and rows are split by a category"),
        ("{column: room, shapes: a.json, by: room}", "splits the rows of a place by where they are"),
        ("{column: room, shapes: a.json, total: all}", "are of the values of `by`, and there is none"),
        (
            "{column: town, shapes: a.json, by: room, total: suit}",
            "`suit` is no value of `room`; did you mean `suite`?",
        ),
        ("{column: town, shapes: a.json, by: room, by_names: {attic: a}}", "`attic` is no value of `room`; it has "),
        ("{longitude: room, latitude: nights, cell: 1}", "`room` is categorical, and a longitude is a number"),
        (INDEXED.format("price +"), "cannot be read"),
        (INDEXED.format("price > 3"), "gives a condition"),
        (INDEXED.format("prize * 2"), "did you mean `price`?"),
        (INDEXED.format("kept_shar"), "did you mean `kept_share`?"),
    ],
)
def test_a_mistake_is_told_with_its_remedy(tmp_path: Path, section: str, sentence: str) -> None:
    with pytest.raises(ContractError) as found:
        written(tmp_path, f"place: {section}\n")
    assert sentence in str(found.value)
