"""The past in event time, read from the store of drift reports and from Delta, without Spark."""

from pathlib import Path

import pandas as pd
import pytest
from deltalake import write_deltalake

from lakeloop.contract import Contract
from lakeloop.drift_report import ColumnDrift
from lakeloop.drift_store import replace_lake_reports
from lakeloop.error_trees import ErrorTrees
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import UseCase, open_use_case
from monitoring.dashboard.history import History, Line, furthest, read_history
from monitoring.exporter import Exporter
from monitoring.gold_performance import GoldPerformance
from monitoring.live import Snapshot
from tests.monitoring.dashboard.conftest import MODEL, drift_report
from tests.use_case_copies import USE_CASES

MONTHS = ("2023-02", "2023-03", "2023-04", "2023-05")


def line(history: History, key: str, name: str) -> Line:
    return next(line for line in history.lines[key] if line.name == name)


def test_no_table_is_an_empty_past(empty: Settings, contract: Contract) -> None:
    history = read_history(UseCase(empty, contract))
    assert history.empty and history.drifted_periods == ()


def test_scores_and_thresholds_stand_month_by_month(with_past: Settings, contract: Contract) -> None:
    history = read_history(UseCase(with_past, contract))
    age = line(history, "scores", "age")
    assert (age.x, age.y) == (MONTHS, pytest.approx((0.04, 0.08, 0.12, 0.16)))
    assert line(history, "scores", "power").y == (None,) * 4
    assert line(history, "scores", "threshold age").bound and line(history, "scores", "threshold age").y == (0.1,) * 4
    assert line(history, "share", "share").y == (0.0, 0.0, 0.5, 0.5)
    assert history.drifted_periods == ("2023-04", "2023-05") and history.versions["2023-05"] == MODEL


def test_what_is_furthest_from_the_reference_comes_first(contract: Contract) -> None:
    scores = {"near": 0.09, "far": 0.4, "at home": 0.001, "further": 0.9, "unknown": None}
    columns = [
        ColumnDrift(column=name, test="wasserstein", score=score, threshold=0.1, drifted=(score or 0) >= 0.1)
        for name, score in scores.items()
    ]
    unlikely = ColumnDrift(column="unlikely", test="ks", score=0.01, threshold=0.05, drifted=True)
    report = drift_report(contract, 1).model_copy(update={"features": (*columns, unlikely)})
    assert furthest(report) == ("further", "unlikely", "far", "near", "at home", "unknown")


def test_accuracy_of_a_month_is_weighted_over_its_model_versions(with_past: Settings, contract: Contract) -> None:
    history = read_history(UseCase(with_past, contract))
    assert line(history, "accuracy", "estimated").y == pytest.approx((0.85, (40 * 0.9 + 60 * 0.8) / 100))
    assert line(history, "accuracy", "realised").y == (0.8, None)
    assert line(history, "accuracy", "realised, rules included").y == (0.75, None)
    assert line(history, "fallback", "rules").y == (0.1, 0.0)


def test_a_share_of_few_rows_comes_with_its_interval(with_past: Settings, contract: Contract) -> None:
    one = {
        "model_version": MODEL, "month": "2023-04", "answered": 1, "rules": 1, "with_truth": 1, "correct": 0,
        "model_with_truth": 1, "model_correct": 0, "model_accuracy": 0.0,
    }  # fmt: skip
    gold = with_past.home / "lake" / "gold" / contract.use_case
    write_deltalake(str(gold / "performance"), pd.DataFrame([one]), mode="append", schema_mode="merge")
    history = read_history(UseCase(with_past, contract))
    expected = [("accuracy", "realised", 0.0, (0.0, 0.793)), ("fallback", "rules", 1.0, (0.207, 1.0))]
    for key, name, share, ends in expected:
        told = line(history, key, name)
        assert (told.y[-1], told.rows[-1]) == (share, 1)
        assert (told.low[-1], told.high[-1]) == pytest.approx(ends, abs=1e-3)
    assert line(history, "accuracy", "realised").low[1] is None, "nothing is known of a month without truth"
    assert GoldPerformance(UseCase(with_past, contract)).realised(MODEL) == 0.8, "one row raises no alarm"


def test_a_month_measured_against_two_models_shows_the_newer(with_past: Settings, contract: Contract) -> None:
    both = [drift_report(contract, 1), drift_report(contract, 1, version="10", age=0.9)]
    replace_lake_reports(open_use_case(with_past), both, "month", ["2023-02"])
    history = read_history(UseCase(with_past, contract))
    assert line(history, "scores", "age").x == MONTHS and line(history, "scores", "age").y[0] == 0.9
    assert history.versions["2023-02"] == "10"


def test_the_live_monitor_gets_estimate_and_truth_from_gold(with_past: Settings, contract: Contract) -> None:
    gold = with_past.home / "lake" / "gold" / contract.use_case
    calibration = {"model_version": MODEL, "method": "platt", "rows": 300, "accuracy": 0.8, "standard_error": 0.02}
    write_deltalake(str(gold / "calibration"), pd.DataFrame([{**calibration, "knots": [0.0, 0.4, 1.0]}]))
    known = GoldPerformance(UseCase(with_past, contract))
    window = pd.DataFrame({"confidence": [0.75, 0.5, 0.4, float("nan")], "by_rules": [False, False, True, True]})
    assert known.estimated(MODEL, window) == pytest.approx((0.7 + 0.4) / 2)
    assert known.realised(MODEL) == 0.8
    assert known.estimated("8", window) is None and known.realised("8") is None


def test_the_live_monitor_claims_nothing_where_gold_says_nothing(empty: Settings, contract: Contract) -> None:
    known = GoldPerformance(UseCase(empty, contract))
    assert known.estimated(MODEL, pd.DataFrame({"confidence": [0.9], "by_rules": [False]})) is None
    assert known.realised(MODEL) is None


def test_errors_of_a_month_are_weighted_over_its_model_versions(tmp_path: Path) -> None:
    use_case = open_use_case(load_settings(home=tmp_path, use_case="rentals", use_cases=USE_CASES["rentals"]))
    month = {"month": "2024-02", "model_version": MODEL, "rules": 0}
    rows = [
        {**month, "answered": 90, "with_truth": 90, "model_with_truth": 90, "mean_absolute_error": 40.0,
         "model_mean_absolute_error": 40.0, "estimated_mean_absolute_error": 35.0, "estimate_standard_error": 2.0},
        {**month, "model_version": "8", "answered": 10, "with_truth": 0, "model_with_truth": 0,
         "estimated_mean_absolute_error": 45.0, "estimate_standard_error": 2.0},
        {**month, "model_version": "", "answered": 10, "rules": 10, "with_truth": 10, "model_with_truth": 0,
         "mean_absolute_error": 140.0},
        {**month, "month": "2024-03", "answered": 20, "with_truth": 20, "model_with_truth": 20,
         "mean_absolute_error": 70.0, "model_mean_absolute_error": 70.0},
    ]  # fmt: skip
    write_deltalake(use_case.table("gold/performance"), pd.DataFrame(rows))
    history = read_history(use_case)
    assert line(history, "error", "estimated").y == pytest.approx((36.0, None))
    assert line(history, "error", "realised").y == pytest.approx((40.0, 70.0))
    assert line(history, "error", "realised, rules included").y == pytest.approx((50.0, 70.0))
    assert line(history, "error", "gate").y == (60.0, 60.0) and line(history, "error", "estimated").error[0] == 2.0
    known = GoldPerformance(use_case)
    assert known.realised(MODEL) == 40.0, "the truth of 20 answers raises no alarm"
    assert known.estimated(MODEL, pd.DataFrame({"prediction": [1.0], "by_rules": [False]})) is None


def test_the_live_monitor_expects_the_error_of_numbers_by_gold(tmp_path: Path) -> None:
    use_case = open_use_case(load_settings(home=tmp_path, use_case="rentals", use_cases=USE_CASES["rentals"]))
    row = {
        "model_version": MODEL, "metric": "mean_absolute_error", "method": "constant", "rows": 50, "error": 12.5,
        "standard_error": 1.0, "spread": 9.0, "trees": ErrorTrees(start=12.5).model_dump_json(),
    }  # fmt: skip
    other = {**row, "model_version": "8", "metric": "root_mean_squared_error"}
    write_deltalake(use_case.table("gold/calibration"), pd.DataFrame([row, other]))
    known = GoldPerformance(use_case)
    window = pd.DataFrame({"prediction": [80.0, None], "by_rules": [False, True]})
    assert known.estimated(MODEL, window) == 12.5
    assert known.estimated("8", window) is None, "it was learnt of another error"
    page = Exporter({"rentals": (use_case.contract, lambda: Snapshot(model_version=MODEL, estimated=12.5))}).text()
    told = page.decode()
    assert 'estimated_error{metric="mean_absolute_error",model_version="7",use_case="rentals"} 12.5' in told
    assert 'error_bound{metric="mean_absolute_error",model_version="7",use_case="rentals"} 60.0' in told
    assert "estimated_accuracy{" not in told and "realised_error{" not in told
