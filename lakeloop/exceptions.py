"""The errors a user may see. Each is one sentence or a few: what is wrong, where, what is allowed, what to do."""

from pathlib import Path


class LakeloopError(Exception):
    """Base of all expected errors; the command line prints its text, never its traceback.

    Below it: `WrongUseError`, the user's to mend; `RefusedError`, a check said no; `BusyError`, try again;
    `BrokenError`, something the platform stands on is missing or ill. `exit_code` is what a command ends with: 1
    failed, 2 wrong use, 3 refused.
    """

    exit_code = 1


class WrongUseError(LakeloopError):
    """The command, its options or a file the user wrote is wrong; nothing was started."""

    exit_code = 2


class RefusedError(LakeloopError):
    """A check said no; nothing that it guards was changed."""

    exit_code = 3


class BusyError(LakeloopError):
    """Something is in use by another process; nothing was started, and the same may work later."""


class BrokenError(LakeloopError):
    """Something the platform stands on is missing, full or ill; the text says what, and what mends it."""


def first_line(error: BaseException) -> str:
    """What any error says in its first line, at most 200 characters of it; its kind where it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__


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


class ExpressionError(WrongUseError, ValueError):
    """An expression that cannot be read; the text says which part of it, where, and why.

    A ValueError too, so that a contract with one in it is refused with its line.
    """


class NotAllowedError(WrongUseError):
    """Who acts is not known, or has a role that is not enough; the text says what is needed."""


class MissingToolError(BrokenError):
    """Something the machine must have is not there; the text names the command that installs it."""


class NotFoundError(LakeloopError):
    """A table, version, period or model that does not exist (yet); the text says what does."""


class DeliveryError(LakeloopError):
    """One or more delivered files could not be taken; everything else was."""


class DiskFullError(BrokenError):
    """The disk is full; what was being written is not visible to readers."""


class GateRefusedError(RefusedError):
    """The quality gate refused the model; nothing was pushed."""


class AirflowError(BrokenError):
    """Airflow did not do what it was asked; the text says what to look at. It is asked again later."""


class AirflowRefusedError(AirflowError):
    """Airflow answered, with an error; `status` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class ModelCardMissingError(NotFoundError):
    """A pushed version that carries no model card, or none that can be read: it was pushed before there were any."""


class AddressTakenError(BusyError):
    """The address a server should listen on cannot be had."""


class OwnCodeError(WrongUseError):
    """Something in a use case's own code is wrong: `problem`, in `file` at `line` (0: not in one line)."""

    def __init__(self, file: Path, line: int, problem: str) -> None:
        self.file, self.line, self.problem = file, line, problem
        super().__init__(f"{file}, line {line}: {problem}" if line else f"{file}: {problem}")

    def __reduce__(self) -> "tuple[type[OwnCodeError], tuple[Path, int, str]]":
        return type(self), (self.file, self.line, self.problem)


class OwnCodeTooSlowError(OwnCodeError):
    """A use case's own code did not answer in the time that it has, or ended its process."""
