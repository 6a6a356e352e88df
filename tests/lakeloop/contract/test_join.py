"""What a contract can say of joined sources and of a truth in parts, and each mistake in it."""

from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.contract.evolution import changes_between
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from tests.payments import PARTS
from tests.weather_rides import contract_text

ALL = ("areas", "weather", "holidays")
WEATHER = "{on: {station: pickup}, as_of: at, format: unix_seconds, within: 3 hours}"
AREAS = "{on: {area: pickup}}"


def contract_of(folder: Path, *joined: str, changes: dict[str, str] | None = None) -> Contract:
    path = folder / "contract.yaml"
    path.write_text(contract_text(*joined, changes=changes))
    return load_contract(path)


def problems(folder: Path, changes: dict[str, str]) -> list[str]:
    with pytest.raises(ContractError) as found:
        contract_of(folder, *ALL, changes=changes)
    return [problem.partition(", ")[2] for problem in found.value.problems]


def test_a_feature_comes_from_the_source_that_has_its_column(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, *ALL)
    assert contract.feature_source == "rides"
    assert [contract.source_of(name) for name in contract.features] == [
        "rides", "areas", "areas", "weather", "weather", "holidays"
    ]  # fmt: skip
    assert list(contract.silver_columns("rides")) == [
        "ride", "started", "pickup", "miles", "period", "kind", "people", "celsius", "rain", "holiday"
    ]  # fmt: skip
    types = {name: column.type for name, column in contract.silver_columns("weather").items()}
    assert types == {"station": "string", "at": "timestamp", "celsius": "float", "rain": "bool"}
    assert contract.identity("weather") == ("station", "at") and contract.identity("tips") == ("ride",)
    assert Contract.model_validate_json(contract.model_dump_json()) == contract


def test_a_column_that_two_sources_have_is_taken_from_the_one_the_feature_names(tmp_path: Path) -> None:
    both = {"columns: [ride, started, pickup, miles]": "columns: [ride, started, pickup, miles, rain]"}
    (problem,) = problems(tmp_path, both)
    assert problem == "features.rain: is a column of rides and weather; say `source: rides` or `source: weather`"
    said = {"rain: {description:": "rain: {source: weather, description:"}
    assert contract_of(tmp_path, *ALL, changes=both | said).source_of("rain") == "weather"
    own = contract_of(tmp_path, *ALL, changes=both | {"rain: {description:": "rain: {source: rides, description:"})
    assert own.source_of("rain") == "rides" and list(own.joined_features("weather")) == ["celsius"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (AREAS, "{on: {area: pickup}, earlier: true}",
         ["sources.areas.join: `earlier` says that a row of the same time does not count; say `as_of`, or leave it "
          "out"]),
        (AREAS, "{on: {area: pick}}",
         ["sources.areas.join.on: `pick` is no column of `rides`, which has the event time; did you mean `pickup`?"]),
        (AREAS, "{on: {zone: pickup}}",
         ["sources.areas.columns: `area` is neither a feature nor what its rows are met by",
          "sources.areas.join.on: `zone` is no column of `areas`; it has area, kind, people"]),
        (AREAS, "{on: {area: miles}}",
         ["sources.areas.join.on: `miles` is a float; rows are met by texts, whole numbers"]),
        (AREAS, "{on: {area: started}}",
         ["sources.areas.join.on: `area` meets `started`, which is a moment; say `as_of: area`, or meet its period"]),
        (AREAS, "{on: {area: tip}}", ["sources.areas.join.on: `tip` is the truth"]),
        (AREAS, "{on: {area: pickup}, within: 1 day}", ["sources.areas.join: `within` says how old"]),
        (AREAS, "{on: {area: pickup}, format: date}", ["sources.areas.join.format: says how `as_of` is written"]),
        (AREAS, "{on: []}", ["sources.areas.join.on: is"]),
        (WEATHER, "{on: {station: pickup}, as_of: station}",
         ["sources.weather.join: `station` stands in `on` and is `as_of`"]),
        (WEATHER, "{on: {station: pickup}, as_of: at, within: soon}",
         ["sources.weather.join.within: is 'soon'; write a number"]),
        ("source: tips", "source: areas", ["label.source: is a joined source"]),
        ("rain: {description:", "rain: {source: tips, description:",
         ["features.rain.source: is 'tips', which has no such column"]),
        ("requests: {", "generator: draw.py\nrequests: {", ["generator: draws the rows of one table"]),
    ],
)  # fmt: skip
def test_a_mistake_says_what_is_allowed(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    found = problems(tmp_path, {old: new})
    for sentence in expected:
        assert any(problem.startswith(sentence) for problem in found), found


def test_another_way_to_meet_is_told_before_it_happens(tmp_path: Path) -> None:
    before, after = (
        contract_of(tmp_path, *ALL),
        contract_of(tmp_path, *ALL, changes={"within: 3 hours": "within: 1 day"}),
    )
    told = {change.where: change for change in changes_between(before, after)}
    assert told["sources.weather.join.within"].weight == "retrain" and "tables" in told


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("combine: sum, part: payment", "combine: sum", "label.truth: `combine: sum` needs `part`"),
        ("combine: sum, part: payment", "part: payment", "label.truth: `part` tells parts apart that are combined"),
        ("combine: sum, part: payment", "combine: any, part: payment", "label.truth: `combine: any` gives bool, and"),
        ("part: payment", "part: pay", "label.truth.part: `pay` is no column of source `payments`"),
        ("part: payment", "part: claim", "label.truth.part: `claim` is the key"),
        ("combine: sum", "combine: count", "sources.payments.columns.2: `paid` is the number of parts"),
    ],
)  # fmt: skip
def test_parts_must_be_told_apart_and_come_to_a_value_of_the_type(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert PARTS.count(old) == 1
    path = tmp_path / "contract.yaml"
    path.write_text(PARTS.replace(old, new))
    with pytest.raises(ContractError) as found:
        load_contract(path)
    assert any(expected in problem for problem in found.value.problems), found.value.problems
