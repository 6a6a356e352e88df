"""The monitor's errors."""

from lakeloop.exceptions import LakeloopError


class AlertGroupError(Exception):
    """The body is no group of alerts as Alertmanager posts it; `problems` say where and what is allowed."""

    def __init__(self, problems: list[dict[str, str]]) -> None:
        super().__init__(problems)
        self.problems = problems


class PrometheusError(Exception):
    """Prometheus cannot be asked now."""


class ModelNotAskedError(LakeloopError):
    """The model server does not answer for a version now."""
