"""Requests that were logged before a feature was derived get it when the lake takes them in."""

import json
from pathlib import Path
from typing import Any

import pytest

from lakehouse.requests.completed_lines import LineFunction
from lakeloop.derived_features import derivation_of
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from tests.use_case_copies import USE_CASES

FEATURES = {"price": 300.0, "nights": 4, "booked": "2024-01-01", "arrival": "2024-02-01", "room": "single"}


@pytest.fixture
def stays(tmp_path: Path) -> UseCase:
    return open_use_case(load_settings(home=tmp_path, use_case="stays", use_cases=USE_CASES["stays"]))


def completed(case: UseCase, features: dict[str, Any]) -> dict[str, Any]:
    derivation = derivation_of(case)
    assert derivation is not None
    line = LineFunction(derivation, case.contract)(json.dumps({"request_id": "a", "features": features}))
    assert line is not None
    found = json.loads(line)
    assert found["request_id"] == "a"
    return dict(found["features"])


def test_an_older_record_gets_what_is_made_of_it(stays: UseCase) -> None:
    assert completed(stays, FEATURES) == FEATURES | {"price_a_night": 75.0, "days_ahead": 31}


def test_what_was_served_stays_as_it_was_a_gap_too(stays: UseCase) -> None:
    served = FEATURES | {"price_a_night": 1.5, "days_ahead": None}
    assert completed(stays, served) == served
    assert completed(stays, FEATURES | {"days_ahead": None}) == FEATURES | {"days_ahead": None, "price_a_night": 75.0}


@pytest.mark.parametrize("line", [None, "", "{", "[]", '{"features": null}', '{"features": {"price": "much"}}'])
def test_what_is_no_record_stays_as_it_is(stays: UseCase, line: str | None) -> None:
    derivation = derivation_of(stays)
    assert derivation is not None
    assert LineFunction(derivation, stays.contract)(line) == line
