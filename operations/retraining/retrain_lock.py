"""One retrain at a time a use case: a lock while a process works, and the record where Airflow is between two tasks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehouse.storage.lock import only_one
from lakeloop.exceptions import BusyError
from lakeloop.use_case import UseCase
from operations.retraining.folders import decisions_folder
from operations.retraining.record import RetrainRecord
from operations.retraining.record_table import load_record, records_at_work


def lock_path(use_case: UseCase) -> Path:
    """The file that a process locks while it retrains."""
    return decisions_folder(use_case) / "retrain.lock"


@contextmanager
def the_only_retrain(use_case: UseCase, decision_id: str = "", replaces_airflows: bool = False) -> Iterator[None]:
    """Hold the lock for one decision ('': a new one).

    `replaces_airflows`: Airflow begins a new one. It runs one at a time, so that one at work of an earlier run is over.

    Raises:
        BusyError: another process retrains, or an Airflow run's retrain is between two of its tasks; both are named.
    """
    with only_one(lock_path(use_case), f"retrain of {use_case.name}"):
        for other in records_at_work(use_case):
            if other.in_tasks and other.decision_id != decision_id and not replaces_airflows:
                raise BusyError(
                    f"a retrain of {use_case.name} is at work: decision {other.decision_id} of Airflow's run "
                    f"{other.request.airflow_run_id or 'unknown'}; wait for it to end. Should that run be gone: "
                    f"`lakeloop decisions finish {other.decision_id}`"
                )
        yield


@contextmanager
def held_record(use_case: UseCase, decision_id: str) -> Iterator[RetrainRecord]:
    """The record of a retrain to go on with, and the lock for it; raises as `the_only_retrain` and `load_record`."""
    with the_only_retrain(use_case, decision_id):
        yield load_record(use_case, decision_id)
