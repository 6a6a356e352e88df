"""One retrain at a time a use case: a lock while a process works, and a note of who works between processes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehouse.storage.lock import only_one
from lakeloop.atomic_file import write_text
from lakeloop.exceptions import BusyError
from lakeloop.settings import Settings
from operations.retraining.decision_files import decisions_folder


@contextmanager
def the_only_retrain(settings: Settings, decision_id: str = "", airflow_run_id: str = "") -> Iterator[None]:
    """Hold the lock for a step of one decision ('': a new one).

    Raises:
        BusyError: another process retrains, or an Airflow run's retrain is between two of its steps; both are named.
    """
    with only_one(decisions_folder(settings) / "retrain.lock", f"retrain of {settings.use_case}"):
        holder = _holder(settings)
        mine = {decision_id, ""}
        if holder.get("decision", "") not in mine and not (airflow_run_id and holder.get("dag_run")):
            raise BusyError(
                f"a retrain of {settings.use_case} is at work: decision {holder['decision']} of Airflow's run "
                f"{holder['dag_run'] or 'unknown'}; wait for it to end. Should that run be gone: "
                f"`lakeloop decisions finish {holder['decision']}`"
            )
        yield


def hold(settings: Settings, decision_id: str, airflow_run_id: str) -> None:
    """Note that an Airflow run's retrain is at work, which has no process between its tasks.

    A note of an earlier Airflow run is replaced: Airflow runs one retrain at a time, so that one is over.
    """
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps({"decision": decision_id, "dag_run": airflow_run_id}))


def let_go(settings: Settings, decision_id: str) -> bool:
    """Take the note of this decision away; whether there was one."""
    if _holder(settings).get("decision") != decision_id:
        return False
    _path(settings).unlink(missing_ok=True)
    return True


def _path(settings: Settings) -> Path:
    return decisions_folder(settings) / "at-work.json"


def _holder(settings: Settings) -> dict[str, str]:
    try:
        found = json.loads(_path(settings).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()}
