"""What is told while a draft is made: mistakes that stop it, all at once, and what was assumed where there is doubt."""

from dataclasses import dataclass, field

from lakeloop.exceptions import WrongUseError


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


@dataclass
class Findings:
    """Collected while looking: `problems` stop the draft, `notes` are assumptions and how to change each."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def stop_at_problems(self) -> None:
        """Raises SampleError if there are problems."""
        if self.problems:
            raise SampleError(list(dict.fromkeys(self.problems)))
