"""Drift of several labels that were predicted: the share of each by itself, and how likely sets were held."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.drift_report import DriftReport, Window
from lakeloop.request_record import RequestRecord
from monitoring.analysis.comparison import target_drift
from monitoring.drift.attribution import frame_of_records, row_of_record, rows_of_version
from monitoring.drift.detector import detect_drift
from monitoring.drift.reference import Reference
from monitoring.drift.watched_answers import watched_answers
from tests.use_case_copies import USE_CASES

ROWS = 1_000


@pytest.fixture(scope="module")
def tickets() -> Contract:
    return load_contract(USE_CASES["tickets"] / "tickets" / "contract.yaml")


def record(**changes: Any) -> RequestRecord:
    answer = {"prediction": "billing, outage", "class_id": 5, "probabilities": [0.9, 0.2, 0.5]}
    features = {"channel": "web", "plan": "basic", "amounts": 1, "failures": 0, "words": 40}
    about = {"request_id": "r", "key": None, "at": "2024-01-05T10:00:00+00:00", "features": features}
    given = {"answered_at": "2024-01-05T10:00:00+00:00", "reason": "ok", "model_version": "7", "latency_ms": 1.0}
    return RequestRecord.model_validate(about | given | {"predictor_type": "model"} | answer | changes)


def test_a_set_counts_where_this_version_gave_it(tickets: Contract) -> None:
    rules = {"probabilities": None, "predictor_type": "rules", "model_version": None}
    rows = [row_of_record(one, tickets) for one in (record(), record(**rules), record(model_version="6"))]
    frame = rows_of_version(frame_of_records(rows, tickets), tickets, "7")
    assert frame["prediction"].tolist() == ["billing, outage", None, None]
    assert frame["confidence"].tolist()[0] == pytest.approx(0.9 * 0.8 * 0.5) and frame["confidence"].isna().sum() == 2


def measured(contract: Contract, probabilities: np.ndarray) -> DriftReport:
    draw, watched = np.random.default_rng(1), watched_answers(contract)
    known, sure = watched.answers(draw.random((5_000, 3)) * (1, 0.7, 0.6))
    features = pd.DataFrame(
        {"channel": "web", "plan": "basic", "amounts": draw.integers(0, 9, ROWS), "failures": 1, "words": 40}
    )
    asked = features.assign(**watched.watched(probabilities))
    reference = Reference("7", "a" * 64, features, known, confidences=sure)
    few = contract.model_copy(update={"monitoring": contract.monitoring.model_copy(update={"window": ROWS})})
    return detect_drift(reference, asked, few, Window(kind="rolling", rows=ROWS))


def test_the_label_whose_share_moved_is_named_and_the_others_do_not_hide_it(tickets: Contract) -> None:
    same = np.random.default_rng(2).random((ROWS, 3)) * (1, 0.7, 0.6)
    stable, moved = measured(tickets, same), measured(tickets, same * (1, 1, 1.5))
    assert stable.prediction is not None and moved.prediction is not None
    assert not stable.prediction.drifted and moved.prediction.drifted
    assert "outage moved furthest" in moved.prediction.note and stable.state == moved.state == "stable"
    assert moved.confidence is not None and stable.confidence is not None
    assert moved.confidence.score > (stable.confidence.score or 0)  # type: ignore[operator]


def test_rows_of_the_rules_are_left_out(tickets: Contract) -> None:
    same = np.random.default_rng(2).random((ROWS, 3)) * (1, 0.7, 0.6)
    same[:100] = np.nan
    found = measured(tickets, same).prediction
    assert found is not None and not found.drifted and "did not answer 100 of 1000" in found.note


def test_what_the_model_says_of_its_reference_is_kept(tickets: Contract, contract: Contract) -> None:
    watched = watched_answers(tickets)
    names, sure = watched.answers(np.array([[0.9, 0.2, 0.5], [0.1, 0.2, 0.3], [np.nan, 0.2, 0.5]]))
    assert names.tolist() == ["billing, outage", "none"]
    kept = watched.kept(names, sure)
    assert kept["set_ids"] == [5, 0]
    again = watched.from_kept(kept)
    assert again is not None and again[0].tolist() == names.tolist() and again[1] is not None
    assert again[1].tolist() == pytest.approx([0.36, 0.504])
    assert watched_answers(contract).from_kept(kept) is None and watched.from_kept({"classes": ["a"]}) is None


def test_what_was_true_moves_label_by_label(tickets: Contract) -> None:
    before, now = pd.Series(["none"] * 500 + ["billing, login"] * 500), pd.Series(["none"] * 500 + ["billing"] * 500)
    found = target_drift(tickets, before, now)
    assert found.before == {"billing": 0.5, "login": 0.5, "outage": 0.0} and found.now["login"] == 0 and found.drifted
