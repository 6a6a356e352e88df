"""Which version serves, and whether it answers, asked of the model server each few seconds."""

import time

import httpx

from lakeloop.champion import serving_version
from lakeloop.exceptions import NotFoundError
from lakeloop.use_case import UseCase

LOOK_SECONDS = 5.0
STATUS_SECONDS = 3.0


class ModelWatch:
    """`version` is '' while nothing was pushed; `available` says whether the model server serves a version now."""

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._looked = float("-inf")
        self.version = ""
        self.available = False
        self.problem = "the model server was not asked yet"

    def look(self) -> bool:
        """Look again if it is time; whether the version changed."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        before = self.version
        self.available = self._answers()
        try:
            self.version, self.problem = serving_version(self._use_case), ""
        except NotFoundError as nothing:
            self.version, self.problem = "", str(nothing)
        self._looked = time.monotonic()
        return self.version != before

    def _answers(self) -> bool:
        address = f"{self._use_case.settings.model_server}/v1/models/{self._use_case.name}"
        try:
            states = httpx.get(address, timeout=STATUS_SECONDS, trust_env=False).json()["model_version_status"]
            return any(state["state"] == "AVAILABLE" for state in states)
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return False
