"""What people are told by Airflow itself: that a run failed, and that a question waits for an answer."""

from typing import Any
from urllib.parse import quote

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import BaseNotifier, conf

from dags.announce import FailIfAnyOperator
from lakeloop.notifications import notify_of
from lakeloop.settings import load_settings

SCHEDULED = "scheduled__"
HOUR = len("2026-01-01T00")


def tell_failed_run(use_case: str, context: Any) -> None:
    """Have people told that a run failed, with the task that failed last; '' is the platform's own.

    Not of a run that is red only because its ingest refused files: each of those was told. Runs that a timetable
    starts are told once an hour.
    """
    task = context.get("task")
    if isinstance(task, FailIfAnyOperator):
        return
    dag_id, run_id = context["dag"].dag_id, str(context["run_id"])
    where = f" at task {context['ti'].task_id}" if context.get("ti") is not None else f" ({context.get('reason', '')})"
    text = f"The run {run_id} of {dag_id} failed{where}. The end of the task's log says why."
    link = f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/dags/{dag_id}/runs/{quote(run_id)}"
    once = run_id[: len(SCHEDULED) + HOUR] if run_id.startswith(SCHEDULED) else run_id
    notify_of(load_settings(), use_case, "failed run", text, link, once_by=f"{dag_id} {once}")


class TellPeople(BaseNotifier):
    """Has people told that the task's question waits, with the link where it is answered; once a decision."""

    def __init__(self, use_case: str, hours: float) -> None:
        super().__init__()
        self.use_case, self.hours = use_case, hours

    def notify(self, context: Any) -> None:
        """Write it down for the monitor."""
        decision = (context["ti"].xcom_pull(task_ids="why") or {}).get("decision") or context["run_id"]
        text = f"{context['task'].subject} Without an answer within {self.hours:g} h the champion is kept."
        link = HITLOperator.generate_link_to_ui_from_context(context=context)
        notify_of(load_settings(), self.use_case, "question", text, link, once_by=decision)
