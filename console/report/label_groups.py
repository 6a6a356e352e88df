"""The rows by their label, for pictures and questions: a group a class or label, of numbers their three thirds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lakeloop.contract import Contract
from lakeloop.contract.several_labels import NO_LABEL
from lakeloop.label_sets import has_labels

LabelGroup = tuple[str, pd.Series]
"""What a group is called, and which rows are in it (n,) bool, by the frame's index."""


def label_groups(contract: Contract, frame: pd.DataFrame) -> Sequence[LabelGroup]:
    """All groups there are, in the classes' order, or from the smallest numbers to the largest; of several labels a row
    is in the group of each that it has, or in that of none.
    """
    label, values = contract.label, frame[contract.label.name]
    if label.several:
        has = has_labels(values.to_numpy(), len(label.classes))
        found = [(name, pd.Series(has[:, place], frame.index)) for place, name in enumerate(label.columns)]
        return [*found, (NO_LABEL, values == 0)]
    if label.classes:
        return [(name, values == class_id) for class_id, name in enumerate(label.class_names)]
    if values.empty:
        return []
    low, high = (float(cut) for cut in np.quantile(values, [1 / 3, 2 / 3]))
    unit = f" {label.truth.unit}" if label.truth.unit else ""
    found = [
        (f"up to {low:.4g}{unit}", values <= low),
        (f"{low:.4g} to {high:.4g}{unit}", (values > low) & (values <= high)),
        (f"above {high:.4g}{unit}", values > high),
    ]
    return [(name, rows) for name, rows in found if rows.any()]
