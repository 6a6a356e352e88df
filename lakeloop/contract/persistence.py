"""The forecast that all stays as it is: a row's own value, taken for its answer."""

from typing import TYPE_CHECKING, Any

from lakeloop.contract.columns import STAND_INS
from lakeloop.contract.label_classes import LabelClass, first_class
from lakeloop.contract.section import Name, Section

if TYPE_CHECKING:
    import numpy as np


class Persistence(Section):
    """What each row's `feature` says, as the answer: of `classes` that which its value has, or the number itself."""

    feature: Name
    classes: tuple[LabelClass, ...] = ()

    @property
    def in_words(self) -> str:
        """What is answered: `rate` as it is."""
        return f"`{self.feature}` as it is"

    def answers(self, values: Any) -> "np.ndarray":
        """The answer to each of the feature's values (n,), as exports or examples have them.

        Class ids as int64, -1 where the value is missing; else numbers as float64, NaN where it is.
        """
        import numpy as np
        import pandas as pd

        places, different = pd.factorize(np.asarray(values))
        plain = [_plain(value) for value in different.tolist()] if different.dtype != np.float32 else [
            float(str(value)) for value in different  # 0.3 of 32 bits is none of 64, and would lie above 0.3
        ]  # fmt: skip
        missing = [value in STAND_INS.values() for value in plain]
        pairs = zip(plain, missing, strict=True)
        if self.classes:
            found = np.array([-1 if gone else first_class(self.classes, value) for value, gone in pairs], np.int64)
        else:
            found = np.array([np.nan if gone else float(value) for value, gone in pairs], np.float64)
        nothing = np.array([-1 if self.classes else np.nan], found.dtype)
        return np.concatenate([found, nothing])[places]  # of a missing value the place is -1, the last one


def _plain(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
