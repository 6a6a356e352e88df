"""Reads gold/decisions without Spark."""

from collections.abc import Mapping
from datetime import UTC

from lakeloop.decision import Decision
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import read_lake_records
from lakeloop.use_case import UseCase

DECISIONS = "gold/decisions"


def read_decisions(use_case: UseCase) -> list[Decision]:
    """Every decision, the oldest first."""
    found = [_decision(row) for row in read_lake_records(use_case, DECISIONS)]
    return sorted(found, key=lambda decision: (decision.at, decision.decision_id))


def find_decision(use_case: UseCase, decision_id: str = "") -> Decision:
    """One decision, by default the newest.

    Raises:
        NotFoundError: there is none of that id; the text names those there are.
    """
    known = read_decisions(use_case)
    if not known:
        raise NotFoundError(f"nothing was decided yet for {use_case.name}; `lakeloop retrain` does")
    found = known[-1] if not decision_id else next((d for d in known if d.decision_id == decision_id), None)
    if found is None:
        newest = ", ".join(d.decision_id for d in reversed(known[-5:]))
        raise NotFoundError(f"there is no decision {decision_id} of {use_case.name}; the newest are {newest}")
    return found


def compared_versions(use_case: UseCase) -> set[int]:
    """The versions of gold/training that champions and candidates were compared on."""
    return {d.judged_version for d in read_decisions(use_case) if d.judged_version is not None}


def _decision(row: Mapping[str, object]) -> Decision:
    """Columns that are null in old rows take the record's defaults."""
    decision = Decision.model_validate({name: value for name, value in row.items() if value is not None})
    chosen_at = decision.chosen_at and decision.chosen_at.astimezone(UTC)
    return decision.model_copy(update={"at": decision.at.astimezone(UTC), "chosen_at": chosen_at})
