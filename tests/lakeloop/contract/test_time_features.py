"""Dates, times, decimals and crosses in a contract: what they are given, and which mistakes are told."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakeloop.contract import Contract
from lakeloop.contract.evolution import changes_between
from lakeloop.contract.time_features import DAY_SECONDS, read_time, seconds_of, value_of, zone_offsets
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from tests.event_times import READ, UNREADABLE
from tests.use_case_copies import USE_CASES, with_changes

CONTRACT = USE_CASES["orders"] / "orders" / "contract.yaml"


@pytest.fixture(scope="module")
def orders() -> Contract:
    return load_contract(CONTRACT)


def changed(folder: Path, *changes: tuple[str, str]) -> Contract:
    """The orders' contract with texts replaced."""
    target = folder / "orders" / "contract.yaml"
    target.parent.mkdir(exist_ok=True)
    for name in ("rules.py", "generator.py"):
        (target.parent / name).write_text((CONTRACT.parent / name).read_text())
    target.write_text(with_changes(CONTRACT.read_text(), dict(changes)))
    return load_contract(target)


def mistakes(folder: Path, *changes: tuple[str, str]) -> str:
    with pytest.raises(ContractError) as error:
        changed(folder, *changes)
    return str(error.value)


def test_what_is_left_out_is_what_most_want(orders: Contract, tmp_path: Path) -> None:
    plain = changed(tmp_path, ("role: time, format: unix_seconds,\n           parts: [year, month]}", "role: time}"))
    opened = plain.features["opened"]
    assert opened.parts == ("hour", "weekday", "month") and not opened.cyclic and opened.written == "timestamp"
    assert opened.drift.test == "jensenshannon"
    assert {name: feature.carried_as for name, feature in orders.features.items()} == {
        "ordered": "int", "born": "int", "booked": "int", "opened": "int", "price": "float", "amount": "int",
        "shop": "string", "express": "int",
    }  # fmt: skip
    assert [cross.name for cross in orders.crosses] == ["shop_by_express", "amount_by_shop"]
    assert orders.crosses[1].hash_buckets == 100
    assert type(orders).model_validate_json(orders.model_dump_json()) == orders


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("format: unix_seconds,", "format: often,", "`format` is 'often'; allowed: date, timestamp, unix_seconds"),
        ('format: "%d.%m.%Y", parts', "format: timestamp, parts", "is timestamp, which says a moment; take `type: "),
        ('format: "%d.%m.%Y", parts', 'format: "%m.%Y", parts', "which says no day, and it is a date; it needs %d"),
        ("parts: [age_days, year]", "parts: [hour]", "a date has no hour"),
        ("parts: [age_days, year]", "parts: []", "`parts` has none"),
        ("parts: [age_days, year]", "parts: [year, year]", "names year twice"),
        ("parts: [age_days, year]", "parts: [year], cyclic: true", "is for parts that come round again"),
        ("missing: category}\n  opened", "missing: zero}\n  opened", "a time has no zero"),
        ("type: decimal, role: numeric", "type: decimal, role: categorical", "a categorical feature is of type string"),
        ("type: date, role: time", "type: date, role: numeric", "a date has `role: time`"),
        ("type: int, role: numeric", "type: int, role: time", "a time feature is of type date or timestamp"),
        ('example: "1980-05-17"', 'example: "17.05.1980"', "write a date, such as 2024-01-31, in quotes"),
        ("type: date, role: time", "type: date, role: time, values: [1]", "a date has no `valid` and no `values`"),
        ("Came back, type: bool}", "Came back, type: date}", "a date is for features; a truth"),
        ("[shop, express]", "[shop, born]", "`born` is a time feature, which is no single category"),
        ("[shop, express]", "[shop, price]", "`price` is a number, whose values are too many to be taken together"),
        ("[shop, express]", "[shop, expres]", "'expres' is not a feature; did you mean `express`?"),
        ("[shop, express]", "[shop, shop]", "`columns` names a feature twice"),
        ("[shop, express]", "[amount, shop]", "the cross of amount and shop stands there twice"),
        ("parts: [hour, weekday, month], cyclic: true", "parts: [age_days]", "for the event time itself is always 0"),
        ("type: timestamp, role: time, parts: [hour, weekday", "type: date, role: time, parts: [weekday",
         "is date, and the event time is a moment"),
        ('segments: ["born > 2010-01-01"]', 'segments: ["born > 2010"]', "compare it with one in ISO 8601"),
        ('segments: ["born > 2010-01-01"]', "ranges: {born: {at_least: 0, below: 1}}", "is a date, which has no range"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_what_is_allowed(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert told in mistakes(tmp_path, (old, new))


def test_an_age_needs_an_event_time_that_the_model_is_told(tmp_path: Path) -> None:
    line = next(line for line in CONTRACT.read_text().splitlines() if line.startswith("  ordered:"))
    told = mistakes(tmp_path, (line + "\n", ""))
    assert (
        told.count("`age_days` is the time to the row's event time, which the model is not told; make `ordered`") == 2
    )
    periods = ('format: "%d.%m.%Y %H:%M", timezone', "timezone")
    told = mistakes(tmp_path, periods, (line + "\n", ""))
    assert "deliver times, say their `event_time.format`, and make `ordered` a feature, too" in told
    assert "is given as periods and is no model input so" in mistakes(tmp_path, periods)


def test_texts_of_features_are_read_as_event_times_are() -> None:
    for given, zone, text, moment in READ:
        assert read_time("timestamp", text, given, zone) == datetime.fromisoformat(moment), (given, text)
    for given, text in UNREADABLE:
        assert read_time("timestamp", text, given, "UTC") is None


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Chicago", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])
def test_a_zones_offsets_are_those_of_its_clock(zone: str) -> None:
    from zoneinfo import ZoneInfo

    since, ahead = zone_offsets(zone)
    assert len(since) == len(ahead) and list(since) == sorted(since)
    for place, second in enumerate(since[1:], 1):
        for at, offset in ((second - 1, ahead[place - 1]), (second, ahead[place])):
            assert value_of("timestamp", at).astimezone(ZoneInfo(zone)).utcoffset().total_seconds() == offset  # type: ignore[attr-defined]


def test_seconds_are_whole_and_floored() -> None:
    assert seconds_of(datetime(1969, 12, 31, 23, 59, 59, 500_000, UTC)) == -1
    assert seconds_of(value_of("date", -DAY_SECONDS)) == -DAY_SECONDS


def test_a_change_is_told_with_what_comes_of_it(orders: Contract, tmp_path: Path) -> None:
    def weights(*changes: tuple[str, str]) -> dict[str, Any]:
        return {c.where: c.weight for c in changes_between(orders, changed(tmp_path, *changes))}

    assert weights(("parts: [year, month]", "parts: [year]")) == {"features.opened.parts": "retrain"}
    other = weights(('format: "%d.%m.%Y", parts', "format: date, parts"))
    assert other == {"features.born.format": "breaks", "tables": "safe"}
    assert weights(("hash_buckets: 32", "hash_buckets: 64")) == {"crosses": "retrain"}
