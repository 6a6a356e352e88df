"""Further tables that describe the rows of a new use case: by what they are met, what they bring, what never meets."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakeloop.settings import load_settings
from operations.delivery import generate
from operations.evaluation import generated_rows
from operations.exceptions import SampleError
from operations.history import history_periods, history_rows
from operations.new_use_case.create import NewUseCase, create
from operations.new_use_case.draft import Draft, Wishes, look
from tests.command_line import lakeloop_in
from tests.lakes import OwnLake

pytestmark = pytest.mark.long
ROWS = 3_000
STARTED = pd.date_range("2024-01-01", periods=ROWS, freq="53min")


def rides(folder: Path) -> Path:
    """Rides whose tip hangs on the area's kind and on the rain at their start, which other tables know."""
    random = np.random.default_rng(7)
    area = random.choice([f"{n:02d}" for n in range(1, 13)], ROWS)
    wet = raining(STARTED)
    miles = random.gamma(2, 2, ROWS).round(1)
    score = (area > "06") * 1.5 + wet * 1.5 + random.normal(0, 0.5, ROWS)
    frame = pd.DataFrame(
        {
            "started": STARTED.strftime("%Y-%m-%d %H:%M"), "pickup_area": area, "miles": miles,
            "taxi": random.integers(1, 90, ROWS), "tip": np.where(score > 0.75, "yes", "no"),
        }
    )  # fmt: skip
    path = folder / "rides.csv"
    frame.to_csv(path, index=False)
    return path


def raining(at: pd.DatetimeIndex) -> np.ndarray:
    """Whether it rains in the hour of a time; no clock tells it."""
    return np.random.default_rng(3).random(5_000)[(at - pd.Timestamp("2023-12-31")) // pd.Timedelta("1h")] < 0.35


def areas(folder: Path, known: int = 11) -> Path:
    """A row an area, as an office writes it; the last areas are not in it."""
    rows = [f"{n:02d};{'shops' if n > 6 else 'homes'};{n * 1_000 + 17},5;yes" for n in range(1, known + 1)]
    path = folder / "areas.csv"
    path.write_text("\n".join(["Area;Kind;People (thousands);Surveyed", *rows]) + "\n")
    return path


def weather(folder: Path) -> Path:
    """What a station an area measured each hour, as records of an API; one column is called as the base's is."""
    hours = pd.date_range("2023-12-31", "2024-05-01", freq="h")
    wet = raining(hours).tolist()
    records = [
        {"area": f"{n:02d}", "at": int(at.timestamp()), "rain": rain, "miles": (n * at.hour) % 17 / 2}
        for n in range(1, 13)
        for at, rain in zip(hours, wet, strict=True)
    ]
    path = folder / "weather.json"
    path.write_text(json.dumps({"data": records}))
    return path


def holidays(folder: Path) -> Path:
    days = pd.date_range("2024-01-01", "2024-05-01")
    path = folder / "holidays.csv"
    frame = pd.DataFrame({"day": days.strftime("%d.%m.%Y"), "off": np.where(days.dayofweek > 4, "yes", "no")})
    frame.to_csv(path, index=False)
    return path


def drafted(folder: Path, wishes: Wishes | None = None, **joined: Path) -> Draft:
    return look([rides(folder)], wishes or Wishes("tip"), {name: [path] for name, path in joined.items()})


def made(folder: Path, draft: Draft) -> NewUseCase:
    return create(load_settings(home=folder / "home", use_cases=folder / "use_cases"), "rides", "Rides", draft)


def test_a_table_of_one_row_each_is_met_by_the_column_with_the_same_values(tmp_path: Path) -> None:
    found = made(tmp_path, drafted(tmp_path, areas=areas(tmp_path)))
    contract = found.use_case.contract
    assert contract.joins["areas"].on == {"area": "pickup_area"} and contract.joins["areas"].as_of is None
    assert list(contract.joined_features("areas")) == ["kind", "people_thousands"]
    assert contract.features["kind"].missing == "category" and contract.features["people_thousands"].missing == "median"
    assert contract.sources["areas"].separator == ";" and contract.sources["areas"].read.decimal == ","
    text = found.use_case.contract_path.read_text()
    assert "# assumed: a row meets the one with the same area = pickup_area" in text.replace("Area", "area")
    assert "left out: `areas.Surveyed` is 'yes' in every row" in text
    rows = pd.concat([history_rows(found.use_case, number) for number in history_periods(found.use_case)])
    assert len(rows) == ROWS and rows["kind"].isna().mean() == pytest.approx(1 / 12, abs=0.02)
    assert found.draft.joins[0].met == pytest.approx(1 - rows["kind"].isna().mean())


def test_a_table_of_many_times_is_met_as_of_the_event(tmp_path: Path) -> None:
    found = made(tmp_path, drafted(tmp_path, weather=weather(tmp_path)))
    contract = found.use_case.contract
    join = contract.joins["weather"]
    assert (join.on, join.as_of, join.format) == ({"area": "pickup_area"}, "at_value", "unix_seconds")
    assert list(contract.joined_features("weather")) == ["rain", "weather_miles"] and "miles" in contract.features
    assert any("the newest row counts that is not later than the event" in note for note in found.draft.notes)
    first = history_rows(found.use_case, history_periods(found.use_case)[0])
    started = pd.DatetimeIndex(pd.to_datetime(first["started"], unit="s"))
    assert first["rain"].astype(bool).tolist() == raining(started).tolist()


def test_a_table_of_days_is_met_by_the_period_and_without_one_it_is_said_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match=r"never meet: .*Times alone are not enough.*--period day"):
        drafted(tmp_path, holidays=holidays(tmp_path))
    found = made(tmp_path, drafted(tmp_path, Wishes("tip", period="day"), holidays=holidays(tmp_path)))
    join = found.use_case.contract.joins["holidays"]
    assert (join.on, join.format) == ({"day": "period"}, "%d.%m.%Y") and found.draft.joins[0].met == 1


@pytest.mark.long
def test_what_the_joined_tables_know_makes_the_model_better_and_is_in_the_lake(
    spark: SparkSession, tmp_path: Path
) -> None:
    alone = made(tmp_path, drafted(tmp_path)).baselines["trees"]
    (tmp_path / "more").mkdir()
    both = {"areas": areas(tmp_path), "weather": weather(tmp_path)}
    found = made(tmp_path / "more", drafted(tmp_path / "more", **both))
    assert found.baselines["trees"] > alone + 0.05
    contract = found.use_case.contract
    lake = OwnLake(found.use_case.settings, contract, lambda: spark)
    generate(lake, [0])
    lake.ingest()
    key = contract.key.column
    gold = lake.rows("gold/training").set_index(key).sort_index()
    replayed = generated_rows(lake, 0).set_index(key).sort_index()
    assert gold["kind"].fillna("").tolist() == replayed["kind"].fillna("").tolist() and len(gold) > 100
    assert gold["rain"].astype(int).tolist() == replayed["rain"].astype(int).tolist()


def test_sources_that_never_meet_are_named_with_what_stands_on_either_side(tmp_path: Path) -> None:
    path = tmp_path / "areas.csv"
    path.write_text("area,kind\n" + "".join(f"{n:04d},{'homes' if n % 2 else 'shops'}\n" for n in range(1, 13)))
    with pytest.raises(SampleError) as told:
        drafted(tmp_path, areas=path)
    said = str(told.value)
    assert "never meet: `pickup_area` has" in said and "and `area` '0001', '0002', '0003'" in said


def test_several_rows_for_one_are_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "stops.csv"
    frame = pd.DataFrame({"area": [f"{n % 12 + 1:02d}" for n in range(240)], "seats": [n % 7 for n in range(240)]})
    frame.to_csv(path, index=False)
    with pytest.raises(SampleError, match=r"95.0% of the rows of .*stops.csv have the same area = pickup_area"):
        drafted(tmp_path, stops=path)


def test_a_column_of_a_joined_table_that_tells_the_label_is_a_leak(tmp_path: Path) -> None:
    frame = pd.read_csv(rides(tmp_path), dtype=str).assign(ride=[f"R{n}" for n in range(ROWS)])
    frame.to_csv(tmp_path / "all.csv", index=False)
    paid = pd.DataFrame({"ride": frame["ride"], "paid": (frame["tip"] == "yes").astype(int) * 7, "seats": 4})
    paid.assign(seats=np.arange(ROWS) % 5).to_csv(tmp_path / "paid.csv", index=False)
    draft = look([tmp_path / "all.csv"], Wishes("tip"), {"bills": [tmp_path / "paid.csv"]})
    assert [leak.columns for leak in draft.leaks] == [("bills.paid",)]
    assert [one.column for one in draft.joins[0].features] == ["seats"]


@pytest.mark.parametrize(
    ("name", "why"), [("rides", "another source has this name"), ("Areas", "is no name"), ("rejects", "is a table of")]
)
def test_a_name_that_no_source_can_have_is_told(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(SampleError, match=f"--join {name}: {why}"):
        drafted(tmp_path, **{name: areas(tmp_path)})


def test_the_command_takes_a_name_or_the_files_own_and_says_how_rows_meet(tmp_path: Path) -> None:
    (tmp_path / "use_cases").mkdir()
    run = lakeloop_in(tmp_path / "home", LAKELOOP_USE_CASES=str(tmp_path / "use_cases"))
    joined = ["--join", areas(tmp_path), "--join", f"sky={weather(tmp_path)}"]
    done = run("new", "taxi", "--from", rides(tmp_path), "--label", "tip", *joined)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "joined: areas by Area = pickup_area; 9" in said
    assert "joined: sky by area = pickup_area, the newest at at or before the event time; 100.0% of the rows" in said
    text = (tmp_path / "use_cases" / "taxi" / "contract.yaml").read_text()
    assert "join: {" in text and "sources:" in text
