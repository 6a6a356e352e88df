"""One `up` or `down` at a time on a home."""

from contextlib import AbstractContextManager

from console.platform.paths import platform_folder
from lakeloop.file_lock import only_one
from lakeloop.secret_files import private_folder
from lakeloop.settings import Settings


def one_at_a_time(settings: Settings) -> AbstractContextManager[None]:
    """Hold the home's lock, which the system lets go of however the process ends.

    Raises:
        BusyError: another process starts or stops this platform now.
    """
    return only_one(
        private_folder(platform_folder(settings)) / ".lock",
        lambda holder: (
            f"another `lakeloop up` or `down` (pid {holder}) is at work on {settings.home}; "
            "wait for it, or stop it with Ctrl-C"
        ),
    )
