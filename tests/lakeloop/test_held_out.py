"""Which rows are held out: by key, by another column's value, by time."""

from pathlib import Path

import pandas as pd
import pytest

from lakeloop.contract import Contract, Split
from lakeloop.exceptions import ContractError
from lakeloop.held_out import is_held_out
from tests.use_case_copies import changed_contract


def changed(folder: Path, use_case: str, split: str, **others: str) -> Contract:
    return changed_contract(folder, use_case, {'{salt: "1", every: 4}': split, **others})


@pytest.mark.parametrize(
    ("rows", "share", "first"),
    [
        ({"2024-01": 80, "2024-02": 15, "2024-03": 5}, 0.2, "2024-02"),
        ({"2024-01": 80, "2024-02": 15, "2024-03": 5}, 0.05, "2024-03"),
        ({"2024-01": 10, "2024-02": 90}, 0.2, "2024-02"),
        ({"2024-03": 10, "2024-01": 10, "2024-02": 10}, 0.9, "2024-02"),
        ({"2024-01": 10}, 0.2, "2024-01"),
    ],
)
def test_whole_periods_are_held_out_nearest_to_the_share(rows: dict[str, int], share: float, first: str) -> None:
    assert Split(salt="x", by="key", every=2).model_copy(update={"eval": share}).first_eval_period(rows) == first


def test_by_time_the_newest_rows_of_a_frame_are_held_out(tmp_path: Path) -> None:
    contract = changed(tmp_path, "churn", "{by: time, eval: 0.3}")
    frame = pd.DataFrame(
        {"customer": list("abcdef"), "period": ["2024-02", "2024-01", "2024-01", "2024-03", "2024-01", "2024-02"]}
    )
    assert is_held_out(contract, frame).tolist() == [False, False, False, True, False, False]
    assert is_held_out(contract, frame.head(0)).tolist() == []


def test_by_column_all_rows_of_a_value_are_on_one_side(tmp_path: Path) -> None:
    contract = changed(tmp_path, "noise", '{by: column, column: district, salt: "1", every: 4}')
    keys = [f"{number:05d}|2024-{month:02d}" for number in range(200) for month in (1, 2)]
    held = is_held_out(contract, pd.DataFrame({"row_key": keys}))
    assert held[::2].tolist() == held[1::2].tolist()
    assert held.tolist()[::2] == [contract.split.is_eval(f"{number:05d}") for number in range(200)]
    assert 30 < held.sum() / 2 < 70


def test_stratified_a_rare_class_is_held_out_by_its_share(tmp_path: Path) -> None:
    contract = changed(tmp_path, "churn", '{salt: "1", every: 4, stratify: true}')
    rows = pd.DataFrame(
        [
            (f"{month}-{n}", month, int(n < rare))
            for month, rare in (("2024-01", 8), ("2024-02", 3))
            for n in range(200)
        ],
        columns=["customer", "period", contract.label.name],
    )
    held = is_held_out(contract, rows)
    shares = rows[held].groupby(["period", contract.label.name]).size()
    assert shares["2024-01"].tolist() == [48, 2] and 49 <= shares["2024-02", 0] <= 50
    assert shares.get(("2024-02", 1), 0) <= 1
    assert held.sample(frac=1, random_state=1).sort_index().equals(held)
    assert is_held_out(contract, rows[rows["period"] == "2024-01"]).equals(held[rows["period"] == "2024-01"])
    assert is_held_out(contract, rows.head(0)).tolist() == []


def test_classes_of_one_row_a_period_are_held_out_as_often_as_others(tmp_path: Path) -> None:
    contract = changed(tmp_path, "churn", '{salt: "1", every: 4, stratify: true}')
    periods = [f"{year}-{month:02d}" for year in range(1990, 2024) for month in range(1, 13)]
    rows = pd.DataFrame({"customer": periods, "period": periods, contract.label.name: 1})
    assert 0.2 < is_held_out(contract, rows).mean() < 0.3


def test_a_column_that_is_nothing_else_is_kept_for_the_split(tmp_path: Path) -> None:
    contract = changed(
        tmp_path, "churn", '{by: column, column: city, salt: "1"}', **{"[customer, ": "[customer, city, "}
    )
    assert contract.group_column == "city"
    assert contract.columns_of("customers")["city"].type == "string"
    frame = pd.DataFrame({"customer": ["a", "b", "c"], "city": ["Bonn", "Bonn", None]})
    split = contract.split
    assert is_held_out(contract, frame).tolist() == [split.is_eval("Bonn"), split.is_eval("Bonn"), split.is_eval("c")]


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("{every: 4}", "split.salt: is missing"),
        ("{by: time, salt: a}", "says `salt`, which means nothing in a split by time"),
        ('{salt: "1", eval: 0.3}', "says `eval`, which means nothing in a split by key"),
        ('{by: column, salt: "1"}', "a split by column needs `column: NAME`"),
        ('{by: group, salt: "1"}', "split.by: is 'group'; allowed: 'key', 'column' or 'time'"),
        ('{by: column, column: city, salt: "1"}', "split.column: `city` is no column of the source"),
        ('{by: column, column: left, salt: "1"}', "split.column: `left` is the truth or the label"),
        ('{by: column, column: customer, salt: "1"}', "split.column: `customer` is the key; write `by: key`"),
        ('{by: column, column: period, salt: "1"}', "split.column: `period` is the event time; write `by: time`"),
        (
            '{by: column, column: usage, salt: "1"}',
            "split.column: `usage` is float; rows are split by a feature of type",
        ),
        ("{by: time, eval: 1}", "split.eval: is 1"),
        ("{by: time, stratify: true}", "says `stratify`, which means nothing in a split by time"),
    ],
)
def test_what_is_wrong_with_a_split_is_told(tmp_path: Path, split: str, expected: str) -> None:
    with pytest.raises(ContractError) as caught:
        changed(tmp_path, "churn", split)
    assert any(expected in problem for problem in caught.value.problems), caught.value.problems


@pytest.mark.parametrize(
    "split", ["{by: time, eval: 0.3}", '{by: column, column: plan, salt: "1"}', '{salt: "1", stratify: true}']
)
def test_a_split_comes_back_from_its_json(tmp_path: Path, split: str) -> None:
    written = changed(tmp_path, "churn", split)
    assert Contract.model_validate_json(written.model_dump_json()) == written
