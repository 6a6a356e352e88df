"""One monitor a use case: a second one would count every request again and announce every episode twice."""

from contextlib import AbstractContextManager
from pathlib import Path

from lakeloop.file_lock import only_one
from lakeloop.use_case import UseCase


def only_monitor(use_case: UseCase) -> AbstractContextManager[None]:
    """Hold the use case's lock, which the system lets go of however the process ends.

    Raises:
        BusyError: another process watches this use case on this home.
    """
    return only_one(
        Path(use_case.settings.area("logs")) / "monitor" / f"{use_case.name}.lock",
        lambda holder: (
            f"another monitor (process {holder}) watches {use_case.name} on {use_case.settings.home}; "
            "stop it first, or use another home"
        ),
    )
