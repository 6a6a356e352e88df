"""A thread that brings what is written down to where it should go: at once, and again after growing waits."""

import logging
import threading
from abc import ABC, abstractmethod

from sqlalchemy.exc import SQLAlchemyError

from lakeloop.exceptions import LakeloopError

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""What other processes write down is seen this soon; what this one does, at once."""


class Courier(ABC):
    """`problem` says why something could not be delivered; '' where all was."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.problem = ""

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """End, after what is being sent."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(seconds)

    @property
    def stopping(self) -> bool:
        """Whether it should end after what is being sent."""
        return self._stopping.is_set()

    def wake(self) -> None:
        """There is something new: look at once."""
        self._wake.set()

    @abstractmethod
    def deliver(self) -> int:
        """Send what is due, the oldest first; gives how many arrived. A failure is noted and tried again later."""

    def say(self, problem: str) -> None:
        """What is wrong now; it is logged when it is another than before."""
        if problem and problem != self.problem:
            log.warning("event=not_delivered by=%s problem=%r", self._name, problem)
        self.problem = problem

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            try:
                self.deliver()
            except (LakeloopError, SQLAlchemyError) as error:
                self.say(f"the operational database cannot be read or written ({error.__class__.__name__})")
            except Exception as error:
                log.exception("event=courier_failed by=%s", self._name)
                self.say(f"unexpected {type(error).__name__}")


def growing_wait(attempts: int, first: float, longest: float) -> float:
    """Seconds until the next attempt after so many that failed: twice as long each time."""
    return min(first * 2.0 ** min(attempts, 20), longest)
