"""The errors of what crosses the packages."""

from lakeloop.exceptions import LakeloopError, WrongUseError


class RolledBackError(LakeloopError):
    """The version failed and was taken back; the text says why and what serves now."""


class ModelFailsError(Exception):
    """The version does not answer as it should; the text says how."""


class SkewError(LakeloopError):
    """Served values differ from what training saw of the same rows."""


class NotReproducedError(LakeloopError):
    """The model made now differs from the one made then by more than the tolerance."""


class FetchError(LakeloopError):
    """A use case's `fetch` failed, or gave what cannot be landed; nothing of that period is in the landing folder."""


class SampleError(WrongUseError):
    """A sample of which no contract can be drafted; `problems` holds everything that was found."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        if len(problems) == 1:
            super().__init__(problems[0])
            return
        super().__init__(
            "\n".join([f"{len(problems)} things stand in the way of a draft", *(f"  {p}" for p in problems)])
        )
