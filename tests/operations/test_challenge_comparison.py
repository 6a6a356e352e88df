"""A challenger's answers beside the champion's: figures that can be counted by hand, and gaps that say what to do."""

import numpy as np
import pandas as pd
import pytest
from deltalake import write_deltalake

from lakehouse.gold.calibration import CalibrationRow, ErrorCalibrationRow, write_calibrations
from lakeloop.challenger_log import LoggedAnswer, challenger_log_folder
from lakeloop.contract_file import load_contract
from lakeloop.error_trees import ErrorTrees
from lakeloop.exceptions import NotFoundError
from lakeloop.request_log_files import open_file
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from operations.challenge_comparison import Drift, compare_challenge, has_challenged
from operations.challenge_worth import paired
from tests.challenges import asked, class_answer, write_log
from tests.use_case_copies import USE_CASES


def test_a_version_that_never_challenged_is_told_with_what_to_do(use_case: UseCase) -> None:
    assert not has_challenged(use_case, "2")
    with pytest.raises(NotFoundError, match="version 2 of insurance was asked nothing as a challenger"):
        compare_challenge(use_case, "2")


def test_classes_are_compared_row_by_row_and_with_their_truth(use_case: UseCase) -> None:
    names = use_case.contract.label.class_names
    write_log(
        use_case,
        [
            *(asked(n, class_answer(names, "high"), class_answer(names, "high")) for n in range(60)),
            *(asked(n, class_answer(names, "high"), class_answer(names, "low", 0.9)) for n in range(60, 100)),
            asked(100, class_answer(names, "low"), None, error="too slow"),
        ],
    )
    found = compare_challenge(use_case, "2")
    assert has_challenged(use_case, "2") and (found.champion, found.challenger) == ("1", "2")
    assert (found.rows, found.errors, found.newest_error, found.compared) == (101, 1, "too slow", 100)
    assert found.alike == 0.6 and found.alike_interval == pytest.approx((0.5020, 0.6906), abs=1e-4)
    assert found.answers is not None and found.answers.loc["high"].to_dict() == {"high": 60, "low": 40}
    assert found.latency == {"p50": 10.0, "p95": 10.0, "p99": 10.0}
    assert (
        sum(piece.rows for piece in found.pieces) == 101
        and found.pieces[-1].alike is None
        and found.pieces[-2].alike == 0.0
    )
    assert found.drift is not None and found.drift.drifted and found.differences is None
    assert found.gaps == {
        "estimated": "version 1 and 2 are not calibrated yet; `lakeloop performance -u insurance` does that",
        "realised": "the truth of none of these rows has come yet",
    }
    write_calibrations(use_case, [CalibrationRow(v, "constant", 100, 0.9, 0.01, (0.0, 1.0)) for v in ("1", "2")])
    truth = pd.DataFrame({"key": [f"k{n}" for n in range(80)], "name": ["high"] * 60 + ["low"] * 20})
    columns = {"key": use_case.contract.key.column, "name": use_case.contract.label.name_column}
    write_deltalake(use_case.table("gold/training"), truth.rename(columns=columns))
    found = compare_challenge(use_case, "2")
    assert found.gaps == {} and found.realised is not None and found.estimated is not None
    assert (found.realised.rows, found.realised.champion, found.realised.challenger) == (80, 0.75, 1.0)
    assert found.realised.verdict == "the challenger is better"
    assert found.estimated.champion == pytest.approx(0.6) and found.estimated.challenger == pytest.approx(0.72)
    assert found.estimated.verdict == "an estimate"


def test_of_several_labels_it_is_expected_how_often_exactly_these_are_right(settings: Settings) -> None:
    tickets = load_contract(USE_CASES["tickets"] / "tickets" / "contract.yaml")
    case = UseCase(settings.model_copy(update={"use_case": tickets.use_case}), tickets)

    def labels(*sure: float) -> LoggedAnswer:
        return LoggedAnswer(prediction="billing, outage", class_id=5, probabilities=list(sure), predictor_type="model",
                            reason="ok")  # fmt: skip

    write_log(case, [asked(n, labels(0.6, 0.1, 0.9), labels(0.9, 0.1, 0.9)) for n in range(50)])
    assert "not calibrated yet" in compare_challenge(case, "2").gaps["estimated"]
    write_calibrations(case, [CalibrationRow(v, "constant", 100, 0.9, 0.01, (0.0, 1.0)) for v in ("1", "2")])
    found = compare_challenge(case, "2").estimated
    assert found is not None and found.champion == pytest.approx(0.6 * 0.9 * 0.9)
    assert found.challenger == pytest.approx(0.9 * 0.9 * 0.9)


def test_numbers_are_compared_by_how_far_they_lie_apart(settings: Settings) -> None:
    bikes = load_contract(USE_CASES["rentals"] / "rentals" / "contract.yaml")
    case = UseCase(settings.model_copy(update={"use_case": bikes.use_case}), bikes)
    write_log(case, [asked(n, number(10.0 + n), number(12.0 + n)) for n in range(50)])
    metric, trees = bikes.gate.watched_error, ErrorTrees(start=3.0).model_dump_json()
    known = [ErrorCalibrationRow(v, metric, "constant", 100, 3.0, 0.1, 1.0, trees) for v in ("1", "2")]
    write_calibrations(case, known)
    found = compare_challenge(case, "2")
    assert found.answers is None and found.differences is not None and set(found.differences) == {2.0}
    assert found.alike == 0.0 and "none of these rows came into the lake yet" in found.gaps["estimated"]
    truth = {bikes.key.column: [f"k{n}" for n in range(50)], bikes.label.name: [11.0 + n for n in range(50)]}
    write_deltalake(case.table("gold/training"), pd.DataFrame(truth))
    realised = compare_challenge(case, "2").realised
    assert realised is not None and (realised.metric, realised.champion, realised.challenger) == (metric, 1.0, 1.0)
    assert realised.verdict == "no difference that these rows could show"


def test_an_error_is_the_better_the_smaller_it_is() -> None:
    random = np.random.default_rng(1)
    large, small = random.uniform(2, 3, 200), random.uniform(0, 1, 200)
    assert paired("mean_absolute_error", large, small).verdict == "the challenger is better"
    assert paired("accuracy", large, small).verdict == "the champion is better"


def test_lines_that_are_no_records_and_challenges_that_did_not_fit_are_left_out(use_case: UseCase) -> None:
    names = use_case.contract.label.class_names
    misfit = asked(0, None, None, error="it knows other classes").model_copy(update={"misfit": True})
    write_log(use_case, [misfit, asked(1, class_answer(names, "low"), class_answer(names, "low"))])
    with open_file(challenger_log_folder(use_case, "2"), "one", 1).open("a") as file:
        file.write("{half a line\n")
    found = compare_challenge(use_case, "2")
    assert (found.rows, found.compared, found.alike) == (1, 1, 1.0)
    assert found.drift == Drift("jensenshannon", 0.0, 0.1, False)


def number(value: float) -> LoggedAnswer:
    return LoggedAnswer(prediction=value, predictor_type="model", reason="ok")
