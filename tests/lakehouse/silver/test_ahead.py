"""A truth that later rows bring: late, corrected, missing; in gold, in performance and at points in time."""

from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.read.as_of import Points
from lakehouse.read.point_in_time import features_as_of
from lakeloop.clock import set_clock
from operations.lineage.graph import LineageDraft
from operations.lineage.lake_side import add_gold
from tests.lakes import OwnLake, own_lake
from tests.shops import shops_in

pytestmark = pytest.mark.long


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> OwnLake:
    return own_lake(spark, tmp_path, "shops")


def deliver(lake: OwnLake, year: int, *rows: str, version: str = "") -> None:
    text = "\n".join(["shop,year,turnover,orders,staff", *rows]) + "\n"
    lake.deliver("accounts", f"accounts-{year}{version}.csv", text)


def labelled(lake: OwnLake) -> dict[str, tuple[float, float, str]]:
    rows = lake.rows("gold/training").to_dict("records")
    return {row["row_key"]: (row["turnover"], row["turnover_ahead"], row["size_name"]) for row in rows}


def test_the_next_years_row_is_a_rows_truth_whenever_and_however_it_comes(lake: OwnLake) -> None:
    deliver(lake, 2010, "a,2010,80,0.1,5", "b,2010,120,,5", "c,2010,100,0.1,5")
    report = lake.ingest()
    assert labelled(lake) == {} and report.new_truth is None, "the first year has no truth yet"

    set_clock(lake, 1)
    deliver(lake, 2011, "a,2011,90,0.1,5", "b,2011,130,0.2,5", "b,2011,1,0.2,5", "d,2011,-1,0.1,5")  # c is late
    report = lake.ingest()
    assert labelled(lake) == {"a|2010": (80.0, 90.0, "middle"), "b|2010": (120.0, 130.0, "large")}
    assert report.gold.added == 2 and report.new_truth is not None and report.new_truth.payload["months"] == ["2010"]
    assert not lake.ingest().changed

    set_clock(lake, 2)
    deliver(lake, 2012, "a,2012,50,0.1,5", "d,2012,70,0.1,5")
    deliver(lake, 2011, "c,2011,60,0.1,5", "a,2011,84,0.1,5", version=".v2")  # late, and corrected
    report = lake.ingest()
    assert labelled(lake) == {
        "a|2010": (80.0, 84.0, "small"), "b|2010": (120.0, 130.0, "large"), "c|2010": (100.0, 60.0, "small"),
        "a|2011": (84.0, 50.0, "small"),
    }  # fmt: skip
    assert (report.gold.added, report.gold.updated) == (2, 1)

    def known(period: str) -> dict[str, tuple[str, float | None]]:
        rows = features_as_of(lake, Points(period)).collect()
        return {row["row_key"]: (row["known"], row["turnover_ahead"]) for row in rows}

    assert {known for known, _ in known("2010").values()} == {"features"}, "nobody knew the next year"
    assert known("2011")["a|2010"] == ("features and label", 90.0) and known("2011")["c|2010"] == ("features", None)
    assert known("2012")["a|2010"] == ("features and label", 84.0)
    assert known("2012") == {
        key: ("features and label", value[1]) if (value := labelled(lake).get(key)) else ("features", None)
        for key in known("2012")
    }

    draft = LineageDraft()
    found = draft.finish(add_gold(draft, lake, "gold/training", lake.versions()["gold/training"]))
    files = {item.title for item in found.items if item.kind == "file"}
    assert files == {f"accounts/accounts-{name}.csv" for name in ("2010", "2011", "2011.v2", "2012")}
    assert "silver/ahead" in {item.title.partition("@")[0] for item in found.items} and not found.gaps

    summary = lake.rows("gold/monthly").set_index("year")
    assert summary.loc["2010", "turnover_ahead_mean"] == pytest.approx((84 + 130 + 60) / 3)
    assert summary.loc["2010", "turnover_mean"] == pytest.approx(100) and summary.loc["2012", "labelled"] == 0


def test_the_year_before_is_met_and_never_the_own_one(spark: SparkSession, tmp_path: Path) -> None:
    shops = shops_in(tmp_path, years=2, shops=2, before=True)
    lake = OwnLake(shops.settings, shops.contract, lambda: spark)

    def deliver_both(year: int, *rows: str, version: str = "") -> None:
        for source in ("accounts", "before"):
            text = "\n".join(["shop,year,turnover,orders,staff", *rows]) + "\n"
            lake.deliver(source, f"accounts-{year}{version}.csv", text)

    def met() -> dict[str, float | None]:
        rows = lake.rows("silver/accounts").set_index("row_key")["turnover_before"]
        return {key: None if pd.isna(value) else value for key, value in rows.items()}

    deliver_both(2010, "a,2010,80,0.1,5", "b,2010,120,0.1,5")
    deliver_both(2011, "a,2011,90,0.1,5")
    deliver_both(2012, "a,2012,70,0.1,5", "b,2012,70,0.1,5")
    lake.ingest()
    assert met() == {"a|2010": None, "b|2010": None, "a|2011": 80.0, "a|2012": 90.0, "b|2012": None}
    gold = lake.rows("gold/training").set_index("row_key")
    assert gold.loc["a|2011", ["turnover_before", "turnover", "turnover_ahead"]].tolist() == [80.0, 90.0, 70.0]

    deliver_both(2011, "a,2011,91,0.1,5", "b,2011,60,0.1,5", version=".v2")  # corrected, and late
    lake.ingest()
    assert met() == {"a|2010": None, "b|2010": None, "a|2011": 80.0, "b|2011": 120.0, "a|2012": 91.0, "b|2012": 60.0}
    gold = lake.rows("gold/training").set_index("row_key")
    assert gold.loc["a|2010", "turnover_ahead"] == 91.0 and gold.loc["b|2011", "turnover_before"] == 120.0
