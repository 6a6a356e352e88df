"""Tells Airflow which version serves: an event of the asset `<use case>/champion` whenever that is another one.

A push, a hand on a release and a challenge that is won all change it, in whatever process. Which one Airflow was told
last stands in Airflow: a monitor that starts, or an Airflow that was away, misses nothing and is told nothing twice.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lakeloop.exceptions import AirflowError
from lakeloop.releases import read_release
from lakeloop.settings import Settings
from monitoring.airflow_client import AirflowClient
from monitoring.courier import Courier, growing_wait

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 30.0


@dataclass
class _Told:
    """What Airflow was told of a use case ('' before it was asked), and when it is asked again after a failure."""

    champion: str = ""
    problem: str = ""
    attempts: int = 0
    due: float = 0.0


class ChampionTeller(Courier):
    """Tells it of the use cases that `awaited` names: those with a DAG that waits for it."""

    def __init__(self, settings: Settings, airflow: AirflowClient, awaited: Callable[[], Iterable[str]]) -> None:
        super().__init__("champions")
        self._settings, self._airflow, self._awaited = settings, airflow, awaited
        self._told: dict[str, _Told] = {}

    def deliver(self) -> int:
        """Tell of each champion that Airflow does not know yet; gives how many. One that fails delays no other."""
        arrived = 0
        self._told = {name: self._told.get(name, _Told()) for name in sorted(self._awaited())}
        for name, told in self._told.items():
            champion = read_release(self._settings, name).champion
            if not champion or champion == told.champion or time.monotonic() < told.due:
                continue
            try:
                arrived += self._tell(name, champion)
            except AirflowError as failure:
                told.due = time.monotonic() + growing_wait(told.attempts, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
                told.attempts, told.problem = told.attempts + 1, str(failure)
            else:
                self._told[name] = _Told(champion)
        self.say(next((told.problem for told in self._told.values() if told.problem), ""))
        return arrived

    def _tell(self, name: str, champion: str) -> bool:
        asset = f"{name}/champion"
        if self._airflow.newest_extra(asset).get("version") == champion:
            return False
        self._airflow.tell(asset, {"version": champion})
        log.info("event=champion_told use_case=%s version=%s", name, champion)
        return True
