"""The errors of what people touch."""

from lakeloop.exceptions import BusyError


class SparkFailedError(Exception):
    """An error of Spark, put into words while there was a Spark to ask for them.

    Its own objects live in Java: once that is gone, asking them for their text is a second error. `details` is the
    traceback with Java's.
    """

    def __init__(self, kind: str, text: str, details: str) -> None:
        self.kind, self.details = kind, details
        super().__init__(text)


class PortTakenError(BusyError):
    """Ports that the platform needs are another's; nothing was started."""
