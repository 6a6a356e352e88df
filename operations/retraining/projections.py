"""Where people look for a retrain, written from its record: page, ML Metadata, gold/decisions, model card, Airflow's
note.

None of them is read to go on with a retrain; each can be written again at any time.
"""

import json
import logging
from collections.abc import Callable
from urllib.parse import quote

from lakehouse.gold.decisions import record_decision
from lakeloop.airflow_api import AirflowApi
from lakeloop.decision import Decision
from lakeloop.exceptions import BrokenError, LakeloopError
from lakeloop.pushed_models import pushed_versions
from lakeloop.settings import Settings
from operations.retraining.record import RetrainRecord
from operations.retraining.request import RetrainRequest, Workplace
from tfx_pipeline.metadata.annotations import annotate_run

log = logging.getLogger(__name__)
LONGEST_NOTE = 1000
"""What Airflow allows."""


def write_projections(work: Workplace, record: RetrainRecord, decision: Decision | None = None) -> None:
    """Write what a record shows; `decision` as it ended, None where there is none yet. All are tried.

    Raises:
        BrokenError: some could not be written; the others were, and the record has all of it.
    """
    use_case = work.use_case
    writers: dict[str, Callable[[], object]] = {}
    if decision is not None:
        writers = {
            "its page": lambda: work.listener.on_decision(decision),
            "ML Metadata": lambda: _annotate_runs(use_case.settings, decision),
            "gold/decisions": lambda: record_decision(use_case, decision),
        }
        if decision.version and decision.version in pushed_versions(use_case):
            version = decision.version
            writers["the model's card"] = lambda: work.listener.on_version(version)
    problems = [f"{name}: {problem}" for name, write in writers.items() if (problem := _problem(name, write))]
    if problem := note_in_airflow(use_case.settings, note_of(record, decision)):
        work.listener.say(f"the run's note could not be set: {problem}")
    if problems:
        raise BrokenError(
            f"decision {record.decision_id} is kept, but could not be put everywhere it is looked for "
            f"({'; '.join(problems)}); `lakeloop decisions record {record.decision_id}` does so again"
        )


def why_it_runs(record: RetrainRecord) -> str:
    """The trigger and each event with its payload, a line each."""
    lines = [f"decision {record.decision_id}, because of {record.trigger}; strategy {record.request.strategy}"]
    lines += [f"event {e.id} {e.kind} {e.key}: {json.dumps(e.payload, sort_keys=True)}" for e in record.events]
    return "\n".join(lines)


def nothing_to_do(request: RetrainRequest) -> str:
    """Why no retrain was begun."""
    return f"nothing to do: an earlier run handled the events that woke this one ({request.woken_by})"


def note_of(record: RetrainRecord, decision: Decision | None) -> str:
    """Why it runs and, as soon as there is a decision, what came of it: that first, for a note has an end."""
    if decision is None:
        return why_it_runs(record)
    pushed = f" as version {decision.version}" if decision.version else ""
    return f"{decision.outcome}{pushed}: {decision.reason}\n{why_it_runs(record)}"


def note_in_airflow(settings: Settings, text: str) -> str:
    """Put a text on the page of the Airflow run this is a task of, if it is one; gives what kept it from that.

    No task fails for want of its run's note.
    """
    if not (settings.airflow_url and settings.airflow_run_id):
        return ""
    dag, run = quote(settings.airflow_dag_id, safe=""), quote(settings.airflow_run_id, safe="")
    try:
        api = AirflowApi(settings)
        try:
            body = {"note": text[:LONGEST_NOTE]}
            api.ask("PATCH", f"/api/v2/dags/{dag}/dagRuns/{run}", params={"update_mask": "note"}, json=body)
        finally:
            api.close()
    except LakeloopError as error:
        return str(error)
    return ""


def _annotate_runs(settings: Settings, decision: Decision) -> None:
    """Say on each candidate's run in ML Metadata what was decided about it, by whom."""
    chosen_at = decision.chosen_at.isoformat(timespec="seconds") if decision.chosen_at is not None else ""
    annotations = {
        "decision_id": decision.decision_id, "decision_outcome": decision.outcome, "decision_winner": decision.winner,
        "decided_by": decision.decided_by, "choice": decision.choice, "choice_details": decision.choice_details,
        "chosen_by": decision.chosen_by, "chosen_at": chosen_at,
    }  # fmt: skip
    for candidate in decision.candidates:
        if candidate.checks:
            annotate_run(settings, candidate.run_id, annotations)


def _problem(name: str, write: Callable[[], object]) -> str:
    """What kept a projection from being written; '' where nothing did."""
    try:
        write()
    except LakeloopError as error:
        return str(error)
    except Exception as error:  # whatever one of four libraries raises must not keep the others away
        log.exception("event=projection_failed projection=%r", name)
        return f"{type(error).__name__}: {error}"
    return ""
