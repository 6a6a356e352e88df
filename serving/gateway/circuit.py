"""The circuit breaker before the model: a server that is down is not asked again by every request."""

from serving.exceptions import ModelError, NoConnectionError

FAILURES_TO_OPEN = 3


class Circuit:
    """Open means: do not ask. A lost connection opens it at once, other failures when three calls in a row fail."""

    def __init__(self) -> None:
        self.why = ""
        self._failures = 0

    @property
    def open(self) -> bool:
        """Whether the model must not be asked now; `why` says what happened last."""
        return bool(self.why)

    def failed(self, failure: ModelError) -> None:
        """Count a failed call."""
        self._failures += 1
        if self.open or isinstance(failure, NoConnectionError) or self._failures >= FAILURES_TO_OPEN:
            self.why = str(failure)

    def succeeded(self) -> None:
        """Close it."""
        self._failures, self.why = 0, ""
