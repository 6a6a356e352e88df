"""Rows with dates, times and decimals, drawn or replayed: what is delivered, and what is asked of the same rows."""

import shutil
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from lakeloop.contract.time_features import seconds_of
from lakeloop.drawn_rows import sample_period
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.delivery import generate
from operations.deployment import probe_rows
from operations.period_rows import period_rows
from operations.simulation import questions_of
from serving.gateway.request_model import RequestModel
from tests.use_case_copies import USE_CASES


@pytest.fixture
def orders(tmp_path: Path) -> UseCase:
    folder = tmp_path / "use_cases"
    shutil.copytree(USE_CASES["orders"] / "orders", folder / "orders")
    return open_use_case(load_settings(home=tmp_path / "home", use_case="orders", use_cases=folder))


def test_a_drawn_row_is_asked_about_at_its_event_time_with_its_values(orders: UseCase) -> None:
    drawn = sample_period(orders, 1, rows=40)
    first = questions_of(orders, 1, "first")[0]
    row = sample_period(orders, 1).iloc[0]
    assert first.at == first.features["ordered"].isoformat() and seconds_of(first.features["ordered"]) == row["ordered"]
    assert {type(one) for one in first.features.values() if one is not None} <= {
        datetime, date, Decimal, int, str, bool
    }  # fmt: skip
    assert drawn["period"].unique().tolist() == ["2024-02"]


def test_files_have_them_as_the_contract_says_and_a_history_of_them_is_the_same_rows(
    orders: UseCase, tmp_path: Path
) -> None:
    folder = orders.contract_path.parent
    (delivery,) = generate(orders, [1], out=folder / "history")
    line = delivery.path.read_text().splitlines()[1].split(",")
    assert datetime.strptime(line[1], "%d.%m.%Y %H:%M").year == 2024
    drawn = sample_period(orders, 1)
    text = orders.contract_path.read_text().replace("generator: generator.py", "history: history")
    orders.contract_path.write_text(text)
    replayed = period_rows(open_use_case(orders.settings), 1)
    names = list(orders.contract.features)
    pd.testing.assert_frame_equal(replayed[names], drawn[names], check_dtype=False)
    at = questions_of(open_use_case(orders.settings), 1, "first")[0].at
    assert datetime.fromisoformat(at) == datetime.fromtimestamp(int(drawn["ordered"].iloc[0]), UTC)


def test_a_new_model_is_probed_with_what_its_signature_takes(orders: UseCase) -> None:
    from lakeloop.model_input import instance, predict_body

    rows = probe_rows(orders.contract)
    features = orders.contract.features
    assert predict_body(features, {name: [row[name] for row in rows] for name in features})
    example = RequestModel(orders.contract).example()
    assert instance(features, example)["born"] == seconds_of(date(1980, 5, 17))
