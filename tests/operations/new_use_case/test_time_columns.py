"""A year, a month and a day in columns of their own are one time of a new use case."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakeloop.settings import load_settings
from operations.delivery import generate
from operations.history import history_periods, history_rows
from operations.new_use_case.create import NewUseCase, create
from operations.new_use_case.draft import Wishes, look
from operations.simulation import questions_of
from tests.lakes import OwnLake


def bookings(rows: int = 3_000) -> pd.DataFrame:
    """Bookings of a hotel over a year: when a guest comes stands in three columns, the month by its name."""
    random = np.random.default_rng(12)
    at = pd.date_range("2015-07-01", periods=rows, freq="3h")
    lead = random.gamma(2, 40, rows).round()
    return pd.DataFrame(
        {
            "hotel": random.choice(["City", "Resort"], rows),
            "lead_time": lead,
            "arrival_date_year": at.year,
            "arrival_date_month": at.month_name(),
            "arrival_date_week_number": at.isocalendar().week.to_numpy(),
            "arrival_date_day_of_month": at.day,
            "rate": random.gamma(4, 25, rows).round(4),
            "adults": random.integers(1, 4, rows),
            "canceled": np.where(lead / 80 + random.normal(0, 0.5, rows) > 1.2, "yes", "no"),
        }
    )


def made(tmp_path: Path, frame: pd.DataFrame, label: str = "canceled", **wishes: object) -> NewUseCase:
    frame.to_csv(tmp_path / "bookings.csv", index=False)
    settings = load_settings(home=tmp_path / "home", use_case="bookings", use_cases=tmp_path / "use_cases")
    draft = look([tmp_path / "bookings.csv"], Wishes(label, **wishes))  # type: ignore[arg-type]
    return create(settings, "bookings", "Bookings", draft)


def test_they_are_found_joined_and_replayed(tmp_path: Path) -> None:
    frame = bookings()
    found = made(tmp_path, frame)
    time, contract = found.use_case.contract.event_time, found.use_case.contract
    assert time.columns == {
        "year": "arrival_date_year", "month": "arrival_date_month", "day": "arrival_date_day_of_month",
    }  # fmt: skip
    assert (time.start, time.period) == ("2015-07", "month")
    assert "arrival_date_year" not in contract.features and "arrival_date_month" in contract.features
    assert any("say together when; they are joined" in note for note in found.draft.notes)
    rows = pd.concat([history_rows(found.use_case, number) for number in history_periods(found.use_case)])
    assert len(rows) == len(frame) and rows["period"].nunique() == 13


@pytest.mark.long
def test_the_lake_has_the_rows_that_are_asked_at_the_gateway(spark: SparkSession, tmp_path: Path) -> None:
    use_case = made(tmp_path, bookings()).use_case
    lake = OwnLake(use_case.settings, use_case.contract, lambda: spark)
    generate(lake, [0, 1])
    lake.ingest()
    silver = lake.rows("silver/bookings")
    assert len(silver) == 2 * 31 * 8
    assert {q.key for number in (0, 1) for q in questions_of(lake, number, "a")} == set(
        silver[lake.contract.key.column]
    )


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ({"year": "year", "month": "month"}, ("year", "month")),
        ({"Jahr": "year", "Monat": "month", "Tag": "day"}, ("year", "month", "day")),
        ({"year": "year", "month": "month", "day": "weekday"}, ("year", "month")),
        ({"year": "year", "day": "day"}, ("year",)),
    ],
)
def test_what_belongs_together_is_told_by_names_and_values(
    tmp_path: Path, columns: dict[str, str], parts: tuple[str, ...]
) -> None:
    at = pd.date_range("2012-01-01", periods=6_000, freq="11h")
    said = pd.DataFrame({"year": at.year, "month": at.month, "day": at.day, "weekday": at.weekday + 1})
    random = np.random.default_rng(1)
    frame = said[list(columns.values())].set_axis(list(columns), axis="columns")
    frame = frame.assign(size=random.gamma(2, 3, len(at)).round(2), late=random.choice(["yes", "no"], len(at)))
    frame.to_csv(tmp_path / "rows.csv", index=False)
    draft = look([tmp_path / "rows.csv"], Wishes("late"))
    assert draft.time is not None and len(draft.time.delivered) == len(parts)
    assert tuple(draft.time.parts) == (parts if len(parts) > 1 else ())


def test_a_time_in_several_columns_can_be_part_of_the_key_and_rows_that_lack_one_are_told(tmp_path: Path) -> None:
    months = pd.DataFrame([(y, m) for y in range(2015, 2021) for m in range(1, 13)], columns=["year", "month"])
    areas = pd.DataFrame({"district": [f"D{n:02d}" for n in range(40)]})
    frame = areas.merge(months, how="cross")
    random = np.random.default_rng(2)
    frame["jobless"] = random.gamma(3, 2, len(frame)).round(1)
    frame["high"] = np.where(frame["jobless"] + random.normal(0, 2, len(frame)) > 7, "yes", "no")
    frame.loc[5, "month"] = np.nan
    found = made(tmp_path, frame.sample(frac=1, random_state=3), "high", period="month")
    assert found.use_case.contract.key.columns == ("district", "year", "month")
    assert found.draft.time is not None and found.draft.time.delivered == ("year", "month")
    assert found.history.without_time == 1 and len(found.history.rows) == 72
