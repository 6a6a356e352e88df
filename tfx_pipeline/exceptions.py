"""The pipeline's errors."""

from pathlib import Path

from lakeloop.exceptions import BrokenError, LakeloopError, RefusedError


class DataRefusedError(RefusedError):
    """The exported data breaks the contract; `problems` holds one line per feature and split.

    A command ends with 1: unlike the quality gate's no it is the end of a run that came to no verdict.
    """

    exit_code = LakeloopError.exit_code

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = "1 anomaly" if len(problems) == 1 else f"{len(problems)} anomalies"
        super().__init__("\n".join([f"the exported data breaks the contract: {count}", *(f"  {p}" for p in problems)]))


class ServerStartError(BrokenError):
    """The server process did not come up: says nothing about the model, so it may be tried again."""


class ModelUnusableError(BrokenError):
    """The server runs and cannot load the model, or refuses what every client may ask of it."""


class NodeError(BrokenError):
    """A node did not end well; its execution is in ML Metadata as FAILED."""

    def __init__(self, node: str, run_id: str, reason: str) -> None:
        self.node, self.run_id = node, run_id
        super().__init__(f"{node} failed in run {run_id}: {reason}")


class InfraRefusedError(RefusedError):
    """The model passed the gate, but the model server could not serve it as clients would ask it: exit code 1, too."""

    exit_code = LakeloopError.exit_code

    def __init__(self, reason: str, log: Path) -> None:
        self.reason, self.log = reason, log
        super().__init__(
            f"the model passed the gate, but the model server does not serve it: {reason}; its log is {log}"
        )
