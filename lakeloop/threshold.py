"""From which probability on a model answers one of its two classes: learnt when it is trained, part of it from then on.

It stands in the model's own graph, so what a server answers goes by it; this is what is told of it, and what whoever
has a model's probabilities alone needs to know which class it answered.
"""

from typing import TYPE_CHECKING

from pydantic import Field

from lakeloop.frozen_model import FrozenModel

if TYPE_CHECKING:
    import numpy as np


class Threshold(FrozenModel):
    """The class `of` is answered where its probability is `at` or more, else the other one."""

    of: str = Field(description="the class")
    at: float = Field(description="its probability; above 1 where it is never answered")
    aim: str = Field(description="what it was chosen by, in words")
    reached: str = Field(description="what came of that on the rows it was chosen on, in words")
    rows: int = Field(description="held-out rows it was chosen on; the others tell how good it is")

    @property
    def text(self) -> str:
        """The same in words: `yes from probability 0.230 on`."""
        if self.at > 1:
            return f"never {self.of}"
        return f"always {self.of}" if self.at <= 0 else f"{self.of} from probability {self.at:.4g} on"


def class_ids_at(at: "float | np.ndarray", of: int, probabilities: "np.ndarray") -> "np.ndarray":
    """Probabilities (n, 2) -> the class ids (n,) that a threshold `at` of the class id `of` answers."""
    reached = probabilities[:, of] >= at
    return (reached if of == 1 else ~reached).astype(int)
