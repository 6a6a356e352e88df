"""The pictures count what they show, and stay readable where there is much of it."""

import json

import numpy as np
import pandas as pd
import pytest

from console.report.figures import MOST_CATEGORIES, drift_by_period, feature_by_label, label_counts
from lakeloop.contract_file import load_contract
from lakeloop.drift_report import ColumnDrift, DriftReport, Window
from tests.use_case_copies import USE_CASES


def drifted(name: str, score: float, **more: object) -> ColumnDrift:
    values = {"column": name, "test": "wasserstein", "score": score, "threshold": 0.1, "drifted": score >= 0.1}
    return ColumnDrift.model_validate(values | more)


def report(period: str, *features: ColumnDrift, missing: tuple[ColumnDrift, ...] = ()) -> DriftReport:
    window = Window(kind="month", period=period, rows=100)
    return DriftReport(
        use_case="trips", model_version="7", window=window, state="stable", features=features, missing=missing
    )


def test_drift_begins_at_1_whichever_way_the_test_is_read() -> None:
    p_value = {"test": "ks", "threshold": 0.05}
    unknown = ColumnDrift(column="unknown", test="psi", score=None, threshold=0.1, drifted=False)
    columns = [drifted("far", 0.3), drifted("near", 0.05), drifted("likely", 0.01, **p_value, drifted=True),
               drifted("alike", 0.5, **p_value, drifted=False), unknown]  # fmt: skip
    figure = drift_by_period([report("2013-Q1", *columns)])
    found = {trace.name: trace.y[0] for trace in figure.data}
    assert found == {"far": pytest.approx(3), "near": pytest.approx(0.5), "likely": pytest.approx(5),
                     "alike": pytest.approx(0.1), "unknown": None}  # fmt: skip


def test_of_many_lines_the_furthest_are_drawn_and_no_two_look_alike() -> None:
    first = report("2013-Q1", *(drifted(f"column {number}", number / 100) for number in range(30)))
    gap = drifted("column 3", 0.9, test="missing share")
    second = report("2013-Q2", *first.features, missing=(gap, drifted("column 4", 0.01, test="missing share")))
    figure = drift_by_period([first, second])
    drawn = [trace.name for trace in figure.data if trace.visible is True]
    assert "missing column 3" in drawn and "column 29" in drawn and len(drawn) == 8
    assert "missing column 4" not in {trace.name for trace in figure.data}, "its share never drifted"
    assert len({(trace.line.color, trace.line.dash) for trace in figure.data}) == 31
    assert figure.layout.margin.t > 6 * 20, "there is room for the names"


def test_a_picture_of_many_rows_and_categories_is_small_and_loses_no_row() -> None:
    contract = load_contract(USE_CASES["trips"] / "trips" / "contract.yaml")
    rows, random = 20_000, np.random.default_rng(1)
    company = random.choice([f"{number} A rather long company's name" for number in range(62)], rows)
    frame = pd.DataFrame({
        "fare": random.lognormal(2, 1, rows), "seconds": random.integers(0, 7200, rows).astype(float),
        "seats": random.choice([1.0, 2.0, np.nan], rows), "night": random.integers(0, 2, rows),
        "shared": random.integers(0, 2, rows), "zone": random.choice(["01", "02"], rows), "company": company,
        contract.label.name: random.integers(0, 2, rows),
    })  # fmt: skip
    figure = feature_by_label(contract, frame)
    bars = [trace for trace in figure.data if len(trace.x) == MOST_CATEGORIES + 1]
    assert [len(bars), bars[0].x[-1]] == [2, "all others"] and sum(map(sum, (bar.y for bar in bars))) == rows
    assert sum(sum(trace.y) for trace in figure.data[:2]) == rows
    assert max(len(text) for text in figure.layout.xaxis7.ticktext) <= 14
    assert "1" in figure.data[4].x and len(json.dumps(figure.to_plotly_json(), default=str)) < 40_000


def test_numbers_are_drawn_in_three_thirds_and_no_row_is_lost() -> None:
    contract = load_contract(USE_CASES["rentals"] / "rentals" / "contract.yaml")
    random, rows = np.random.default_rng(1), 900
    frame = pd.DataFrame({
        "hour": random.integers(0, 24, rows), "temperature": random.normal(12, 8, rows),
        "sky": random.choice(["clear", "rain"], rows), "workday": random.integers(0, 2, rows),
        "demand": random.gamma(2, 80, rows),
    })  # fmt: skip
    counted = label_counts(contract, frame)
    assert [sum(trace.y) for trace in counted.data] == [300, 300, 300]
    names = [trace.name for trace in counted.data]
    assert names[0].startswith("up to ") and names[2].endswith(" bikes")
    by_feature = feature_by_label(contract, frame)
    assert [trace.name for trace in by_feature.data[:3]] == names
    assert sum(sum(trace.y) for trace in by_feature.data) == 4 * rows
    same = label_counts(contract, frame.assign(demand=7.0))
    assert [(trace.name, sum(trace.y)) for trace in same.data] == [("up to 7 bikes", rows)]
