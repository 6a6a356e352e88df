"""Drift of numbers that were predicted: the model's own are compared, those of the rules are not."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.drift_report import DriftReport, Window
from lakeloop.exceptions import ContractError
from lakeloop.request_record import RequestRecord
from monitoring.drift.attribution import frame_of_records, row_of_record, rows_of_version
from monitoring.drift.detector import detect_drift
from monitoring.drift.reference import Reference
from monitoring.drift.watched_answers import watched_answers
from tests.use_case_copies import USE_CASES

ROWS = 1_000


@pytest.fixture(scope="module")
def rentals() -> Contract:
    return load_contract(USE_CASES["rentals"] / "rentals" / "contract.yaml")


def record(number: float, **changes: Any) -> RequestRecord:
    answer = {"prediction": number, "lower": number - 5, "upper": number + 5, "predictor_type": "model"}
    features = {"hour": 12, "temperature": 10.5, "sky": "clear", "workday": 1}
    about = {"request_id": "r", "key": None, "at": "2024-01-05T10:00:00+00:00", "features": features}
    given = {"answered_at": "2024-01-05T10:00:00+00:00", "reason": "ok", "model_version": "7", "latency_ms": 1.0}
    return RequestRecord.model_validate(about | given | answer | changes)


def rows(contract: Contract, records: list[RequestRecord]) -> pd.DataFrame:
    return rows_of_version(frame_of_records([row_of_record(one, contract) for one in records], contract), contract, "7")


def test_a_number_counts_where_this_version_gave_it(rentals: Contract) -> None:
    ruled = {"lower": None, "upper": None, "predictor_type": "rules", "model_version": None}
    frame = rows(rentals, [record(80.0), record(20.0, **ruled), record(90.0, model_version="6")])
    assert frame["prediction"].tolist() == [80.0, None, None]
    assert frame["by_rules"].tolist() == [False, True, False]
    of_classes = record(0.0, prediction="many", class_id=0, probabilities=[1.0, 0.0], lower=None, upper=None)
    assert rows(rentals, [of_classes])["prediction"].tolist() == [None]


def measured(contract: Contract, numbers: np.ndarray) -> DriftReport:
    draw = np.random.default_rng(1)
    trained = pd.Series(draw.gamma(4, 25, 5_000), dtype=object)
    features = pd.DataFrame(
        {"hour": draw.integers(0, 24, ROWS), "temperature": draw.normal(12, 8, ROWS), "sky": "clear", "workday": 1}
    )
    asked = features.assign(prediction=numbers.astype(object))
    reference = Reference("7", "a" * 64, features, trained)
    few = contract.model_copy(update={"monitoring": contract.monitoring.model_copy(update={"window": ROWS})})
    return detect_drift(reference, asked, few, Window(kind="rolling", rows=ROWS))


def test_predicted_numbers_that_moved_have_drifted_and_others_have_not(rentals: Contract) -> None:
    numbers = np.random.default_rng(2).gamma(4, 25, ROWS)
    same, moved = measured(rentals, numbers), measured(rentals, numbers + 60)
    assert same.prediction is not None and moved.prediction is not None
    assert not same.prediction.drifted and moved.prediction.drifted
    assert same.state == moved.state == "stable", "the prediction alone is no drift of the data"


@pytest.mark.parametrize(("test", "threshold"), [("wasserstein", 0.1), ("ks", 0.05)])
def test_the_tests_for_numbers_compare_them_and_are_refused_for_classes(
    tmp_path: Path, test: str, threshold: float
) -> None:
    said = f"monitoring: {{prediction_drift: {{test: {test}, threshold: {threshold}}}}}\n"
    with_it: dict[str, Path] = {}
    for name in ("rentals", "churn"):
        with_it[name] = Path(shutil.copytree(USE_CASES[name] / name, tmp_path / name)) / "contract.yaml"
        with_it[name].write_text(with_it[name].read_text() + said)
    rentals = load_contract(with_it["rentals"])
    numbers = np.random.default_rng(2).gamma(4, 25, ROWS)
    same, moved = (measured(rentals, given).prediction for given in (numbers, numbers + 15))
    assert same is not None and moved is not None and same.score is not None and moved.score is not None
    assert (same.test, same.drifted, moved.drifted) == (test, False, True)
    assert (moved.score < same.score) if test == "ks" else (moved.score > same.score)
    with pytest.raises(ContractError, match=f"monitoring.prediction_drift.test: {test} compares numbers, and predic"):
        load_contract(with_it["churn"])


def test_what_the_model_says_of_its_reference_is_kept_as_numbers(rentals: Contract, contract: Contract) -> None:
    answers = watched_answers(rentals)
    found = answers.answers(np.array([[1.5, 1.0, 2.0], [np.nan, 1.0, 2.0]]))
    kept = answers.kept(*found)
    again = answers.from_kept(kept)
    assert again is not None and again[0].tolist() == [1.5] and again[1] is None
    assert answers.whole(*again) and not watched_answers(contract).whole(*again)
    assert answers.from_kept({"classes": ["a"], "class_ids": [0]}) is None
    assert watched_answers(contract).from_kept(kept) is None
