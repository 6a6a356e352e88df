"""Dates and times drift by their parts that come round within a period, and by their age: not because time goes on."""

import numpy as np
import pandas as pd
import pytest

from lakeloop.contract import Contract
from lakeloop.contract.time_features import DAY_SECONDS
from lakeloop.contract_file import load_contract
from lakeloop.drawn_rows import sample_period
from lakeloop.drift_report import ColumnDrift, Window
from lakeloop.use_case import UseCase
from monitoring.drift.compared_values import compared_columns
from monitoring.drift.detector import detect_drift
from monitoring.drift.evidently_page import compared_by_evidently
from monitoring.drift.reference import Reference
from tests.exports import settings_in
from tests.use_case_copies import USE_CASES

YEAR = 365 * DAY_SECONDS


@pytest.fixture(scope="module")
def use_case(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    contract = load_contract(USE_CASES["orders"] / "orders" / "contract.yaml")
    return UseCase(settings_in(tmp_path_factory.mktemp("home"), "orders"), contract)


def drawn(use_case: UseCase, month: int) -> pd.DataFrame:
    return sample_period(use_case, month, rows=3000)


def found(use_case: UseCase, rows: pd.DataFrame) -> dict[str, ColumnDrift]:
    reference = Reference("1", "sha", drawn(use_case, 0), None, "not asked")
    report = detect_drift(reference, rows, use_case.contract, Window(kind="month", rows=len(rows), period="2025-03"))
    return {column.column: column for column in report.features}


def test_a_year_later_nothing_has_drifted(use_case: UseCase) -> None:
    later = found(use_case, drawn(use_case, 14))
    assert not [name for name, one in later.items() if one.drifted], later
    assert all(later[name].score is not None for name in ("ordered", "born", "booked"))


def test_another_hour_of_the_day_is_drift(use_case: UseCase) -> None:
    rows = drawn(use_case, 1)
    noon = rows["ordered"] // DAY_SECONDS * DAY_SECONDS + DAY_SECONDS // 2
    assert found(use_case, rows.assign(ordered=noon.where(rows.index % 2 == 0, rows["ordered"])))["ordered"].drifted


def test_an_older_customer_is_drift_and_a_gap_is_counted_apart(use_case: UseCase) -> None:
    rows = drawn(use_case, 1)
    assert found(use_case, rows.assign(born=rows["born"] - 15 * YEAR))["born"].drifted
    gaps = rows.assign(born=rows["born"].where(rows.index % 2 == 0))
    report = detect_drift(
        Reference("1", "sha", drawn(use_case, 0), None, ""), gaps, use_case.contract, Window(kind="month", rows=3000)
    )
    assert not next(one for one in report.features if one.column == "born").drifted
    assert next(one for one in report.missing if one.column == "born").drifted


def test_of_parts_that_no_period_has_all_of_nothing_is_measured(use_case: UseCase) -> None:
    opened = found(use_case, drawn(use_case, 1))["opened"]
    assert opened.score is None and not opened.drifted
    assert opened.note == "no month has all of its parts, so they show no more than that time goes on"


def test_evidentlys_own_report_finds_the_same_of_every_column(use_case: UseCase) -> None:
    rows = drawn(use_case, 1)
    late = rows["ordered"] // DAY_SECONDS * DAY_SECONDS + DAY_SECONDS // 2
    rows = rows.assign(ordered=late.where(rows.index % 4 == 0, rows["ordered"]))
    rows = rows.assign(born=rows["born"].where(rows.index % 3 > 0), prediction=None)
    ours = {name: column.score for name, column in found(use_case, rows).items() if column.score is not None}
    reference = Reference("1", "sha", drawn(use_case, 0), None, "not asked")
    metrics = compared_by_evidently(reference, rows, use_case.contract).dict()["metrics"]
    count, *theirs = metrics
    assert {one["config"]["column"]: one["value"] for one in theirs} == pytest.approx(ours)
    assert {"ordered", "born", "booked"} <= set(ours) and "opened" not in ours
    assert count["value"]["count"] == sum(column.drifted for column in found(use_case, rows).values())


def test_what_is_compared_goes_by_the_period(use_case: UseCase) -> None:
    def parts(contract: Contract) -> set[str]:
        rows = drawn(use_case, 0)
        return {text.split()[0] for text in compared_columns(contract, "booked", rows, rows)[0].dropna()}

    assert parts(use_case.contract) == {"hour", "day", "age_days"}
    event_time = use_case.contract.event_time.model_copy(update={"period": "week"})
    assert parts(use_case.contract.model_copy(update={"event_time": event_time})) == {"hour", "age_days"}


def test_rows_of_the_lake_and_of_the_log_are_compared_alike(use_case: UseCase) -> None:
    from lakeloop.model_input import as_carried, request_rows

    rows = drawn(use_case, 0).head(50)
    features, names = use_case.contract.features, ["born", "booked", "opened", "ordered", "price"]
    asked = pd.DataFrame(request_rows(features, rows), columns=list(features))
    logged = asked.assign(
        **{name: asked[name].map(lambda v: v.isoformat(), na_action="ignore") for name in ("born", "booked", "opened")},
        ordered=[value.isoformat() for value in asked["ordered"]], price=asked["price"].map(str, na_action="ignore"),
    )  # fmt: skip
    for frame in (as_carried(features, asked), as_carried(features, logged)):
        np.testing.assert_array_equal(frame[names].to_numpy(float), rows[names].to_numpy(float))
