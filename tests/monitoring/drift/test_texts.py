"""Texts, nearly every one of which stands there once: what is compared are their words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lakeloop.added_columns import with_label
from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.drawn_rows import sample_period
from lakeloop.drift_report import ColumnDrift, Window
from lakeloop.use_case import UseCase
from monitoring.analysis.comparison import compare
from monitoring.drift.detector import detect_drift
from monitoring.drift.reference import Reference
from tests.exports import settings_in
from tests.use_case_copies import USE_CASES

RARE = [f"{letter}{number}" for letter in "abcdefghij" for number in range(200)]


@pytest.fixture(scope="module")
def parcels() -> Contract:
    return load_contract(USE_CASES["parcels"] / "parcels" / "contract.yaml")


@pytest.fixture(scope="module")
def use_case(parcels: Contract, tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    return UseCase(settings_in(tmp_path_factory.mktemp("home"), "parcels"), parcels)


def drawn(use_case: UseCase, month: int) -> pd.DataFrame:
    """Parcels whose notes all differ, by a name and a number."""
    rows = with_label(use_case.contract, sample_period(use_case, month, rows=2000))
    random = np.random.default_rng(month)
    names = random.choice(RARE, len(rows))
    return rows.assign(note=[_with(note, word) for note, word in zip(rows["note"], names, strict=True)])


def _with(note: str | None, word: str) -> str | None:
    return note if note is None or note != note else f"{note} {word}"


def note_of(use_case: UseCase, rows: pd.DataFrame) -> ColumnDrift:
    reference = Reference("1", "sha", drawn(use_case, 0), None, "not asked")
    report = detect_drift(reference, rows, use_case.contract, Window(kind="month", rows=len(rows), period="2024-02"))
    (found,) = [column for column in report.features if column.column == "note"]
    return found


def test_other_texts_of_the_same_words_are_no_drift(use_case: UseCase) -> None:
    found = note_of(use_case, drawn(use_case, 1))
    assert not found.drifted and found.score is not None and found.score < 0.05
    assert "are missing" in found.note and "not in the reference" not in found.note


def test_a_word_that_comes_more_often_is_drift(use_case: UseCase) -> None:
    rows = drawn(use_case, 1)
    defekt = np.random.default_rng(0).random(len(rows)) < 0.5
    found = note_of(use_case, rows.assign(note=rows["note"].mask(defekt, "Klingel defekt, bitte klopfen")))
    assert found.drifted


def test_a_month_s_comparison_names_the_word_that_moved(use_case: UseCase, tmp_path: Path) -> None:
    contract, before, now = use_case.contract, drawn(use_case, 0), drawn(use_case, 1)
    now = now.assign(note=now["note"].str.replace("Klingel", "Tür"))
    found = compare(contract, "1", 1, before, {1: now}, {1: _measured(use_case, before, now)}, now)
    (pace,) = [one for one in found.paces if one.feature == "note"]
    assert pace.value == "klingel" and pace.before > 0.2 and pace.now == 0
    (score,) = [one.score for one in found.distances["note"] if one.method == "jensenshannon"]
    assert score is not None and score > 0.1


def _measured(use_case: UseCase, before: pd.DataFrame, now: pd.DataFrame) -> object:
    reference = Reference("1", "sha", before, None, "not asked")
    return detect_drift(reference, now, use_case.contract, Window(kind="month", rows=len(now), period="2024-02"))
