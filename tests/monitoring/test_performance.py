"""Accuracy is estimated from confidence: right where confidence is honest, blind where the concept moved."""

import numpy as np
import pytest

from monitoring.performance import STEPS, calibrate, expected_accuracy, probability_right


def answers(rows: int, seed: int, power: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, and answers right with probability confidence ** power: a model that is surer than it says."""
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.34, 1, rows)
    return confidence, random.random(rows) < confidence**power


@pytest.mark.parametrize(("rows", "method"), [(293, "platt"), (5000, "isotonic")])
def test_a_curve_fits_the_number_of_rows_and_finds_what_confidence_means(rows: int, method: str) -> None:
    calibration = calibrate("7", *answers(rows, 1))
    assert (calibration.method, calibration.rows, len(calibration.knots)) == (method, rows, STEPS + 1)
    assert list(calibration.knots) == sorted(calibration.knots)
    for confidence in (0.5, 0.7, 0.9):
        found = probability_right(calibration.knots, np.array([confidence]))[0]
        assert found == pytest.approx(confidence**0.5, abs=4 * calibration.standard_error)


def test_the_estimate_follows_inputs_that_move_and_its_error_stays_within_what_it_claims() -> None:
    calibration = calibrate("7", *answers(293, 1))
    misses = []
    for seed in range(40):
        confidence, correct = answers(1500, 100 + seed)
        unsure = confidence < 0.6
        estimate = expected_accuracy(calibration, confidence[unsure])
        assert estimate.rows == unsure.sum()
        misses.append(abs(estimate.accuracy - correct[unsure].mean()))
    assert max(misses) < 4 * estimate.standard_error
    assert estimate.accuracy < calibration.accuracy - 0.1


def test_a_concept_that_moves_escapes_the_estimate() -> None:
    calibration = calibrate("7", *answers(293, 1))
    confidence, correct = answers(1500, 2, power=3.0)
    estimate = expected_accuracy(calibration, confidence)
    assert estimate.accuracy - correct.mean() > 8 * estimate.standard_error


def test_the_standard_error_is_the_binomial_one() -> None:
    confidence, correct = answers(293, 1)
    calibration = calibrate("7", confidence, correct)
    p = correct.mean()
    assert calibration.standard_error == pytest.approx(np.sqrt(p * (1 - p) / 293), rel=0.25)
    alone = expected_accuracy(calibration, confidence[:1])
    assert alone.standard_error > 5 * calibration.standard_error


@pytest.mark.parametrize("right", [True, False])
def test_answers_all_alike_give_their_share_and_no_false_certainty(right: bool) -> None:
    calibration = calibrate("7", np.linspace(0.4, 1, 20), np.full(20, right))
    assert calibration.method == "constant" and set(calibration.knots) == {float(right)}
    assert calibration.standard_error == pytest.approx(0.5 / 20)


def test_without_confidences_nothing_is_claimed() -> None:
    calibration = calibrate("7", *answers(293, 1))
    nothing = expected_accuracy(calibration, np.array([np.nan]))
    assert nothing.rows == 0 and np.isnan(nothing.accuracy)
    with pytest.raises(ValueError, match="needs rows"):
        calibrate("7", np.array([]), np.array([]))
