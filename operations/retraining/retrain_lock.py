"""One retrain at a time a use case: a lock while a process works, and the record where Airflow is between two tasks."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from lakehouse.storage.lock import only_one
from lakeloop.exceptions import BusyError
from lakeloop.use_case import UseCase
from operations.retraining.decision_folder import decisions_folder
from operations.retraining.record_table import records_at_work

_held: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())


@contextmanager
def the_only_retrain(use_case: UseCase, decision_id: str = "", replaces_airflows: bool = False) -> Iterator[None]:
    """Hold the lock for one decision ('': a new one). Who holds it already, for all stages, holds it for each.

    `replaces_airflows`: Airflow begins a new one. It runs one at a time, so that one at work of an earlier run is over.

    Raises:
        BusyError: another process retrains, or an Airflow run's retrain is between two of its tasks; both are named.
    """
    path = decisions_folder(use_case) / "retrain.lock"
    if path in _held.get():
        yield
        return
    with only_one(path, f"retrain of {use_case.name}"):
        for other in records_at_work(use_case):
            if other.in_tasks and other.decision_id != decision_id and not replaces_airflows:
                raise BusyError(
                    f"a retrain of {use_case.name} is at work: decision {other.decision_id} of Airflow's run "
                    f"{other.request.airflow_run_id or 'unknown'}; wait for it to end. Should that run be gone: "
                    f"`lakeloop decisions finish {other.decision_id}`"
                )
        token = _held.set(_held.get() | {path})
        try:
            yield
        finally:
            _held.reset(token)
