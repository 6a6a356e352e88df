"""What a retrain's DAG does with what its stages gave: whom to map over, where to go on, what to tell an asset."""

from typing import Any

from airflow.sdk import Asset, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.commands import LakeloopOperator

NEXT = {"push": "push.InfraValidator", "ask": "ask", "record": "record"}
"""The task of each next step that a comparison or an approval names."""


class PlanOperator(LakeloopOperator):
    """Gives the candidates alone, since a task group is mapped over what a task returns."""

    def execute(self, context: Any) -> Any:
        """Each candidate's name and run."""
        return super().execute(context)["candidates"]


def event_numbers(events: Any) -> str:
    """The ledger's numbers of the asset events that woke a run; '' where one came from elsewhere, or none did."""
    extras = [event.extra or {} for of_asset in events.values() for event in of_asset]
    numbers = [str(extra.get("event_id") or ",".join(map(str, extra.get("open", [])))) for extra in extras]
    return ",".join(numbers) if all(numbers) else ""


def next_task(task_id: str, decided: LakeloopOperator) -> Any:
    """A task that goes on with what a comparison or an approval says is next."""

    @task.branch(task_id=task_id)
    def branch(outcome: dict[str, Any]) -> str:
        return NEXT[outcome["next"]]

    return branch(decided.output)


def skip_without_reason(context: Any, result: Any) -> None:
    """Skip the run of a retrain that has nothing to do."""
    if not result["decision"]:
        raise AirflowSkipException(result["why"])


def tell_version(model: Asset) -> Any:
    """Tell the asset `model` which version was pushed; skip where none was."""

    def tell(context: Any, result: Any) -> None:
        if not result.get("version"):
            raise AirflowSkipException("nothing was pushed")
        context["outlet_events"][model].extra = {"version": result["version"], "run": result["run"]}

    return tell


def wake_next(about: Asset) -> Any:
    """Wake the next retrain, by this asset, if events came meanwhile; skip where none did."""

    def wake(context: Any, result: Any) -> None:
        if not result["open"]:
            raise AirflowSkipException("no event of the ledger is open: nobody has to be woken")
        context["outlet_events"][about].extra = {"open": result["open"], "woken_by": context["ti"].run_id}

    return wake
