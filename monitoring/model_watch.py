"""Which version serves, and whether it answers, asked of the model server each few seconds."""

import time

from lakeloop.exceptions import NotFoundError
from lakeloop.pushed_models import available_versions, pushed_versions, serving_version
from lakeloop.use_case import UseCase

LOOK_SECONDS = 5.0


class ModelWatch:
    """`version` is '' while nothing was pushed; `available` says whether the model server serves a version now, and
    `awaited` whether it should, since one was pushed.
    """

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._looked = float("-inf")
        self.version = ""
        self.available = self.awaited = False
        self.problem = "the model server was not asked yet"

    def look(self) -> bool:
        """Look again if it is time; whether the version changed."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        before = self.version
        self.available = bool(available_versions(self._use_case))
        self.awaited = bool(pushed_versions(self._use_case))
        try:
            self.version, self.problem = serving_version(self._use_case), ""
        except NotFoundError as nothing:
            self.version, self.problem = "", str(nothing)
        self._looked = time.monotonic()
        return self.version != before
