"""tell_people.py ANSWER: what Airflow's callbacks write down, given the contexts that Airflow gives; as JSON."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dags import use_cases
from dags.people import tell_failed_run
from lakeloop.notifications import told_notifications
from lakeloop.settings import load_settings


def context_of(dag_id: str, task_id: str, run_id: str) -> dict[str, Any]:
    dag = getattr(use_cases, dag_id)
    ti = SimpleNamespace(
        dag_id=dag_id,
        task_id=task_id,
        run_id=run_id,
        map_index=-1,
        xcom_pull=lambda task_ids: {"decision": "20260101T000000-aaaa"},
    )
    of_task = {"task": dag.task_dict[task_id], "ti": ti, "task_instance": ti}
    return {"dag": dag, "run_id": run_id, "reason": "task_failure", **of_task}


def main() -> None:
    settings = load_settings()
    dags = {name: dag for name, dag in vars(use_cases).items() if name == getattr(dag, "dag_id", "")}
    without = sorted(name for name, dag in dags.items() if dag.on_failure_callback is None)
    for dag_id, task_id, run_id in (
        ("insurance_ingest", "refused_files", "manual__1"),
        ("insurance_ingest", "silver", "manual__2"),
        ("insurance_stream", "stream", "scheduled__2026-01-01T10:01:00+00:00"),
        ("insurance_stream", "stream", "scheduled__2026-01-01T10:02:00+00:00"),
        ("insurance_stream", "stream", "scheduled__2026-01-01T11:00:00+00:00"),
    ):
        getattr(use_cases, dag_id).on_failure_callback(context_of(dag_id, task_id, run_id))
    tell_failed_run("", {"dag": use_cases.lakeloop_maintenance, "run_id": "manual__3", "reason": "timed_out"})
    question = context_of("insurance_retrain", "ask", "asset__1")
    for notifier in question["task"].notifiers * 2:
        notifier(question)
    told = [vars(one.notification) for one in told_notifications(settings)]
    Path(sys.argv[1]).write_text(json.dumps({"without": without, "told": told}))


if __name__ == "__main__":
    main()
