"""Months of the lake, each against the last good one or those before it; what is found of one counts for the next."""

from pathlib import Path

import pandas as pd
import pytest
from deltalake import write_deltalake

from lakeloop.drawn_rows import sample_period
from lakeloop.drift_report import DriftReport
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.drift.periods import detect_windows
from operations.drift.windows import reference_of_window
from tests.monitoring.conftest import NOBODY, push_card
from tests.use_case_copies import copy_insurance

ASKED = (1, 2, 10, 11, 12, 13)


def home(folder: Path, monitoring: str) -> UseCase:
    """Version 7 was trained on month 0 and asked in some months; of months 1, 2 and 10 the truth is known."""
    use_cases = copy_insurance(
        folder / "data", {"  episode_closes_after: 3\n": f"  episode_closes_after: 3\n{monitoring}"}
    )
    settings = load_settings(home=folder / "home", use_case="insurance", use_cases=use_cases, model_server_url=NOBODY)
    use_case = open_use_case(settings)
    push_card(use_case.contract, settings)
    for number in ASKED:
        ask(use_case, number)
    realised = [("2023-02", 0.9), ("2023-03", 0.84), ("2023-11", 0.87)]
    known = [{"month": m, "model_version": "7", "model_accuracy": a, "model_with_truth": 900} for m, a in realised]
    write_deltalake(use_case.table("gold/performance"), pd.DataFrame(known))
    return use_case


def ask(use_case: UseCase, number: int, batch: int = 1) -> None:
    rows = sample_period(use_case, number)[list(use_case.contract.features)]
    name = use_case.contract.period_name(number)
    answers = {"probability_high": 0.1, "probability_medium": 0.2, "probability_low": 0.7}
    asked = rows.assign(month=name, at=f"{name}-10T10:00:00+00:00", model_version="7", _batch=batch, **answers)
    asked = asked.assign(request_id=[f"{number}-{place}" for place in range(len(asked))])
    write_deltalake(use_case.table("silver/predictions"), asked, mode="append")


def told(use_case: UseCase, **options: object) -> dict[str, DriftReport]:
    return {one.window.period: one for one in detect_windows(use_case, **options).reports}  # type: ignore[arg-type]


def test_each_month_is_measured_against_those_before_it(tmp_path: Path) -> None:
    use_case = home(tmp_path, "  reference: sliding\n  sliding_windows: 2\n")
    found = told(use_case)
    assert found["2023-02"].against == "train: no month before it has requests"
    assert found["2023-03"].against == "sliding: 2023-02" and found["2024-02"].against == "sliding: 2023-12 to 2024-01"
    assert found["2024-02"].state == "stable" and found["2024-02"].reference_rows == 3_000
    assert found["2024-02"].prediction is not None and found["2024-02"].prediction.score == 0.0
    assert detect_windows(use_case).measured == 0, "nothing has changed"
    ask(use_case, 14, batch=2)
    assert detect_windows(use_case, periods=(14, 14)).measured == 1
    assert told(use_case)["2024-03"].against == "sliding: 2024-01 to 2024-02", "months before the ones asked for count"
    stored = pd.DataFrame(detect_windows(use_case).reports[-1].model_dump()["features"])
    assert len(stored) == 6


def test_each_month_is_measured_against_the_last_good_one(tmp_path: Path) -> None:
    use_case = home(tmp_path, "  reference: last_good\n")
    found = told(use_case)
    assert found["2023-02"].against.startswith("train: no good month yet")
    assert [found[month].against for month in ("2023-03", "2023-11")] == ["last good: 2023-02"] * 2
    assert found["2023-11"].state == "stable" and found["2023-12"].against == "last good: 2023-11"
    again = reference_of_window(use_case, "7", "2023-12")
    assert again.periods == ("2023-11",) and len(again.features) == 1_500  # type: ignore[union-attr]
    assert detect_windows(use_case).measured == 0
    late = [{"month": "2023-12", "model_version": "7", "model_accuracy": 0.9, "model_with_truth": 900}]
    write_deltalake(use_case.table("gold/performance"), pd.DataFrame(late), mode="append")
    newer = detect_windows(use_case)
    assert newer.measured == 2, "what comes after the month whose truth came"
    assert {one.window.period: one.against for one in newer.reports}["2024-01"] == "last good: 2023-12"


@pytest.mark.parametrize("kind", ["month", "tumbling"])
def test_by_rule_it_is_the_training_rows(tmp_path: Path, kind: str) -> None:
    use_case = home(tmp_path, "")
    assert {one.against for one in told(use_case, kind=kind).values()} == {"train"}
