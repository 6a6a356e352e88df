"""The rows by their label, for pictures and questions: a group a class, of numbers their three thirds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lakeloop.contract import Contract

LabelGroup = tuple[str, pd.Series]
"""What a group is called, and which rows are in it (n,) bool, by the frame's index."""


def label_groups(contract: Contract, frame: pd.DataFrame) -> Sequence[LabelGroup]:
    """All groups there are, in the classes' order, or from the smallest numbers to the largest."""
    label, values = contract.label, frame[contract.label.name]
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
