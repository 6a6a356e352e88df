"""The analysis of the reference months says what is known to happen: numbers, and sentences made from them."""

from collections.abc import Callable

import pandas as pd
import pytest

from lakeloop.added_columns import with_label
from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.drift_report import Window
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from monitoring.analysis.comparison import Comparison, compare
from monitoring.analysis.words import headline, sentences
from monitoring.drift.detector import detect_drift
from monitoring.drift.reference import Reference

Compare = Callable[..., Comparison]


@pytest.fixture(scope="module")
def rows(contract: Contract) -> Callable[[int], pd.DataFrame]:
    def of(month: int) -> pd.DataFrame:
        return with_label(contract, sample_period(UseCase(Settings(), contract), month))

    return of


@pytest.fixture(scope="module")
def found(contract: Contract, month_0_reference: Reference, rows: Callable[[int], pd.DataFrame]) -> Compare:
    """`found(12)`: month 12, and all months before, against month 0."""

    def against_reference(month: int, labelled: pd.DataFrame | None = None, months: range | None = None) -> Comparison:
        features = list(contract.features)
        by_period = {number: rows(number)[features] for number in months or range(month + 1)}
        reports = {
            number: detect_drift(month_0_reference, frame, contract, Window(kind="month", rows=len(frame)))
            for number, frame in by_period.items()
        }
        truth = rows(month) if labelled is None else labelled
        return compare(contract, "7", month, rows(0), by_period, reports, truth)

    return against_reference


@pytest.fixture(scope="module")
def month_36(found: Compare) -> Comparison:
    return found(36)


def test_speeds_and_crossings_are_the_known_ones(month_36: Comparison) -> None:
    paces = {pace.feature: (pace.speed, pace.first, pace.lasting) for pace in month_36.paces}
    assert paces == {
        "training": ("still", None, None), "braking_distance": ("still", None, None), "power": ("still", None, None),
        "age": ("slow", 11, 13), "emergency_braking": ("fast", 10, 10), "miles": ("fast", 6, 6),
    }  # fmt: skip


def test_a_months_shift_is_the_generators_own(month_36: Comparison) -> None:
    a_month = {pace.feature: pace.a_period for pace in month_36.paces}
    spread = {name: month_36_std(month_36, name) for name in ("age", "miles", "emergency_braking")}
    assert a_month["age"] * spread["age"] == pytest.approx(0.1, rel=0.2)
    assert a_month["miles"] * spread["miles"] == pytest.approx(-0.5, rel=0.1)
    assert a_month["emergency_braking"] * spread["emergency_braking"] == pytest.approx(0.015, rel=0.1)


def month_36_std(found: Comparison, name: str) -> float:
    pace = next(pace for pace in found.paces if pace.feature == name)
    return (pace.now - pace.before) / pace.shift


def test_the_drivers_weight_falls_and_the_vehicles_rises(month_36: Comparison) -> None:
    before, after = month_36.weights_before["driver"][0], month_36.weights_after["driver"][0]
    assert before > 0.7 and after < 0.25
    told = " ".join(sentences(month_36))
    assert "The weight of the driver falls" in told and "The weight of the vehicle rises" in told
    assert "age moves slowly" in told and "miles moves fast" in told and "emergency_braking moves fast" in told
    assert "So two things move" in told


def test_month_12_in_numbers(found: Compare) -> None:
    month = found(12)
    scores = {name: {d.method: d.score for d in all_} for name, all_ in month.distances.items()}
    assert scores["miles"]["wasserstein"] == pytest.approx(0.22423, abs=5e-6)
    assert scores["age"]["wasserstein"] == pytest.approx(0.09701, abs=5e-6)
    assert scores["emergency_braking"]["jensenshannon"] == pytest.approx(0.13148, abs=5e-6)
    assert scores["emergency_braking"]["wasserstein"] is None and scores["emergency_braking"]["ks"] is None
    assert headline(month) == (
        "In month 12 (2024-01) 2 of 6 features have drifted: emergency_braking and miles; a share of 0.33 where 0.50 "
        "is dataset drift, so there is no dataset drift."
    )
    assert month.target is not None and month.target.drifted
    assert month.target.now["high"] == pytest.approx(378 / 1500)


def test_without_truth_nothing_is_said_about_the_concept(found: Compare, rows: Callable[[int], pd.DataFrame]) -> None:
    month = found(12, labelled=rows(12).head(0))
    told = " ".join(sentences(month))
    assert month.after == () and month.target is None and month.target_distances == ()
    assert "(by the contract it comes 24 months after the month)" in told and "weight" not in told
    assert "whether they still mean the same cannot be known before truth arrives" in told


def test_a_handful_of_labelled_rows_is_too_few_to_compare_by(
    found: Compare, rows: Callable[[int], pd.DataFrame]
) -> None:
    told = " ".join(sentences(found(12, labelled=rows(12).head(20))))
    assert "Only 20 rows of this month have their truth" in told


def test_two_draws_of_the_same_month_call_for_nothing(contract: Contract) -> None:
    """Month 0 as the reference drew it is itself three standard errors off in two features; so other draws are used."""
    features, calm = list(contract.features), 0
    for seed in range(0, 16, 2):
        one, two = (
            with_label(contract, sample_period(UseCase(Settings(), contract), 0, 1500, seed + i)) for i in (0, 1)
        )
        report = detect_drift(
            Reference("7", "a" * 64, one[features]), two[features], contract, Window(kind="month", rows=1500)
        )
        month = compare(contract, "7", 0, one, {0: two}, {0: report}, two)
        calm += sentences(month)[-1].startswith("So the month looks like the reference")
    assert calm >= 7


def test_inputs_that_move_under_the_same_concept_are_told_apart(
    contract: Contract, month_0_reference: Reference, rows: Callable[[int], pd.DataFrame]
) -> None:
    many = with_label(contract, sample_period(UseCase(Settings(), contract), 0, 20_000, 5))
    older = many.sample(3000, weights=(many["age"] > 40).astype(float) + 0.6, random_state=1)
    report = detect_drift(month_0_reference, older[list(contract.features)], contract, Window(kind="month", rows=3000))
    month = compare(contract, "7", 3, rows(0), {3: older}, {3: report}, older.head(0))
    assert [pace.feature for pace in month.paces if pace.speed != "still"] == ["age"]
    assert "age moves fast" in sentences(month)[0]
