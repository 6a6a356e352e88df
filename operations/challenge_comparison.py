"""What a challenger answered, beside the champion's answers to the same rows: agreement, drift, time, and what they are
worth, as estimated and, where the truth has come, as realised.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd

from lakeloop.challenger_log import ChallengerRecord, LoggedAnswer, challenger_log_folder, newest_records
from lakeloop.contract import Contract
from lakeloop.contract.features import DriftTest
from lakeloop.exceptions import NotFoundError
from lakeloop.interval import wilson_interval
from lakeloop.label_sets import set_confidences
from lakeloop.release_state import CHALLENGER, CHAMPION
from lakeloop.use_case import UseCase
from monitoring.drift.distances import is_drift, score
from operations.challenge_worth import Worth, estimated_worth, realised_worth

MOST_ROWS = 50_000
"""Of more rows the newest are compared."""
MOST_PIECES = 24
DEFAULT_DRIFT = DriftTest(test="jensenshannon", threshold=0.1)
"""Where the contract bounds no drift between both."""


@dataclass(frozen=True)
class Piece:
    """Some rows in the order of time: when the first was answered, how many, and the share of those both answered that
    they answered alike; None where both answered none.
    """

    since: str
    rows: int
    alike: float | None
    errors: int


@dataclass(frozen=True)
class Drift:
    """How far the challenger's answers lie from the champion's, taken together, by the test's own measure."""

    test: str
    score: float
    threshold: float
    drifted: bool


@dataclass(frozen=True)
class ChallengeComparison:
    """One challenge. `rows` were asked, `compared` of them answered by both versions; latencies in milliseconds.

    `answers` counts pairs (the champion's, the challenger's), of classes; of numbers `differences` are the challenger's
    less the champion's, (compared,), in the label's unit. `estimated` and `realised` are None where `gaps` says why.
    """

    champion: str
    challenger: str
    since: str
    until: str
    rows: int
    errors: int
    newest_error: str
    compared: int
    alike: float
    alike_interval: tuple[float, float]
    latency: dict[str, float]
    pieces: Sequence[Piece]
    drift: Drift | None
    answers: pd.DataFrame | None
    differences: np.ndarray | None
    estimated: Worth | None
    realised: Worth | None
    gaps: dict[str, str]


def has_challenged(use_case: UseCase, version: str) -> bool:
    """Whether there is a log of what this version answered as a challenger."""
    folder = challenger_log_folder(use_case, version)
    return folder.is_dir() and any(folder.iterdir())


def compare_challenge(use_case: UseCase, version: str) -> ChallengeComparison:
    """Everything that is known of a challenger beside its champion, of its newest rows.

    Raises:
        NotFoundError: it was asked nothing as a challenger, or its log is gone.
    """
    newest = newest_records(challenger_log_folder(use_case, version), MOST_ROWS)
    records = [one for one in newest if not one.misfit]
    if not records:
        raise NotFoundError(
            f"version {version} of {use_case.name} was asked nothing as a challenger, or its log is gone; "
            f"`lakeloop models show -u {use_case.name}` tells which one challenges"
        )
    contract = use_case.contract
    both = _both_answered(contract, records)
    alike, gaps = _alike(contract, both), {}
    estimated, gaps["estimated"] = estimated_worth(use_case, both, records[-1].champion, version)
    realised, gaps["realised"] = realised_worth(use_case, both)
    numbers, share = contract.label.task == "regression", float(alike.mean()) if len(both) else 0.0
    errors = [one.error for one in records if one.error]
    return ChallengeComparison(
        champion=records[-1].champion,
        challenger=version,
        since=records[0].answered_at,
        until=records[-1].answered_at,
        rows=len(records),
        errors=len(errors),
        newest_error=errors[-1] if errors else "",
        compared=len(both),
        alike=share,
        alike_interval=wilson_interval(share, len(both)) if len(both) else (0.0, 1.0),
        latency=_latency(records),
        pieces=_pieces(contract, records),
        drift=_drift(contract, both),
        answers=None if numbers or both.empty else pd.crosstab(both[CHAMPION], both[CHALLENGER]),
        differences=(both[CHALLENGER] - both[CHAMPION]).to_numpy(float) if numbers and len(both) else None,
        estimated=estimated,
        realised=realised,
        gaps={name: why for name, why in gaps.items() if why},
    )


def _both_answered(contract: Contract, records: Sequence[ChallengerRecord]) -> pd.DataFrame:
    """The rows that both answered: ids, keys, both answers, and how sure both were of them (NaN: they do not say)."""
    columns = ("request_id", "key", CHAMPION, CHALLENGER, "champion_confidence", "challenger_confidence")
    rows = []
    for one in records:
        first, second = one.champion_answer, one.challenger_answer
        if first is not None and second is not None:
            sure = (_confidence(contract, given) for given in (first, second))
            rows.append((one.request_id, one.key, first.prediction, second.prediction, *sure))
    return pd.DataFrame(rows, columns=list(columns))


def _confidence(contract: Contract, answer: LoggedAnswer) -> float:
    """How likely a model held what it answered: the class, or exactly these of several labels; NaN: it does not say."""
    known, answered = answer.probabilities, answer.class_id
    if not known or answered is None or len(known) != len(contract.label.classes):
        return float("nan")
    if contract.label.several:
        return float(set_confidences(np.array([answered]), np.array([known]))[0])
    return known[answered] if answered < len(known) else float("nan")


def _alike(contract: Contract, both: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows both answered alike, numbers within what the contract allows."""
    if contract.label.task != "regression":
        return both[CHAMPION] == both[CHALLENGER]
    return (both[CHAMPION].astype(float) - both[CHALLENGER].astype(float)).abs() <= within(contract)


def within(contract: Contract) -> float:
    """How far apart two numbers may be that count as alike, in the label's unit."""
    agreement = None if contract.release is None else contract.release.abort_if.agreement
    return 0.0 if agreement is None else agreement.within or 0.0


def _pieces(contract: Contract, records: Sequence[ChallengerRecord]) -> list[Piece]:
    found, size = [], -(-len(records) // MOST_PIECES)
    for some in _cut(records, size):
        both, errors = _both_answered(contract, some), sum(bool(one.error) for one in some)
        alike = float(_alike(contract, both).mean()) if len(both) else None
        found.append(Piece(some[0].answered_at, len(some), alike, errors))
    return found


def _cut(records: Sequence[ChallengerRecord], size: int) -> Iterator[list[ChallengerRecord]]:
    rest = iter(records)
    while some := list(islice(rest, size)):
        yield some


def _latency(records: Sequence[ChallengerRecord]) -> dict[str, float]:
    """Percentiles of the calls that asked it; none where it never answered."""
    took = [one.latency_ms for one in records if one.latency_ms is not None and not one.error]
    return {f"p{of}": float(np.percentile(took, of)) for of in (50, 95, 99)} if took else {}


def _drift(contract: Contract, both: pd.DataFrame) -> Drift | None:
    if both.empty:
        return None
    wanted = (contract.release.abort_if.drift if contract.release is not None else None) or DEFAULT_DRIFT
    found = score(wanted.test, both[CHAMPION], both[CHALLENGER], contract.label.task == "regression")
    return Drift(wanted.test, found, wanted.threshold, is_drift(wanted.test, found, wanted.threshold))
