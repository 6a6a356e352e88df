"""Offsets behind the times of a table tell whose clock they are of, and by that clock its history is cut."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lakeloop.settings import load_settings
from operations.history import history_periods, history_rows
from operations.new_use_case.columns import STYLES, Column, encoded_column
from operations.new_use_case.create import create
from operations.new_use_case.draft import Wishes, look
from operations.new_use_case.time_zones import IN_UTC, zone_of
from operations.new_use_case.times import moments

HALF_A_YEAR = pd.date_range("2024-01-01", "2024-06-30 23:00", freq="97min")


@pytest.mark.parametrize(
    ("zone", "said", "found"),
    [
        ("Europe/Berlin", ("+01:00", "+02:00"), "Europe/Berlin"),
        ("Europe/Vienna", ("+01:00", "+02:00"), "Europe/Berlin"),
        ("America/New_York", ("-04:00", "-05:00"), "America/New_York"),
        ("Asia/Kolkata", ("+05:30",), "Asia/Kolkata"),
        ("Etc/GMT+3", ("-03:00",), "America/Sao_Paulo"),
        ("Etc/GMT+2", ("-02:00",), "Etc/GMT+2"),
        ("UTC", (), "UTC"),
    ],
)
def test_the_first_clock_that_shows_all_offsets_is_assumed(zone: str, said: tuple[str, ...], found: str) -> None:
    told = zone_of(column(at.isoformat() for at in HALF_A_YEAR.tz_localize("UTC").tz_convert(zone)))
    assert (told.name, told.offsets) == (found, said)


@pytest.mark.filterwarnings("error")
def test_times_that_say_no_offset_are_taken_for_utc_quietly() -> None:
    assert zone_of(column(["2024-07-01 00:30", "2024-07-01"])) == IN_UTC == zone_of(column(["2024-07-01T00:30Z"]))


def test_offsets_of_several_clocks_leave_utc_and_say_so(tmp_path: Path) -> None:
    path = document(tmp_path, [f"2024-0{1 + n % 6}-10T08:00:00+0{n % 9}:00" for n in range(600)])
    draft = look([path], Wishes("late", keep=("amount",)))
    assert draft.time is not None and draft.time.zone.name == "UTC"
    assert any("no known clock shows" in note for note in draft.notes)


def test_times_of_one_clock_are_cut_into_the_periods_that_the_contract_counts(tmp_path: Path) -> None:
    """The first hour of the year in Berlin is the last one of the year before in Greenwich."""
    times = HALF_A_YEAR.tz_localize("Europe/Berlin", nonexistent="shift_forward")
    settings = load_settings(home=tmp_path / "home", use_case="orders", use_cases=tmp_path / "use_cases")
    path = document(tmp_path, [at.isoformat() for at in times])
    found = create(settings, "orders", "Orders", look([path], Wishes("late", keep=("amount",))))
    event_time = found.use_case.contract.event_time
    assert (event_time.timezone, event_time.start, event_time.period) == ("Europe/Berlin", "2024-01", "month")
    assert list(found.history.rows) == ["2024-01", "2024-02", "2024-03", "2024-04", "2024-05", "2024-06"]
    rows = {number: history_rows(found.use_case, number) for number in history_periods(found.use_case)}
    assert {f"2024-0{number + 1}": len(part) for number, part in rows.items()} == found.history.rows
    assert found.history.rows["2024-01"] == (times.month == 1).sum()
    assert "its clock has the offsets that the times say, +01:00 and +02:00" in found.use_case.contract_path.read_text()


def test_seconds_and_times_without_an_offset_stand_on_the_same_clock_as_those_with_one() -> None:
    said = ["2024-07-01T00:30:00+02:00", "2024-06-30T22:30:00Z", "2024-07-01 00:30:00"]
    at = pd.Timestamp("2024-07-01 00:30")
    assert moments(column(said), "timestamp", zone="Europe/Berlin").tolist() == [at] * 3
    assert moments(column(["1719786600"]), "unix_seconds", zone="Europe/Berlin").tolist() == [at]


def column(texts: Iterable[str]) -> Column:
    return encoded_column("at", pa.array(texts, pa.string()).dictionary_encode(), STYLES[0])


def document(folder: Path, times: list[str]) -> Path:
    random = np.random.default_rng(5)
    records = [
        {"id": f"o{n}", "at": at, "amount": float(value), "late": "yes" if value > 55 else "no"}
        for n, (at, value) in enumerate(zip(times, random.gamma(2, 30, len(times)).round(2), strict=True))
    ]
    path = folder / "orders.json"
    path.write_text(json.dumps({"result": {"orders": records}}))
    return path
