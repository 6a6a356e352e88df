"""What stands for the training rows: the last good month, or what came just before; and why it does not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import write_deltalake

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.drift_report import DriftReport, Window
from lakeloop.drift_rows import reports_of, rows_of
from lakeloop.exceptions import ContractError
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from monitoring.alarm import drift_payload
from monitoring.drift.detector import detect_drift
from monitoring.drift.reference import Reference
from monitoring.drift.reference_windows import ChosenPeriods, choose_periods, good_periods, reference_of_rows
from tests.use_case_copies import USE_CASES, copy_insurance

MONTHS = ("2023-02", "2023-03", "2023-04", "2023-05", "2023-06")


def watched(contract: Contract, **changes: object) -> Contract:
    """The contract with other terms of monitoring."""
    return contract.model_copy(update={"monitoring": contract.monitoring.model_copy(update=changes)})


def test_what_slides_are_the_periods_just_before(contract: Contract) -> None:
    sliding = watched(contract, reference="sliding", sliding_windows=2)
    assert choose_periods(sliding, "2023-05", MONTHS, (), ()).periods == ("2023-03", "2023-04")
    assert choose_periods(sliding, "2023-03", MONTHS, (), ()).periods == ("2023-02",)
    assert choose_periods(sliding, "2023-02", MONTHS, (), ()) == ChosenPeriods(note="no month before it has requests")
    assert choose_periods(contract, "2023-05", MONTHS, MONTHS, MONTHS) == ChosenPeriods(), "train is the rule"


def test_good_is_the_newest_month_before_it_that_was_within_the_bound_and_stable(contract: Contract) -> None:
    last_good = watched(contract, reference="last_good")
    stable, good = MONTHS[:4], ("2023-02", "2023-03", "2023-05", "2023-06")
    assert choose_periods(last_good, "2023-05", MONTHS, stable, good).periods == ("2023-03",)
    assert choose_periods(last_good, "2023-06", MONTHS, stable, good).periods == ("2023-05",)
    assert choose_periods(last_good, "", MONTHS, stable, good).periods == ("2023-05",), "2023-06 drifted"
    assert choose_periods(last_good, "2023-02", MONTHS, stable, good).note.startswith("no good month yet: none with")
    gate = last_good.gate.model_copy(update={"accuracy": None})
    unbound = last_good.model_copy(update={"gate": gate})
    assert "names no bound of accuracy" in choose_periods(unbound, "2023-06", MONTHS, stable, ()).note


def test_good_months_are_told_by_enough_truth(tmp_path: Path) -> None:
    insurance = open_use_case(load_settings(home=tmp_path, use_case="insurance", use_cases=USE_CASES["insurance"]))
    known = [
        ("2023-02", "7", 0.9, 400),
        ("2023-03", "7", 0.84, 400),
        ("2023-04", "7", 0.9, 3),
        ("2023-05", "8", 0.9, 400),
    ]
    names = ["month", "model_version", "model_accuracy", "model_with_truth"]
    write_deltalake(insurance.table("gold/performance"), pd.DataFrame(known, columns=names))
    assert good_periods(insurance, "7") == {"2023-02"}
    rentals = open_use_case(load_settings(home=tmp_path, use_case="rentals", use_cases=USE_CASES["rentals"]))
    errors = [("2024-02", "7", 59.0, 30), ("2024-03", "7", 61.0, 400), ("2024-04", "7", 20.0, 29)]
    names[2] = "model_mean_absolute_error"
    write_deltalake(rentals.table("gold/performance"), pd.DataFrame(errors, columns=names))
    assert good_periods(rentals, "7") == {"2024-02"}


def test_the_report_and_what_is_made_of_it_say_what_was_used(
    contract: Contract, month_0_reference: Reference, month: Callable[..., pd.DataFrame]
) -> None:
    sliding = watched(contract, reference="sliding")
    before = month(12).assign(prediction=np.array(["low", None] * 750, dtype=object), confidence=0.9)
    used = reference_of_rows(sliding, month_0_reference, before, ("2023-12", "2024-01"))
    assert used.predictions is not None and set(used.predictions) == {"low"} and len(used.predictions) == 750
    window = Window(kind="month", rows=1500, period="2024-02")
    report = detect_drift(used, month(13), sliding, window)
    assert (report.state, report.against) == ("stable", "sliding: 2023-12 to 2024-01")
    assert detect_drift(month_0_reference, month(13), contract, window).state == "drift", (
        "against what it was trained on"
    )
    assert reports_of(rows_of(report), sliding) == [report]
    payload = drift_payload("e1", report)
    assert (payload["reference"], payload["reference_periods"]) == ("sliding", ["2023-12", "2024-01"])
    of_old = [{k: v for k, v in row.items() if not k.startswith("reference")} for row in rows_of(report)]
    assert reports_of(of_old, sliding)[0].against == "train"


def test_of_too_few_requests_the_training_rows_are_taken_and_it_is_said(
    contract: Contract, month_0_reference: Reference, month: Callable[..., pd.DataFrame]
) -> None:
    sliding = watched(contract, reference="sliding")
    used = reference_of_rows(sliding, month_0_reference, month(12, rows=100).assign(prediction=None))
    assert used == replace(month_0_reference, note=used.note) and used.features is month_0_reference.features
    report: DriftReport = detect_drift(used, month(12), sliding, Window(kind="rolling", rows=1500))
    assert report.against == "train: there are 100 requests to measure against, and 750 are needed"
    assert reports_of(rows_of(report), sliding)[0].against == report.against


def test_windows_are_counted_where_they_slide_alone(tmp_path: Path) -> None:
    def contract(monitoring: str) -> Contract:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        copy_insurance(folder, {"  episode_closes_after: 3\n": f"  episode_closes_after: 3\n{monitoring}"})
        return load_contract(folder / "insurance" / "contract.yaml")

    known = contract("  reference: sliding\n  sliding_windows: 5\n")
    assert (known.monitoring.reference, known.monitoring.sliding_windows) == ("sliding", 5)
    with pytest.raises(
        ContractError, match="`sliding_windows` is 5, and `reference` is train: say `reference: sliding`"
    ):
        contract("  sliding_windows: 5\n")
    with pytest.raises(ContractError, match=r"monitoring\.reference"):
        contract("  reference: last_month\n")
    assert "reference" not in contract("").monitoring.model_dump(), "what was measured before is not measured again"


def test_a_use_case_without_a_past_has_no_good_month(tmp_path: Path, contract: Contract) -> None:
    assert good_periods(UseCase(load_settings(home=tmp_path, use_case="insurance"), contract), "7") == frozenset()
