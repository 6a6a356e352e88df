"""What a user reads when a command fails."""

import errno
import tempfile
import traceback
from pathlib import Path

from lakeloop.errors import LakeloopError
from lakeloop.settings import load_settings


def explain(error: BaseException) -> tuple[str, int]:
    """Text and exit code for an error; the traceback of an unexpected one is kept in a file that is named."""
    if isinstance(error, LakeloopError):
        return str(error), error.exit_code
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.filename or 'while writing'}); free some space and run it again", 1
    if "No space left on device" in str(error):
        return "the disk is full; free some space and run it again, nothing half-written is visible", 1
    if isinstance(error, PermissionError):
        return (
            f"no permission: {error.filename}; check its owner, or set LAKELOOP_HOME to a folder of yours",
            1,
        )
    summary = str(error).strip().splitlines()[0][:300] if str(error).strip() else ""
    return f"unexpected {type(error).__name__}: {summary}\n  the details are in {_keep(error)}", 1


def _keep(error: BaseException) -> Path:
    """Write the traceback under the logs area, or where that cannot be written, in the temporary folder."""
    for folder in (Path(load_settings().area("logs")), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / "last-failure.log"
            path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        except OSError:
            continue
        return path
    return Path("(nowhere: no folder could be written)")
