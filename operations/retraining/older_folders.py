"""Retrains that older releases kept as a folder of JSON files each, read as records once.

`tfx/<use case>/decisions/<decision>/` held begun.json (why, and the events taken; `request` was called `asked` once),
plan.json, score-<run>.json and decision.json; decisions/at-work.json named the one that Airflow was at.
"""

import json
import logging
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from lakeloop.decision import Decision, ScoredCandidate
from lakeloop.frozen_model import FrozenModel
from lakeloop.use_case import UseCase
from operations.retraining.folders import decisions_folder
from operations.retraining.record import Plan, RetrainRecord, RetrainState, TakenEvent, state_of
from operations.retraining.request import RetrainRequest

log = logging.getLogger(__name__)
BEGUN, PLAN, DECISION, AT_WORK = "begun.json", "plan.json", "decision.json", "at-work.json"
Kept = TypeVar("Kept", bound=BaseModel)


class Begun(FrozenModel):
    """begun.json."""

    decision_id: str
    use_case: str
    at: datetime
    request: RetrainRequest = Field(validation_alias=AliasChoices("request", "asked"))
    trigger: str
    events: tuple[TakenEvent, ...] = ()


def older_records(use_case: UseCase, known: Collection[str]) -> Iterator[RetrainRecord]:
    """The record of each folder whose decision is not among the `known`; one that cannot be read is left out."""
    at_work = _at_work(use_case)
    for path in sorted(decisions_folder(use_case).glob(f"*/{BEGUN}")):
        folder = path.parent
        if folder.name in known:
            continue
        try:
            yield _record(folder, at_work)
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            log.warning("event=older_retrain_unreadable folder=%s reason=%r", folder, str(error)[:300])


def forget_who_was_at_work(use_case: UseCase) -> None:
    """The records say it now."""
    (decisions_folder(use_case) / AT_WORK).unlink(missing_ok=True)


def _record(folder: Path, at_work: str) -> RetrainRecord:
    begun = Begun.model_validate_json((folder / BEGUN).read_text(encoding="utf-8"))
    plan, decision = _found(folder, PLAN, Plan), _found(folder, DECISION, Decision)
    runs = [candidate.run_id for candidate in plan.candidates] if plan is not None else []
    verdicts = {run: _found(folder, f"score-{run}.json", ScoredCandidate) for run in runs}
    record = RetrainRecord(
        decision_id=begun.decision_id, use_case=begun.use_case, at=begun.at, trigger=begun.trigger,
        request=begun.request, events=begun.events, plan=plan, decision=decision,
        verdicts={run: verdict for run, verdict in verdicts.items() if verdict is not None},
        in_tasks=bool(begun.request.airflow_run_id),
    )  # fmt: skip
    return record.model_copy(update={"state": _state(record, folder.name == at_work)})


def _state(record: RetrainRecord, at_work: bool) -> RetrainState:
    """How far it was. What nobody was at has failed; a command line was killed, or is at it: the next one ends it."""
    unfinished = at_work or not record.in_tasks
    if record.decision is not None:
        state = state_of(record.decision)
        if state == "decided":
            return "decided" if at_work else "recorded"
        return state if state == "waiting" or unfinished else "failed"
    if not unfinished:
        return "failed"
    return "begun" if record.plan is None else "scoring" if record.verdicts else "planned"


def _found(folder: Path, name: str, kind: type[Kept]) -> Kept | None:
    path = folder / name
    return kind.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None


def _at_work(use_case: UseCase) -> str:
    try:
        found = json.loads((decisions_folder(use_case) / AT_WORK).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return ""
    return str(found.get("decision", ""))
