"""Rows held out that resemble rows trained on: told; where they do not, nothing is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import LakeloopError
from lakeloop.use_case import UseCase
from operations.split_check import check_split, run_split_check, split_words
from tests.exports import settings_in
from tests.use_case_copies import USE_CASES
from tfx_pipeline.evaluation.gate import GateReport
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord, load_run

MONTHS = [f"2024-{month:02d}" for month in range(1, 13)]


def split_by_key(contract: Contract, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    held = rows[contract.key.column].map(contract.split.is_eval)
    return rows[~held].reset_index(drop=True), rows[held].reset_index(drop=True)


def customers(told_by: str, seed: int = 1) -> pd.DataFrame:
    """Twelve months of 200 customers. Whether one leaves follows its `usage`, or, by month, a level that usage shows:
    then a row of a month tells the others of it, and nothing of the next month's.
    """
    random = np.random.default_rng(seed)
    frames = []
    for number, month in enumerate(MONTHS):
        usage = random.uniform(0, 100, 200)
        left = usage > 50
        if told_by == "month":
            usage = number + random.uniform(0, 0.5, 200)
            left = np.full(200, random.random() < 0.5) ^ (random.random(200) < 0.05)
        frames.append(pd.DataFrame({"customer": [f"{month}-{n}" for n in range(200)], "period": month, "plan": "basic",
                                    "usage": usage, "churned": left.astype(int)}))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def test_rows_with_neighbours_in_time_are_told_and_the_split_that_would_not(churn: Contract) -> None:
    found = check_split(churn, *split_by_key(churn, customers("month")))
    assert found is not None and [one.by for one in found.others] == ["time"]
    assert found.score > 0.9 > found.others[0].score
    (sentence,) = split_words(churn, found)
    assert sentence.startswith("the newest months held out as a whole, quick trees reach accuracy 0.")
    assert "`split: {by: time}` shows it as it will be" in sentence


def test_where_a_row_says_it_all_by_itself_nothing_is_told(churn: Contract) -> None:
    found = check_split(churn, *split_by_key(churn, customers("usage")))
    assert found is not None and found.others[0].score > 0.95
    assert split_words(churn, found) == []


def test_values_known_by_heart_are_told_by_their_column() -> None:
    contract = load_contract(USE_CASES["noise"] / "noise" / "contract.yaml")
    random = np.random.default_rng(3)
    districts = pd.DataFrame({"cars": random.uniform(0, 500, 80), "loud": random.integers(0, 2, 80)})
    rows = pd.concat(
        [districts.assign(row_key=[f"{number:05d}|{month}" for number in range(80)], month=month) for month in MONTHS],
        ignore_index=True,
    ).assign(area="homes")
    found = check_split(contract, *split_by_key(contract, rows))
    assert found is not None and [one.by for one in found.others] == ["time", "district"]
    assert found.score > 0.9 and found.others[0].score > 0.9
    (sentence,) = split_words(contract, found)
    assert sentence.startswith("all rows of a `district` held out, quick trees reach accuracy 0.")
    assert '`split: {by: column, column: district, salt: "1", every: 4}`' in sentence


def test_two_periods_and_no_column_that_repeats_leave_nothing_to_ask(churn: Contract) -> None:
    rows = customers("usage")
    assert check_split(churn, *split_by_key(churn, rows[rows["period"] <= "2024-02"])) is None


def test_chance_alone_is_not_told(churn: Contract) -> None:
    rows = customers("usage", seed=5).assign(churned=np.random.default_rng(5).integers(0, 2, 2400))
    found = check_split(churn, *split_by_key(churn, rows))
    assert found is not None and split_words(churn, found) == []


def test_what_another_run_on_the_same_export_found_is_not_asked_again(churn: Contract, tmp_path: Path) -> None:
    use_case = UseCase(settings_in(tmp_path, "churn"), churn)
    found = check_split(churn, *split_by_key(churn, customers("month")))
    nowhere = run_parameters(churn, tmp_path / "nowhere" / "manifest.json")
    gate = GateReport(checks=(), accuracy={}, rows={}, interval_set="eval", interval=(0.8, 0.95))
    run = RunRecord(run_id="r1", use_case="churn", started="", parameters=nowhere, gate=gate)
    assert run_split_check(use_case, run, found).split_check == found == load_run(use_case, "r1").split_check
    with pytest.raises(LakeloopError, match="manifest"):
        run_split_check(use_case, run)
