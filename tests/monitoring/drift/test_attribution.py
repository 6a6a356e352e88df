"""Whose a request is, and what of it counts, whether it comes from the log or from the lake."""

from typing import Any

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.request_record import RequestRecord
from lakeloop.threshold import Threshold
from monitoring.drift.attribution import (
    frame_of_records,
    requests_of_version,
    row_of_record,
    rows_of_version,
    version_of_unasked,
)

LOW, HIGH = [0.1, 0.2, 0.7], [0.7, 0.2, 0.1]


def record(
    version: str | None, probabilities: list[float] | None, rules: bool = False, **features: Any
) -> RequestRecord:
    return RequestRecord(
        request_id="r", key=None, at="2026-01-01T00:00:00Z", answered_at="2026-01-01T00:00:00Z",
        features={"age": 40, "miles": 7.5, **features}, prediction="low", class_id=2, probabilities=probabilities,
        predictor_type="rules" if rules else "model", reason="ok", model_version=version, latency_ms=1.0,
    )  # fmt: skip


def frame(contract: Contract, *records: RequestRecord) -> pd.DataFrame:
    return frame_of_records((row_of_record(one, contract) for one in records), contract)


def test_of_several_versions_answers_only_ones_own_count_and_everybodys_features(contract: Contract) -> None:
    given = frame(
        contract, record("7", LOW), record("6", HIGH, age=18), record(None, None, rules=True), record("7", HIGH, True)
    )
    rows = rows_of_version(given, contract, "7")
    assert rows["prediction"].tolist() == ["low", None, None, "high"]
    assert (
        rows["confidence"].round(3).tolist()[::3] == [0.7, 0.7]
        and rows["confidence"].isna().tolist()[1:3] == [True] * 2
    )
    assert rows["age"].tolist() == [40, 18, 40, 40] and rows["by_rules"].tolist() == [False, False, True, True]
    assert rows_of_version(given, contract, "6")["prediction"].tolist() == [None, "high", None, None]
    assert given["probability_high"].notna().sum() == 3, "what was given is as it was"


def test_requests_nobody_was_asked_about_belong_to_who_answered_most(contract: Contract) -> None:
    given = frame(contract, record("7", LOW), record("6", LOW), record(None, None), record("7", LOW))
    assert version_of_unasked({"7": 2, "6": 1}) == "7"
    assert version_of_unasked({"9": 1, "10": 1, "8": 1}) == "9", "of equals always the same"
    assert len(requests_of_version(given, "7", with_unasked=True)) == 3
    assert len(requests_of_version(given, "6", with_unasked=False)) == 1


def test_a_record_from_before_the_contract_changed_keeps_what_fits(contract: Contract) -> None:
    rows = rows_of_version(frame(contract, record("7", [0.5, 0.5], colour="red")), contract, "7")
    assert rows["prediction"].tolist() == [None] and np.isnan(rows["confidence"].iloc[0])
    assert "colour" not in rows and rows["power"].isna().all() and rows["miles"].tolist() == [7.5]


def test_no_request_is_a_frame_without_rows(contract: Contract) -> None:
    rows = rows_of_version(frame(contract), contract, "7")
    assert len(rows) == 0 and {"at", "prediction", "confidence", "by_rules", *contract.features} == set(rows.columns)


def test_of_a_model_with_a_threshold_the_class_and_its_probability_are_those_it_answered(churn: Contract) -> None:
    given = frame_of_records(
        (
            {"at": "2026-01-01T00:00:00Z", "model_version": version, "by_rules": False, "plan": "basic", "usage": 1.0,
             "probability_stays": 1 - leaves, "probability_leaves": leaves}
            for version, leaves in (("7", 0.3), ("7", 0.1), ("6", 0.9))
        ),
        churn,
    )  # fmt: skip
    low = Threshold(of="leaves", at=0.2, aim="the best f1", reached="f1 0.500", rows=10)
    rows = rows_of_version(given, churn, "7", low)
    assert rows["prediction"].tolist() == ["leaves", "stays", None]
    assert rows["confidence"].tolist()[:2] == [0.3, 0.9] and np.isnan(rows["confidence"].iloc[2])
    of_other_class = low.model_copy(update={"of": "stays"})
    assert rows_of_version(given, churn, "7", of_other_class)["prediction"].tolist() == ["stays", "stays", None]
    assert rows_of_version(given, churn, "7")["prediction"].tolist() == ["stays", "stays", None]
