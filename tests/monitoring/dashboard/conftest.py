"""Homes with a past, written as real Delta tables without Spark."""

from pathlib import Path

import pandas as pd
import pytest
from deltalake import write_deltalake

from lakeloop.contract import Contract
from lakeloop.drift_report import ColumnDrift, DriftReport, Window
from lakeloop.drift_store import replace_lake_reports
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import open_use_case

NOBODY = "http://127.0.0.1:9"
MODEL = "7"


def drift_report(contract: Contract, month: int, version: str = MODEL, age: float | None = None) -> DriftReport:
    """A month's report: feature `age` crosses its threshold in month 3 and drags the data as a whole along."""

    def column(name: str, score: float | None) -> ColumnDrift:
        drifted = score is not None and score >= 0.1
        return ColumnDrift(column=name, test="wasserstein", score=score, threshold=0.1, drifted=drifted)

    name = f"2023-{month + 1:02d}"
    features = (column("age", 0.04 * month if age is None else age), column("power", None))
    return DriftReport(
        use_case=contract.use_case,
        model_version=version,
        window=Window(kind="month", period=name, first=f"{name}-01", last=f"{name}-28", rows=1500),
        state="drift" if features[0].drifted else "stable",
        features=features,
        prediction=column("prediction", 0.02 * month),
        share_threshold=0.5,
    )


def performance_rows() -> pd.DataFrame:
    """Two months of gold/performance: both estimated, the first with truth."""
    own = {"model_version": MODEL, "rules": 0, "estimate_standard_error": 0.02}
    by_rules = {"model_version": "", "answered": 10, "rules": 10, "model_correct": 0, "model_with_truth": 0}
    return pd.DataFrame([
        {**own, "month": "2023-02", "answered": 90, "with_truth": 90, "correct": 72, "model_with_truth": 90,
         "model_correct": 72, "estimated_accuracy": 0.85, "model_accuracy": 0.8},
        {**by_rules, "month": "2023-02", "with_truth": 10, "correct": 3},
        {**own, "month": "2023-03", "answered": 40, "with_truth": 0, "correct": 0, "model_with_truth": 0,
         "model_correct": 0, "model_accuracy": None, "estimated_accuracy": 0.9},
        {**own, "month": "2023-03", "model_version": "8", "answered": 60, "with_truth": 0, "correct": 0,
         "model_with_truth": 0, "model_correct": 0, "estimated_accuracy": 0.8},
    ])  # fmt: skip


@pytest.fixture
def empty(contract: Contract, tmp_path: Path) -> Settings:
    """A home in which nothing happened; no gateway runs."""
    return load_settings(home=tmp_path / "empty", use_case=contract.use_case, gateway_url=NOBODY)


@pytest.fixture
def with_past(contract: Contract, tmp_path: Path) -> Settings:
    """A home with drift reports on four months and performance of two."""
    settings = load_settings(home=tmp_path / "past", use_case=contract.use_case, gateway_url=NOBODY)
    gold = tmp_path / "past" / "lake" / "gold" / contract.use_case
    reports = [drift_report(contract, month) for month in range(1, 5)]
    replace_lake_reports(open_use_case(settings), reports, "month", [report.window.period for report in reports])
    write_deltalake(str(gold / "performance"), performance_rows())
    return settings
