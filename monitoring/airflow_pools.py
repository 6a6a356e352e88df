"""A pool of Airflow's task slots for each use case: none takes them all, so that another's task finds one.

Airflow schedules no task whose pool is not there; it waits until it is. So whoever follows the folder makes them.
"""

import logging
import time
from collections.abc import Iterable

from lakeloop.airflow_api import AirflowApi
from lakeloop.exceptions import AirflowRefusedError, LakeloopError
from lakeloop.served_use_cases import served_names
from lakeloop.settings import Settings
from monitoring.courier import Courier, growing_wait

log = logging.getLogger(__name__)

TASKS_AT_ONCE = 4
"""Of all use cases together: two cores run two heavy tasks, the others wait for a person or a server."""
SLOTS = TASKS_AT_ONCE - 1
"""Of one use case's pool."""
AGAIN_SECONDS = 60.0
"""After so long Airflow is asked again, for somebody may have deleted a pool."""
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 5.0
_CONFLICT = 409


def ensure_pools(api: AirflowApi, use_cases: Iterable[str]) -> list[str]:
    """Make the pools that are missing and give their names. One that is there keeps the slots that somebody gave it.

    Raises:
        AirflowError: Airflow does not answer, or refuses.
    """
    there = {pool["name"] for pool in api.all("/api/v2/pools", "pools")}
    missing = sorted(set(use_cases) - there)
    for name in missing:
        said = f"Tasks of use case {name} that run at once; change the slots as you like"
        body = {"name": name, "slots": SLOTS, "description": said, "include_deferred": False}
        try:
            api.ask("POST", "/api/v2/pools", json=body)
        except AirflowRefusedError as refusal:
            if refusal.status != _CONFLICT:  # another process was faster
                raise
        log.info("event=pool_made use_case=%s slots=%d", name, SLOTS)
    return missing


class PoolKeeper(Courier):
    """Makes a pool for each served use case, those of new folders too, whatever their contracts are like."""

    def __init__(self, settings: Settings, api: AirflowApi) -> None:
        super().__init__("pools")
        self._settings, self._api = settings, api
        self._known: frozenset[str] = frozenset()
        self._due, self._attempts = 0.0, 0

    def deliver(self) -> int:
        """Make what is missing, where there is something new or it was not looked for long; gives how many."""
        wanted, now = frozenset(served_names(self._settings)), time.monotonic()
        if now < self._due and (self._attempts or wanted <= self._known):
            return 0
        try:
            made = ensure_pools(self._api, wanted)
        except LakeloopError as failure:
            self._due = now + growing_wait(self._attempts, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
            self._attempts += 1
            self.say(str(failure))
            return 0
        self._known, self._due, self._attempts = wanted, now + AGAIN_SECONDS, 0
        self.say("")
        return len(made)
