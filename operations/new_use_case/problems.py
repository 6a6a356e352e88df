"""What is told while a draft is made: mistakes that stop it, all at once, and what was assumed where there is doubt."""

from dataclasses import dataclass, field

from operations.exceptions import SampleError


@dataclass
class Findings:
    """Collected while looking: `problems` stop the draft, `notes` are assumptions and how to change each."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def stop_at_problems(self) -> None:
        """Raises SampleError if there are problems."""
        if self.problems:
            raise SampleError(list(dict.fromkeys(self.problems)))
