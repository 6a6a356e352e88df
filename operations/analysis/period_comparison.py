"""Gathers what the analysis of a period needs, and compares."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.drift_report import DriftReport, Window
from lakeloop.exceptions import NotFoundError
from lakeloop.fallback import why_not_ask
from lakeloop.model_card import read_model_card
from lakeloop.model_input import complete_rows, request_rows
from lakeloop.pushed_models import model_folder
from lakeloop.use_case import UseCase
from monitoring.analysis.comparison import Comparison, compare
from monitoring.drift.detector import detect_drift
from monitoring.drift.reference import Reference, load_reference
from monitoring.drift.sampling import seeded_sample
from monitoring.drift.watched_answers import watched_answers
from operations.analysis.rows import PeriodRows, labelled_rows_of, rows_by_period, with_truth
from operations.evaluation import exported_rows, whose_truth
from operations.scoring import given_of


@dataclass(frozen=True)
class Analysis:
    """A period beside what a model was made from: the comparison, and the rows it rests on.

    `reference`: the model's own rows. `labelled`: the period's with their truth, perhaps none. `oracle`: rows and truth
    are those of generator or history. `truth_note`: what is to be said about the truth, '' where nothing is.
    """

    comparison: Comparison
    reference: pd.DataFrame
    rows: PeriodRows
    labelled: pd.DataFrame
    oracle: bool
    truth_note: str


def analyse(use_case: UseCase, period: int, version: str = "", oracle: bool = False) -> Analysis:
    """Compare a period with the reference of a pushed model, by default the serving one.

    Raises:
        NotFoundError: no such version, its export is gone, or the period has no rows; the text says which periods have.
        WrongUseError: `oracle` without generator and history.
    """
    contract = use_case.contract
    card = read_model_card(use_case, version)
    reference = load_reference(use_case, card.version, ask=_ask_pushed_model)
    if not isinstance(reference, Reference):
        raise NotFoundError(reference.reason)
    known = with_truth(use_case, exported_rows(contract, card.manifest_path(use_case)))
    rows = rows_by_period(use_case, period, oracle)
    labelled = labelled_rows_of(use_case, period, oracle)
    found = compare(
        contract, card.version, period, known, rows.by_period, _reports(contract, reference, rows.by_period), labelled,
        _predictions(use_case, reference, rows.by_period[period]),
    )  # fmt: skip
    return Analysis(found, known, rows, labelled, oracle, _truth_note(use_case, found, known, oracle))


def _truth_note(use_case: UseCase, found: Comparison, reference: pd.DataFrame, oracle: bool) -> str:
    contract = found.contract
    notes = []
    if contract.period_name(found.period) in set(reference[contract.period_column]):
        notes.append(
            f"Model {found.model_version} was made from rows of {contract.period} {found.period} too: in part they are "
            "compared with themselves."
        )
    if found.labelled_rows:
        notes.append(whose_truth(use_case, found.period, oracle, found.labelled_rows))
    return " ".join(notes)


def _reports(contract: Contract, reference: Reference, by_period: Mapping[int, pd.DataFrame]) -> dict[int, DriftReport]:
    names = list(contract.features)
    return {
        number: detect_drift(
            reference, rows[names], contract, Window(kind="month", rows=len(rows), period=contract.period_name(number))
        )
        for number, rows in by_period.items()
    }


def _predictions(use_case: UseCase, reference: Reference, rows: pd.DataFrame) -> tuple[pd.Series, pd.Series] | None:
    """The model's answers on reference and period, of rows it may be asked about; None where one is unknown."""
    contract = use_case.contract
    if reference.predictions is None:
        return None
    sample = seeded_sample(complete_rows(contract.features, rows[list(contract.features)]))
    allowed = [not why_not_ask(contract, row) for row in request_rows(contract.features, sample)]
    if not any(allowed):
        return None
    answers = _ask_pushed_model(use_case, reference.model_version, sample[allowed])
    given = watched_answers(contract, reference.threshold).predictions(answers)
    return reference.predictions, pd.Series(given, dtype=object).dropna()


def _ask_pushed_model(use_case: UseCase, version: str, features: pd.DataFrame) -> np.ndarray:
    """The pushed model in this process: no server need run."""
    given = given_of(use_case.contract, model_folder(use_case, version), features)
    return given[:, : len(watched_answers(use_case.contract).columns)]
