"""Who wanted it: the decision, the events it took and Airflow's run, as part of an answer."""

from collections.abc import Collection
from typing import Any

from lakehouse.storage.layout import TRAINING_TABLE
from lakeloop.decision_table import DECISIONS
from lakeloop.events import find_event
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import read_lake_records
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from operations.lineage.graph import LineageDraft
from operations.lineage.lake_side import add_gold_if_known
from operations.lineage.pipeline_side import execution_item, version_item
from tfx_pipeline.metadata.lineage.runs import RunGraph
from tfx_pipeline.metadata.store import GATE_PROPERTY


def add_why(draft: LineageDraft, use_case: UseCase, graph: RunGraph) -> None:
    """Why a run was made and what was decided of it: event → Airflow's run → the run → its first node; decision."""
    run = draft.add("run", f"run {graph.run_id}", f"pipeline run {graph.run_id}", {**graph.annotations})
    users = {execution_id for execution_id, _ in graph.used}
    for execution in graph.executions:
        if execution.id not in users:  # the others follow from these
            draft.link(run, execution_item(execution.id))
    airflow = _add_airflow_run(draft, use_case.settings, graph)
    if airflow:
        draft.link(airflow, run)
    decision = _decision_of(use_case, graph)
    numbers = decision["event_ids"] if decision is not None else graph.annotations.get("event_id", "").split(",")
    for number in filter(None, numbers):
        event = _add_event(draft, use_case, number)
        draft.link(event, airflow or run)
    if decision is None:
        why = graph.annotations.get("trigger", "")
        draft.gap(
            f"run {graph.run_id} belongs to no recorded decision"
            + (": it was started by hand" if why in ("", "command line") else f"; it was started because of: {why}")
        )
        return
    item = _add_decision(draft, decision)
    if airflow:
        draft.link(airflow, item)
    for artifact in graph.artifacts:
        if f"artifact {artifact.id}" in draft and artifact.properties.get(GATE_PROPERTY):
            draft.link(f"artifact {artifact.id}", item)
    judged_version = decision.get("judged_version")
    if judged_version is not None:
        gold = f"{TRAINING_TABLE}@{judged_version}"
        draft.link(gold if gold in draft else add_gold_if_known(draft, use_case, TRAINING_TABLE, judged_version), item)
    if decision["version"] and version_item(decision["version"]) in draft:
        draft.link(item, version_item(decision["version"]))


def add_comparisons(draft: LineageDraft, use_case: UseCase, versions: Collection[int]) -> None:
    """The decisions whose champion and candidates were compared on rows of these versions of gold/training."""
    for row in read_lake_records(use_case, DECISIONS):
        if row.get("judged_version") in versions:
            draft.link(f"{TRAINING_TABLE}@{row['judged_version']}", _add_decision(draft, row))


def _decision_of(use_case: UseCase, graph: RunGraph) -> dict[str, Any] | None:
    wanted = graph.annotations.get("decision_id")
    if not wanted:
        return None
    return next(iter(read_lake_records(use_case, DECISIONS, [("decision_id", "=", wanted)])), None)


def _add_decision(draft: LineageDraft, row: dict[str, Any]) -> str:
    names = ("outcome", "winner", "version", "strategy", "trigger", "reason", "decided_by", "judged_on", "choice")
    facts: dict[str, object] = {name.replace("_", " "): row[name] for name in (*names, "choice_details", "chosen_by")}
    facts |= {"at": f"{row['at']:%Y-%m-%d %H:%M:%S} UTC", "clock": str(row["clock"])}
    for candidate in row["candidates"]:
        verdict = "passed" if candidate["passed"] else "failed the gate"
        score = "" if candidate["score"] is None else f", score {candidate['score']:.4f}"
        facts[f"candidate {candidate['name']}"] = f"{verdict}{score}, run {candidate['run_id']}"
    return draft.add("decision", f"decision {row['decision_id']}", f"decision {row['decision_id']}", facts)


def _add_event(draft: LineageDraft, use_case: UseCase, number: str) -> str:
    try:
        event = find_event(use_case, int(number))
    except (NotFoundError, ValueError):
        draft.gap(f"event {number} is not in the ledger any more")
        return draft.add("event", f"event {number}")
    facts: dict[str, object] = {"kind": event.kind, "key": event.key, "at": event.created_at}
    facts |= {name: str(value) for name, value in event.payload.items()}
    return draft.add("event", f"event {number}", f"event {number}: {event.kind}", facts)


def _add_airflow_run(draft: LineageDraft, settings: Settings, graph: RunGraph) -> str:
    """'' outside of Airflow."""
    run, dag = graph.annotations.get("airflow_run_id", ""), graph.annotations.get("airflow_dag_id", "")
    if not run:
        return ""
    page = f"{settings.airflow_url or f'http://127.0.0.1:{settings.airflow_port}'}/dags/{dag}/runs/{run}"
    return draft.add("run", f"airflow {run}", f"Airflow run of {dag}", {"run": run, "dag": dag, "page": page})
