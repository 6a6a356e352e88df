"""Gathers what the search for odd segments needs: a model's rows, a period's, labelled ones with both answers."""

import shlex
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.fallback import class_id_of, load_rules
from lakeloop.model_card import read_model_card
from lakeloop.model_input import complete_rows, request_rows
from lakeloop.pushed_models import model_folder
from lakeloop.use_case import UseCase
from monitoring.analysis.comparison import LEAST_LABELLED
from monitoring.analysis.segments import OddSegment, OddSegments, odd_segments
from monitoring.drift.sampling import seeded_sample
from operations.analysis.rows import labelled_rows_of, rows_by_period
from operations.evaluation import exported_rows, seen_in_training
from operations.scoring import classes_of, given_of


@dataclass(frozen=True)
class SegmentSearch:
    """What stands out of a period, held against a pushed model; `labelled_rows` are `labelled_from`, in words.

    Of numbers there are mean absolute errors in place of accuracies. `seen`: a sentence on how many of the period's
    labelled rows the model was made from; '' if none.
    """

    contract: Contract
    model_version: str
    period: int
    rows: int
    reference_rows: int
    labelled_rows: int
    labelled_from: str
    accuracy: float | None
    rules_accuracy: float | None
    segments: OddSegments
    error: float | None = None
    rules_error: float | None = None
    seen: str = ""


def search_segments(use_case: UseCase, period: int, version: str = "", oracle: bool = False) -> SegmentSearch:
    """Where a pushed model, by default the serving one, is weak, asked something else, or worse than the rules.

    By the period's own truth; where fewer than 50 of its rows have any, by the eval rows of the model's export.

    Raises:
        NotFoundError: no such version, or the period has no rows; the text says which periods have.
        WrongUseError: the export is gone, or `oracle` without generator and history.
    """
    contract = use_case.contract
    card = read_model_card(use_case, version)
    manifest = card.manifest_path(use_case)
    reference = exported_rows(contract, manifest)
    current = rows_by_period(use_case, period, oracle).by_period[period]
    labelled = complete_rows(contract.features, labelled_rows_of(use_case, period, oracle))
    whose, key = f"of {contract.period} {period}", contract.key.column
    seen = seen_in_training(use_case, card.version, labelled[key].astype(str)) if len(labelled) else ""
    if len(labelled) < LEAST_LABELLED:
        labelled = complete_rows(contract.features, exported_rows(contract, manifest, "eval"))
        whose, seen = "held out when it was trained, since the period's truth is not known", ""
    labelled = seeded_sample(labelled)
    given = given_of(contract, model_folder(use_case, card.version), labelled)
    loss = _loss(contract, labelled, classes_of(contract, given)[0] if contract.label.classes else given[:, 0])
    by_rules = _rules_loss(use_case, labelled)
    found = odd_segments(contract, seeded_sample(reference), current, labelled, loss, by_rules)
    mean, of_rules = float(loss.mean()), None if by_rules is None else float(by_rules.mean())
    good: dict[str, float | None] = (
        {"accuracy": 1 - mean, "rules_accuracy": None if of_rules is None else 1 - of_rules}
        if contract.label.classes
        else {"accuracy": None, "rules_accuracy": None, "error": mean, "rules_error": of_rules}
    )
    return SegmentSearch(
        contract=contract,
        model_version=card.version,
        period=period,
        rows=len(current),
        reference_rows=len(reference),
        labelled_rows=len(labelled),
        labelled_from=whose,
        segments=found,
        seen=seen,
        **good,
    )


def _loss(contract: Contract, labelled: pd.DataFrame, answers: np.ndarray) -> np.ndarray:
    """Of each row whether the class id that was answered is wrong, or how far off the number is, (n,)."""
    truth = labelled[contract.label.name].to_numpy(float)
    answered = np.asarray(answers, float)
    return (answered != truth).astype(float) if contract.label.classes else np.abs(answered - truth)


def _rules_loss(use_case: UseCase, labelled: pd.DataFrame) -> np.ndarray | None:
    """The same of the rules; None where there are none."""
    rules, contract = load_rules(use_case), use_case.contract
    if rules is None:
        return None
    answers = [rules(row) for row in request_rows(contract.features, labelled)]
    if contract.label.classes:
        answers = [class_id_of(contract, answer) for answer in answers]
    return _loss(contract, labelled, np.array(answers, float))


def fallback_line(contract: Contract, one: OddSegment) -> str:
    """The command that has the rules answer there; '' where there are none, or they are known to be no better, or of
    which fewer rows come than before.
    """
    if contract.fallback is None or (one.share_before is not None and one.share < one.share_before):
        return ""
    if one.rules_are_better is False:
        return ""
    why = shlex.quote(why_in_words(one))
    return f"lakeloop fallback add {shlex.quote(one.segment)} --why {why} --use-case {contract.use_case}"


def why_in_words(one: OddSegment) -> str:
    """What is odd about a segment, short enough for a reason on record."""
    if one.question == "drifted":
        return f"{one.share:.1%} of the rows, {one.share_before or 0.0:.1%} when it was trained"
    if one.error is not None:
        by_rules = "" if one.rules_error is None else f", rules {one.rules_error:.4g}"
        return f"off by {one.error:.4g} in {one.rows:,} rows, elsewhere {one.error_elsewhere or 0.0:.4g}{by_rules}"
    rules = "" if one.rules_accuracy is None else f", rules {one.rules_accuracy:.2f}"
    return (
        f"right in {one.accuracy or 0.0:.2f} of {one.rows:,} rows, elsewhere {one.accuracy_elsewhere or 0.0:.2f}{rules}"
    )
