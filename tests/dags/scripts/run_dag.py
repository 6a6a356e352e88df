"""run_dag.py ANSWER DAG CONF: run a DAG of the platform for real; what became of its tasks, and the asset events."""

import json
import sys
from pathlib import Path

from airflow.models.asset import AssetEvent
from airflow.utils.session import create_session
from sqlalchemy import select

from dags import use_cases


def main() -> None:
    dag = getattr(use_cases, sys.argv[2])
    run = dag.test(run_conf=json.loads(sys.argv[3]) if len(sys.argv) > 3 else None)
    tasks = {task.task_id: task.state for task in run.get_task_instances()}
    values = {task.task_id: task.xcom_pull(task_ids=task.task_id) for task in run.get_task_instances()}
    with create_session() as session:
        query = select(AssetEvent).where(AssetEvent.source_run_id == run.run_id).order_by(AssetEvent.id)
        events = {event.asset.name: event.extra for event in session.scalars(query)}
    answer = {"run": run.run_id, "state": run.state, "tasks": tasks, "values": values, "events": events}
    Path(sys.argv[1]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
