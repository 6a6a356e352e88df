"""Event times that no file has in one column: joined on the way into bronze, and all that comes after goes by them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakeloop.catalogue import catalogue_markdown
from lakeloop.contract import EventTime
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from tests.lakes import OwnLake, own_lake
from tests.use_case_copies import USE_CASES

INVOICES = """customer,year,month,day,plan,usage,left
C1,2024,1,15,basic,12,yes
C2,2024.0, February ,3,plus,90,no
C3,2024,13,1,plus,7,no
C4,2024,,1,plus,8,no
C5,2024,feb,30,basic,9,no
"""


@pytest.fixture
def churn(spark: SparkSession, tmp_path: Path) -> Callable[..., OwnLake]:
    """Customers whose invoices have their time in several columns; `churn("year", "month")` joins two of them."""
    lake = own_lake(spark, tmp_path, "churn")
    spec = lake.contract.sources["customers"]

    def joined(*parts: str) -> OwnLake:
        time = {"columns": {part: part for part in parts}, "start": "2024-01"}
        columns = ("customer", *parts, *(name for name in spec.columns if name not in ("customer", "period")))
        source = spec.model_copy(update={"columns": columns})
        contract = lake.contract.model_copy(
            update={"event_time": EventTime.model_validate(time), "sources": {"customers": source}}
        )
        return replace(lake, contract=contract)

    return joined


def test_year_and_month_are_one_time_and_what_is_none_is_rejected(churn: Callable[..., OwnLake]) -> None:
    lake = churn("year", "month")
    lake.deliver("customers", "customers-2024-01.csv", INVOICES)
    lake.ingest()
    assert lake.rows("bronze/customers").sort_values("_line")["event_time"].tolist() == [
        "2024-1", "2024-2", "2024-13", None, "2024-2",
    ]  # fmt: skip
    silver = lake.rows("silver/customers").set_index("customer")
    assert silver["period"].to_dict() == {"C1": "2024-01", "C2": "2024-02", "C5": "2024-02"}
    assert silver.loc["C2", "event_time"].isoformat() == "2024-02-01T00:00:00+00:00"
    found = lake.rejects("customers-2024-01.csv")
    assert found[["line", "reason", "value"]].values.tolist() == [
        [4, "`event_time` is not a year, month that the calendar has", "event_time = '2024-13'"],
        [5, "`event_time` is missing, since one of year, month is; `month` is missing", None],
    ]  # fmt: skip
    assert "**Event time** `event_time`: Joined from year, month" in catalogue_markdown(lake.contract)


@pytest.mark.long
def test_bronze_gets_the_times_that_a_changed_contract_says(churn: Callable[..., OwnLake]) -> None:
    earlier = churn("year", "month")
    earlier.deliver("customers", "customers-2024-01.csv", INVOICES.replace(",year,month,day", ",year,month,note"))
    earlier.ingest()
    later = churn("year", "month", "day")
    later.deliver("customers", "customers-2024-01.v2.csv", INVOICES)
    later.ingest()
    times = later.rows("bronze/customers").sort_values(["_delivery", "_line"])["event_time"].tolist()
    assert times == [*[None] * 5, "2024-1-15", "2024-2-3", "2024-13-1", None, "2024-2-30"]
    assert later.rows("silver/customers").set_index("customer")["period"].to_dict() == {
        "C1": "2024-01", "C2": "2024-02",
    }  # fmt: skip
    again = churn("year", "month")
    again.ingest()
    times = again.rows("bronze/customers").sort_values(["_delivery", "_line"])["event_time"].tolist()
    assert times == ["2024-1", "2024-2", "2024-13", None, "2024-2"] * 2


def test_a_contract_says_what_is_wrong_with_the_columns_of_a_time(tmp_path: Path) -> None:
    text = (USE_CASES["churn"] / "churn" / "contract.yaml").read_text(encoding="utf-8")
    old = "{column: period, description: Month of the invoice, start: 2024-01}"
    assert old in text
    text = text.replace(old, "{columns: {year: year, month: month}, start: 2024-01}")
    (tmp_path / "generator.py").write_text("")
    (tmp_path / "contract.yaml").write_text(text.replace("period, plan", "year, plan"))
    with pytest.raises(ContractError, match="`year`, `month` must be columns of exactly one source; they are in none"):
        load_contract(tmp_path / "contract.yaml")
    (tmp_path / "contract.yaml").write_text(text.replace("period, plan", "year, month, event_time, plan"))
    with pytest.raises(ContractError, match="`event_time` is the event time, which is joined from columns"):
        load_contract(tmp_path / "contract.yaml")
    (tmp_path / "contract.yaml").write_text(text.replace("period, plan", "year, month, plan"))
    contract = load_contract(tmp_path / "contract.yaml")
    assert list(contract.columns_of("customers"))[:3] == ["event_time", "customer", "year"]
    assert contract.feature_source == "customers" and contract.period_column == "period"
