"""One monitor a use case: a second one would count every request again and announce every episode twice."""

from contextlib import AbstractContextManager
from pathlib import Path

from lakeloop.file_lock import only_one
from lakeloop.settings import Settings


def only_monitor(settings: Settings) -> AbstractContextManager[None]:
    """Hold the use case's lock, which the system lets go of however the process ends.

    Raises:
        BusyError: another process watches this use case on this home.
    """
    return only_one(
        Path(settings.area("logs")) / "monitor" / f"{settings.use_case}.lock",
        lambda holder: (
            f"another monitor (process {holder}) watches {settings.use_case} on {settings.home}; "
            "stop it first, or use another home"
        ),
    )
