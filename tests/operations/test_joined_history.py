"""A history with joined sources: what a replayed row met, and when the files of those sources come."""

from pathlib import Path

import pandas as pd
import pytest

from lakeloop.clock import set_clock
from lakeloop.use_case import UseCase
from operations.delivery import generate
from operations.history import history_periods, history_rows
from operations.simulation import questions_of, simulate, without_gateway
from tests.weather_rides import HEADERS, weather_use_case

WEATHER = {
    "weather-2023-12-31.csv": ["08,1704060000,1.5,no"],  # 22:00 on New Year's Eve
    "weather-2024-01-01.csv": ["08,1704103200,2.5,yes", "32,1704103200,9,", "08,1704110400,4.5,no"],  # 10:00, 12:00
    "weather-2024-01-02.csv": ["08,1704189600,-3,no", "08,1704103200,2.75,yes"],  # 10:00, and the first one corrected
}
RIDES = {
    "rides-2024-01-01.csv": [
        "a,2024-01-01T00:30:00,08,1", "b,2024-01-01T10:00:00,08,2", "c,2024-01-01T11:59:59,08,3",
        "d,2024-01-01T09:59:59,32,4", "e,2024-01-01T10:30:00,99,5", "f,2024-01-01T16:00:00,08,6",
    ],
    "rides-2024-01-02.csv": ["g,2024-01-02T09:00:00,08,7", "h,2024-01-02T12:00:00,08,8"],
}  # fmt: skip


@pytest.fixture
def replayed(tmp_path: Path) -> UseCase:
    changes = {
        'files: "rides-*.csv"': 'files: "rides-{date}.csv"', 'files: "tips-*.csv"': 'files: "tips-{date}.csv"',
        'files: "weather-*.csv"': 'files: "weather-{date}.csv"', "requests: {": "history: history\nrequests: {",
        "gate: {": "fallback: {rules: rules.py:answer, confidence_below: 0.5}\ngate: {",
    }  # fmt: skip
    folder = tmp_path / "use_cases" / "rides"
    folder.mkdir(parents=True)
    (folder / "rules.py").write_text('def answer(features):\n    return "some"\n')
    tips = {"tips-2024-01-01.csv": ["a,0", "b,2", "c,1"], "tips-2024-01-02.csv": ["g,0"]}
    areas = {"areas-all.csv": ["08,homes,10", "32,shops,"], "areas-changed.csv": ["32,parks,"]}
    for source, files in {"rides": RIDES, "tips": tips, "weather": WEATHER, "areas": areas}.items():
        for name, rows in files.items():
            path = folder / "history" / source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join([HEADERS[source], *rows]) + "\n")
    return weather_use_case(tmp_path, "areas", "weather", changes=changes)


def landed(use_case: UseCase) -> list[str]:
    root = use_case.folder("landing")
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.csv"))


def test_a_replayed_row_has_what_it_met_by_then(replayed: UseCase) -> None:
    assert history_periods(replayed) == (0, 1)
    first, second = history_rows(replayed, 0).set_index("ride"), history_rows(replayed, 1).set_index("ride")
    assert list(first.index) == ["a", "b", "c", "d", "f"]  # e has no area, and must have one
    assert first["kind"].tolist() == ["homes", "homes", "homes", "parks", "homes"]
    assert first["celsius"].astype(float).fillna(-99).tolist() == [1.5, 2.5, 2.5, -99, -99]
    assert first["rain"].isna().tolist() == [False, False, False, True, True]
    assert second["celsius"].astype(float).fillna(-99).tolist() == [-99, -3]
    assert pd.isna(first["people"]["d"]) and first["people"]["a"] == 10
    question = next(q for q in questions_of(replayed, 0, "first") if q.key == "c")
    assert question.features["celsius"] == 2.5 and question.features["kind"] == "homes"


def test_joined_files_come_with_their_period_or_before(replayed: UseCase) -> None:
    generate(replayed, [0])
    assert [name for name in landed(replayed) if not name.startswith((".", "rides", "tips"))] == [
        "areas/areas-all.csv", "areas/areas-changed.csv", "weather/weather-2023-12-31.csv",
        "weather/weather-2024-01-01.csv",
    ]  # fmt: skip
    times = {path: path.stat().st_mtime_ns for path in replayed.folder("landing").rglob("*.csv")}
    set_clock(replayed, 1)
    simulate(replayed, range(2), without_gateway(replayed, "first"))
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert set(landed(replayed)) - {str(p.relative_to(replayed.folder("landing"))) for p in times} == {
        "weather/weather-2024-01-02.csv", "tips/tips-2024-01-02.csv"
    }  # fmt: skip
