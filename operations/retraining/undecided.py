"""Retrains without a decision on record: at work, failed or killed."""

from collections.abc import Collection
from typing import Literal

from lakeloop.decision import Decision
from lakeloop.decision_table import find_decision
from lakeloop.exceptions import NotFoundError
from lakeloop.file_lock import is_held
from lakeloop.use_case import UseCase
from operations.retraining.record import RetrainRecord, RetrainState
from operations.retraining.record_table import decision_ids, load_record, records_beside
from operations.retraining.retrain_lock import lock_path

Whereabouts = RetrainState | Literal["killed"]
KILLED = "nobody is at it any more; the next `lakeloop retrain` ends it and takes its events"


def undecided(use_case: UseCase, decided: Collection[str]) -> list[tuple[RetrainRecord, Whereabouts]]:
    """The retrains that are none of the `decided` ones and where each is, the oldest first."""
    return [(record, whereabouts(use_case, record)) for record in records_beside(use_case, decided)]


def whereabouts(use_case: UseCase, record: RetrainRecord) -> Whereabouts:
    """The record's state; `killed` where it is at work and no process is at it.

    Between two of Airflow's tasks none is, as it should be: of such a one the state is all that is known here.
    """
    left = record.at_work and not record.in_tasks and not is_held(lock_path(use_case))
    return "killed" if left else record.state


def find_decided(use_case: UseCase, decision_id: str = "") -> Decision:
    """One decision of gold/decisions, by default the newest.

    Raises:
        NotFoundError: there is none of that id; the text names those there are, or says how far the retrain came.
    """
    try:
        return find_decision(use_case, decision_id)
    except NotFoundError:
        if not decision_id or decision_id not in decision_ids(use_case):
            raise
    record = load_record(use_case, decision_id)
    raise NotFoundError(record.not_decided(killed=whereabouts(use_case, record) == "killed"))
