"""A history whose rows' truth stands in the next year's files."""

from pathlib import Path

import pandas as pd
import pytest

from operations.baselines import baselines
from operations.delivery import generate
from operations.evaluation import generated_rows, whose_truth
from operations.history import history_rows
from tests.shops import shops_in


def test_a_rows_truth_is_read_from_the_next_years_file(tmp_path: Path) -> None:
    shops = shops_in(tmp_path, years=3, shops=20)
    first, second, last = (history_rows(shops, number) for number in range(3))
    assert first["turnover_ahead"].tolist() == second["turnover"].tolist()
    assert last["turnover_ahead"].isna().all() and list(first["row_key"][:1]) == ["s0000|2010"]
    assert generated_rows(shops, 2).empty
    labelled = generated_rows(shops, 0)
    assert labelled["size_name"].tolist() == [
        "small" if value < 85 else "large" if value >= 115 else "middle" for value in second["turnover"]
    ]
    assert labelled["turnover"].tolist() == first["turnover"].tolist(), "of a row its own year's values"


def test_a_row_without_a_later_one_has_no_truth(tmp_path: Path) -> None:
    shops = shops_in(tmp_path, years=2, shops=4)
    later = tmp_path / "use_cases/shops/history/accounts/accounts-2011.csv"
    rows = pd.read_csv(later)
    rows.loc[1, "turnover"] = -5  # which the lake rejects
    rows.drop(index=0).to_csv(later, index=False)
    assert history_rows(shops, 0)["turnover_ahead"].isna().tolist() == [True, True, False, False]


def test_what_shops_have_now_is_one_of_the_baselines(tmp_path: Path) -> None:
    shops = shops_in(tmp_path, years=3)
    rows = generated_rows(shops, 0)
    found = baselines(shops, rows)
    assert list(found) == ["random", "majority", "persistence"]
    now = rows["turnover"].map(shops.contract.label.class_id)
    assert found["persistence"] == pytest.approx((now == rows["size"]).mean()) and found["persistence"] > 0.5


def test_its_truth_is_told_to_come_with_the_next_year(tmp_path: Path) -> None:
    shops = shops_in(tmp_path, years=3, shops=20)
    assert [delivery.due for delivery in generate(shops, [0, 1])] == [None, None], "a year's file is not held back"
    assert whose_truth(shops, 1, oracle=True, rows=20).endswith("this truth is known at clock 2 (now 0).")


def test_a_feature_of_the_year_before_is_the_same_shops_earlier_row(tmp_path: Path) -> None:
    shops = shops_in(tmp_path, years=3, shops=20, before=True)
    first, second, last = (history_rows(shops, number) for number in range(3))
    assert first["turnover_before"].isna().all(), "of the first year there is no earlier row, and its own is none"
    assert second["turnover_before"].tolist() == first["turnover"].tolist()
    assert last["turnover_before"].tolist() == second["turnover"].tolist()
    assert first["turnover_ahead"].tolist() == second["turnover"].tolist()
