"""What a user reads when a command fails."""

import errno
import logging
import os
import sys
import tempfile
import threading
import traceback
from pathlib import Path

from console.exceptions import SparkFailedError
from lakeloop.exceptions import LakeloopError

LONGEST_SUMMARY = 300
JAVA_LIBRARIES = ("py4j", "pyspark")
PYTHON_TRACEBACK = "Traceback (most recent call last):"
NO_WORDS = "it does not say why"
NOT_USABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG)
"""What a file system says of a place that is not the user's to write, or cannot be."""
OTHER_PLACE = "check its owner and mode, or set LAKELOOP_HOME to a folder of yours"
READ_ONLY = ("Read-only file system", "readonly database")
log = logging.getLogger(__name__)


def in_words(error: Exception) -> Exception:
    """An error as it can be told after Spark's end: what came from Java becomes a SparkFailedError."""
    if isinstance(error, LakeloopError | SparkFailedError) or not _of_java(error):
        return error
    return SparkFailedError(type(error).__name__, _text(error), _traceback(error))


def explain(error: BaseException) -> tuple[str, int]:
    """Text and exit code for an error; the traceback of an unexpected one is kept in a file that is named."""
    if isinstance(error, LakeloopError):
        return str(error), error.exit_code
    text = _text(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.filename or 'while writing'}); free some space and run it again", 1
    if "No space left on device" in text:
        return "the disk is full; free some space and run it again, nothing half-written is visible", 1
    if isinstance(error, OSError) and error.errno in NOT_USABLE and error.filename:
        return f"{error.filename} cannot be used ({error.strerror}); {OTHER_PLACE}", 1
    if any(words in text for words in READ_ONLY):
        return f"the home cannot be written ({_summary(text)}); {OTHER_PLACE}", 1
    kind = error.kind if isinstance(error, SparkFailedError) else type(error).__name__
    return f"unexpected {kind}: {_summary(text)}\n  the details are in {_keep(error)}", 1


def tell_other_threads_failures() -> None:
    """What fails in a thread, or while Python tidies up, is told in one line of the log, its traceback kept."""

    def in_thread(what: threading.ExceptHookArgs) -> None:
        if what.exc_value is not None and not issubclass(what.exc_type, SystemExit):
            text, _ = explain(what.exc_value)
            log.error("event=thread_failed thread=%s why=%r", what.thread.name if what.thread else "", text)

    threading.excepthook = in_thread
    sys.unraisablehook = lambda what: log.info("event=not_tidied_up what=%r why=%r", what.object, what.exc_value)


class OneLine(logging.Formatter):
    """A log's line with an error's kind and text; where a traceback would follow, it is left out."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            record.exc_text = f"  {type(error).__name__}: {_summary(_text(error))}"
        record.stack_info = None
        return super().format(record)


def reader_is_gone() -> None:
    """Nobody reads standard output any more: what is still to be written goes nowhere, without a complaint."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def _of_java(error: BaseException) -> bool:
    """Whether an error, or what it came from, is one of Spark's."""
    while True:
        if type(error).__module__.partition(".")[0] in JAVA_LIBRARIES:
            return True
        further = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if further is None:
            return False
        error = further


def _text(error: BaseException) -> str:
    """What an error says; of Java's what it came from, and nothing where even that cannot be asked for."""
    try:
        java = getattr(error, "java_exception", None)
        while java is not None and java.getCause() is not None:
            java = java.getCause()
        return str(error if java is None else java.toString()).strip()
    except Exception:  # noqa: BLE001 - telling of an error must not be another one
        return ""


def _summary(text: str) -> str:
    """The first line; of a Python worker of Spark, which quotes a traceback, the line that ends it."""
    lines = text.splitlines()
    if PYTHON_TRACEBACK in lines:
        lines = [line for line in lines[lines.index(PYTHON_TRACEBACK) + 1 :] if line and not line.startswith(" ")]
    return lines[0][:LONGEST_SUMMARY] if lines else NO_WORDS


def _traceback(error: BaseException) -> str:
    return error.details if isinstance(error, SparkFailedError) else "".join(traceback.format_exception(error))


def _keep(error: BaseException) -> Path:
    """Write the traceback under the logs area, or where that cannot be written, in the temporary folder."""
    for folder in (_logs, tempfile.gettempdir):
        try:
            path = Path(folder()) / "last-failure.log"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_traceback(error), encoding="utf-8", errors="backslashreplace")
        except Exception:  # noqa: BLE001 - settings that cannot be read may be the very error that is told
            continue
        return path
    return Path("(nowhere: no folder could be written)")


def _logs() -> str:
    from lakeloop.settings import load_settings  # noqa: PLC0415 - a tenth of a second that --help need not wait

    return load_settings().area("logs")
