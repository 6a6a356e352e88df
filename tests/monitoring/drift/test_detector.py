"""What a window is found to be: the reference months to four digits, and windows that cannot be measured."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lakeloop.contract import Contract, DriftTest
from lakeloop.drift_report import ColumnDrift, DriftReport, Window
from monitoring.drift.detector import detect_drift
from monitoring.drift.reference import NoReference, Reference

Month = Callable[..., pd.DataFrame]
Measured = Callable[..., DriftReport]


def column(report: DriftReport, name: str) -> ColumnDrift:
    return next(column for column in report.features if column.column == name)


def with_test(contract: Contract, name: str, test: DriftTest) -> Contract:
    """The contract with another drift test for one feature."""
    changed = contract.features[name].model_copy(update={"drift": test})
    return contract.model_copy(update={"features": contract.features | {name: changed}})


def test_month_12_against_month_0_to_four_digits(month: Month, measured: Measured) -> None:
    report = measured(month(12))
    assert round(column(report, "miles").score or 0, 5) == 0.22423
    assert round(column(report, "emergency_braking").score or 0, 5) == 0.13148
    assert round(column(report, "age").score or 0, 5) == 0.09701
    assert (report.state, report.drifted, report.share) == ("stable", ("emergency_braking", "miles"), 2 / 6)


def test_the_reference_months_drift_when_they_are_known_to(month: Month, measured: Measured) -> None:
    reports = {number: measured(month(number)) for number in range(1, 37)}
    by_feature = {
        feature.column: [number for number, report in reports.items() if feature.column in report.drifted]
        for feature in reports[1].features
    }
    assert by_feature == {
        "training": [],
        "age": [11, *range(13, 37)],
        "emergency_braking": list(range(10, 37)),
        "braking_distance": [],
        "power": [],
        "miles": list(range(6, 37)),
    }
    assert column(reports[9], "age").score == pytest.approx(0.0999, abs=5e-5)
    assert [n for n, report in reports.items() if report.dataset_drift] == [11, *range(13, 37)]


@pytest.mark.parametrize("test", ["wasserstein", "jensenshannon", "psi", "kl_div", "hellinger", "ks"])
def test_each_test_finds_a_shift_and_no_shift(
    test: str, contract: Contract, month_0_reference: Reference, month: Month
) -> None:
    threshold = 0.001 if test == "ks" else 0.15
    terms = with_test(contract, "miles", DriftTest(test=test, threshold=threshold))  # type: ignore[arg-type]
    window = Window(kind="month", rows=1500)
    fresh, shifted = month(0, seed=5), month(36)
    stable, drifted = (
        column(detect_drift(month_0_reference, rows, terms, window), "miles") for rows in (fresh, shifted)
    )
    assert (stable.test, stable.drifted, drifted.drifted) == (test, False, True)
    assert stable.score is not None and drifted.score is not None
    assert (stable.score > threshold > drifted.score) if test == "ks" else (stable.score < threshold < drifted.score)


def test_prediction_drift_is_its_own_signal(month_0_reference: Reference, month: Month, measured: Measured) -> None:
    same = month(1).assign(prediction=month_0_reference.predictions)
    other = month(1).assign(prediction="high")
    assert measured(same).prediction == ColumnDrift(
        column="prediction", test="jensenshannon", score=0.0, threshold=0.1, drifted=False
    )
    report = measured(other)
    assert report.prediction is not None and report.prediction.drifted
    assert (report.state, report.share, "prediction" in report.drifted) == ("stable", 0.0, False)
    assert len(report.features) == 6


def test_confidence_drift_is_its_own_signal(month_0_reference: Reference, month: Month, measured: Measured) -> None:
    sure = pd.Series(np.random.default_rng(1).beta(8, 2, 1500))
    known = replace(month_0_reference, confidences=sure)
    rows = month(1).assign(prediction=month_0_reference.predictions)
    same = measured(rows.assign(confidence=sure), known)
    assert same.confidence is not None and same.confidence.score == 0.0 and not same.confidence.drifted
    unsure = measured(rows.assign(confidence=sure - 0.1), known)
    assert unsure.confidence is not None and unsure.confidence.drifted and unsure.confidence.test == "wasserstein"
    assert unsure.prediction is not None and not unsure.prediction.drifted, "the classes are the same"
    assert (unsure.state, unsure.share) == ("stable", 0.0) and unsure.signals[-1] == unsure.confidence
    assert measured(rows.assign(confidence=sure)).confidence is None, "of this reference nobody knows it"
    assert measured(rows, known).confidence is None
    few = measured(rows.assign(confidence=sure.where(sure.index < 100)), known).confidence
    assert few is not None and few.score is None and few.note.startswith("the model did not answer 1400 of 1500; ")


def test_answers_by_rules_are_no_predictions_of_the_model(
    month_0_reference: Reference, month: Month, measured: Measured
) -> None:
    rows = month(1).assign(prediction=month_0_reference.predictions)
    rows.loc[:99, "prediction"] = None
    prediction = measured(rows).prediction
    assert prediction is not None
    assert (prediction.drifted, prediction.note) == (False, "the model did not answer 100 of 1500")
    rows["prediction"] = None
    none_at_all = measured(rows).prediction
    assert none_at_all is not None and none_at_all.score is None and not none_at_all.drifted
    assert none_at_all.note == "the model did not answer 1500 of 1500; 0 values; at least 750 are needed"


def test_without_the_champion_s_own_answers_only_features_are_measured(month: Month, measured: Measured) -> None:
    report = measured(month(11), Reference("7", "a" * 64, month(0), None, "the model server is away"))
    assert report.state == "drift"
    assert report.prediction is not None and report.prediction.score is None and not report.prediction.drifted
    assert report.prediction.note.endswith("is not known: the model server is away")


def test_an_empty_window_and_one_too_small_are_not_measured(
    contract: Contract, month: Month, measured: Measured
) -> None:
    empty = measured(month(36).iloc[:0])
    assert (empty.state, empty.reason) == ("too few rows", "0 rows; at least 750 are needed")
    assert (empty.features, empty.share, empty.dataset_drift) == ((), 0.0, False)
    assert measured(month(36).iloc[:749]).state == "too few rows"
    assert measured(month(36).iloc[:750]).state == "drift"
    fewer = contract.model_copy(update={"monitoring": contract.monitoring.model_copy(update={"minimum_window": 100})})
    assert measured(month(36).iloc[:100], terms=fewer).state == "drift"


def test_a_feature_without_any_value_raises_no_alarm(month: Month, measured: Measured) -> None:
    for missing in (np.nan, None):
        report = measured(month(1).assign(miles=missing, training=missing))
        for name in ("miles", "training"):
            found = column(report, name)
            assert (found.score, found.drifted) == (None, False)
            assert found.note == "1500 of 1500 values are missing; at least 750 are needed"
        assert report.state == "stable"
        assert column(report, "age").score is not None


def test_a_window_without_any_value_is_not_measured(month: Month, measured: Measured) -> None:
    rows = month(36)
    rows[:] = np.nan
    report = measured(rows)
    assert (report.state, report.features) == ("too few rows", ())
    assert report.reason == "no feature has 750 values: 1500 of 1500 values are missing; at least 750 are needed"


def test_missing_values_and_infinities_are_left_out(month: Month, measured: Measured) -> None:
    whole, holed = month(36), month(36)
    holed.loc[:9, "miles"] = [np.nan, np.inf, -np.inf] * 3 + [np.nan]
    holed["training"] = holed["training"].astype(float)
    holed.loc[:4, "training"] = np.nan
    report = measured(holed)
    miles = column(report, "miles")
    assert miles.note == "10 of 1500 values are missing"
    assert miles.score == pytest.approx(column(measured(whole), "miles").score, abs=0.01) and miles.drifted
    training = column(report, "training")
    assert training.note == "5 of 1500 values are missing"
    assert training.score == pytest.approx(column(measured(whole), "training").score, abs=0.005)


def test_a_constant_feature_drifts_only_when_it_changes(
    month_0_reference: Reference, month: Month, measured: Measured
) -> None:
    constant = Reference(
        "7", "a" * 64, month_0_reference.features.assign(power=120.0, training=0), month_0_reference.predictions
    )
    same = measured(month(1).assign(power=np.float64(np.float32(120.00001)), training=0), constant)
    assert column(same, "power").score == column(same, "training").score == 0.0
    assert (same.drifted, column(same, "power").note) == ((), "constant, as in the reference")
    changed = measured(month(1).assign(training=1), constant)
    assert changed.drifted == ("training", "power")
    assert column(changed, "power").note.startswith("always 120 in the reference")
    became = measured(month(1).assign(power=120.0))
    assert became.drifted == ("power",)


def test_an_unseen_category_counts_and_is_named(
    contract: Contract, month_0_reference: Reference, month: Month, measured: Measured
) -> None:
    rows = month(1)
    rows.loc[:299, "training"] = 2
    found = column(measured(rows), "training")
    assert found.drifted and found.note == "not in the reference: 2"
    for test in ("psi", "kl_div", "hellinger"):
        terms = with_test(contract, "training", DriftTest(test=test, threshold=0.1))  # type: ignore[arg-type]
        again = column(measured(rows, terms=terms), "training")
        assert again.drifted and again.score is not None and np.isfinite(again.score)
    rows = month(1)
    rows.loc[:1, "training"] = 2
    few = column(measured(rows), "training")
    assert (few.drifted, few.note) == (False, "not in the reference: 2")


def test_measuring_changes_neither_window_nor_reference(
    contract: Contract, month_0_reference: Reference, month: Month, measured: Measured
) -> None:
    rows = month(3).assign(prediction="low")
    rows.loc[:2, "miles"] = np.nan
    before, known = rows.copy(), month_0_reference.features.copy()
    measured(rows, terms=with_test(contract, "miles", DriftTest(test="hellinger", threshold=0.1)))
    pd.testing.assert_frame_equal(rows, before)
    pd.testing.assert_frame_equal(month_0_reference.features, known)


def test_no_reference_says_why_and_raises_no_alarm(month: Month, contract: Contract) -> None:
    report = detect_drift(NoReference("7", "it is gone"), month(36), contract, Window(kind="month", rows=1500))
    assert (report.state, report.reason, report.dataset_drift) == ("no reference", "it is gone", False)


def test_a_large_window_is_sampled_and_says_how_exact_it_is(month: Month, measured: Measured) -> None:
    rows = month(12, 300_000, 1)
    sampled = measured(rows)
    assert sampled.sampled_rows == 100_000 and sampled == measured(rows)
    assert sampled.standard_error is not None and 0 < sampled.standard_error < 0.005
    parts = [measured(rows.iloc[n : n + 100_000]) for n in range(0, 300_000, 100_000)]
    assert all(part.sampled_rows is None and part.standard_error is None for part in parts)
    for found in sampled.features:
        whole = float(np.mean([column(part, found.column).score for part in parts]))
        assert found.score == pytest.approx(whole, abs=4 * sampled.standard_error), found.column


def test_the_standard_error_is_how_much_samples_differ(month: Month, measured: Measured) -> None:
    rows = month(12, 60_000, 2)
    samples = [measured(rows.iloc[n : n + 3000], of=10_000_000) for n in range(0, 60_000, 3000)]
    spread = np.std([column(sample, "miles").score for sample in samples], ddof=1)
    stated = np.mean([sample.standard_error for sample in samples])
    assert spread / 2 < stated < spread * 3
    assert {sample.sampled_rows for sample in samples} == {3000}
