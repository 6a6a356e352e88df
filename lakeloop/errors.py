"""The errors a user may see. Each is one sentence or a few: what is wrong, where, what is allowed, what to do."""


class LakeloopError(Exception):
    """Base of all expected errors; the command line prints its text, never its traceback.

    `exit_code` is what a command ends with: 1 failed, 2 wrong use, 3 refused by the quality gate.
    """

    exit_code = 1


class WrongUseError(LakeloopError):
    """The command, its options or a file the user wrote is wrong; nothing was started."""

    exit_code = 2


class ContractError(WrongUseError):
    """A contract that cannot be used; `problems` holds every mistake found, in order of line.

    One that is about the file itself, not about a line of it, stands alone.
    """

    def __init__(self, path: object, problems: list[str]) -> None:
        self.path = path
        self.problems = problems
        if len(problems) == 1 and not problems[0].startswith("line "):
            super().__init__(f"{path}: {problems[0]}")
            return
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        super().__init__("\n".join([f"{path}: {count} in the contract", *(f"  {p}" for p in problems)]))


class MissingToolError(LakeloopError):
    """Something the machine must have is not there; the text names the command that installs it."""


class NotFoundError(LakeloopError):
    """A table, version, month or model that does not exist (yet); the text says what does."""


class DeliveryError(LakeloopError):
    """One or more delivered files could not be taken; everything else was."""


class BusyError(LakeloopError):
    """Another process is doing this on the same home; nothing was started."""


class DiskFullError(LakeloopError):
    """The disk is full; what was being written is not visible to readers."""


class GateRefusedError(LakeloopError):
    """The quality gate refused the model; nothing was pushed."""

    exit_code = 3
