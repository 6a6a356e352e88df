"""Windows with gaps: the values that are there are measured, and the share of those that are not by itself."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.drift_report import DriftReport, Window
from lakeloop.drift_rows import reports_of, rows_of
from monitoring.drift.detector import detect_drift
from monitoring.drift.reference import Reference
from tests.use_case_copies import USE_CASES

ROWS = 4000
Measured = Callable[[pd.DataFrame], DriftReport]


@pytest.fixture(scope="module")
def trips() -> Contract:
    return load_contract(USE_CASES["trips"] / "trips" / "contract.yaml")


def drawn(seed: int, missing: float = 0.2, fares: float = 0.0) -> pd.DataFrame:
    """Rows as tables give them: whole numbers beside gaps are floats."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "fare": random.normal(20 + fares, 5, ROWS),
            "seconds": random.integers(60, 3600, ROWS).astype(float),
            "seats": random.integers(1, 4, ROWS).astype(float),
            "night": random.integers(0, 2, ROWS).astype(float),
            "shared": random.integers(0, 2, ROWS),
            "zone": random.choice(["01", "02", "09"], ROWS),
            "company": random.choice(["Acme", "Bee"], ROWS).astype(object),
        }
    )
    for name in ("fare", "seconds", "seats", "night", "company"):
        frame[name] = frame[name].where(random.random(ROWS) >= (missing if name == "fare" else 0.2), None)
    return frame


@pytest.fixture(scope="module")
def measured(trips: Contract) -> Measured:
    reference = Reference("1", "sha", drawn(0), None, "not asked")
    return lambda rows: detect_drift(reference, rows, trips, Window(kind="month", rows=len(rows), period="2024-02"))


def test_the_same_share_of_gaps_is_no_drift(measured: Measured) -> None:
    report = measured(drawn(1))
    assert (report.state, report.drifted) == ("stable", ())
    assert [column.column for column in report.missing] == ["fare", "seconds", "seats", "night", "company"]
    assert all(column.test == "missing share" and (column.score or 0) < 0.02 for column in report.missing)


def test_more_gaps_drift_though_the_values_that_are_there_have_not_changed(measured: Measured) -> None:
    report = measured(drawn(1, missing=0.4))
    fare, gaps = report.features[0], report.missing[0]
    assert not fare.drifted and gaps.drifted and report.drifted == ("fare",)
    assert re.fullmatch(r"4[01]\.\d% are missing, of the reference 18\.8%", gaps.note)
    assert [column.label for column in report.furthest] == ["missing fare"]


def test_values_drift_as_they_would_without_gaps(measured: Measured) -> None:
    report = measured(drawn(1, fares=5))
    fare = report.features[0]
    assert fare.drifted and fare.score == pytest.approx(1.0, abs=0.05) and not report.missing[0].drifted


def test_a_column_that_went_away_is_drift_and_is_measured(measured: Measured) -> None:
    report = measured(drawn(1, missing=1.0))
    assert report.features[0].score is None and report.drifted == ("fare",)
    assert report.furthest[0].label == "missing fare"


def test_few_values_are_enough_where_the_reference_has_few(trips: Contract) -> None:
    reference = Reference("1", "sha", drawn(0, missing=0.9), None, "not asked")
    rows = drawn(1, missing=0.9).head(200)
    report = detect_drift(reference, rows, trips, Window(kind="month", rows=len(rows)))
    assert report.features[0].score is not None


def test_the_missing_shares_are_rows_of_the_table_and_come_back(trips: Contract, measured: Measured) -> None:
    report = measured(drawn(1, missing=0.4))
    rows = rows_of(report)
    kinds = [row["column_kind"] for row in rows]
    assert kinds == ["dataset", *["feature"] * 7, *["missing share"] * 5, "prediction"]
    assert reports_of(rows, trips) == [report]


def test_hundreds_of_rare_categories_are_no_drift_by_chance_and_a_new_common_one_is(trips: Contract) -> None:
    def companies(seed: int, new: float = 0.0) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        rare = random.integers(0, 800, ROWS).astype(str).astype(object)
        drawn_now = np.where(random.random(ROWS) < 0.5, "Acme", rare).astype(object)
        return drawn(seed).assign(company=np.where(random.random(ROWS) < new, "Newcomer", drawn_now))

    reference = Reference("1", "sha", companies(0), None, "not asked")
    same, other = (
        detect_drift(reference, rows, trips, Window(kind="month", rows=ROWS)).features[-1]
        for rows in (companies(1), companies(1, new=0.3))
    )
    assert (same.score or 0) < 0.03 and not same.drifted and other.drifted
