"""Rows are told apart by their key; what only one side has counts, and a missing value is equal to another."""

import pandas as pd
import pytest

from lakeloop.measures.changed_rows import changed_rows

THEN = pd.DataFrame({"id": ["a", "b", "c"], "age": [40.0, None, 30.0], "group": [0, 1, 2], "name": ["x", "y", "z"]})
NOW = THEN.drop(columns="name")


@pytest.mark.parametrize(
    ("now", "changed"),
    [
        (NOW, 0),
        (NOW[::-1][["group", "id", "age"]], 0),
        (NOW.assign(group=[0, 2, 2]), 1),
        (NOW.assign(age=[None, 20.0, 30.0], group=[0, 1, 0]), 3),
        (NOW[1:], 1),
        (pd.concat([NOW, NOW[:2].assign(id=["d", "e"])]), 2),
        (NOW.assign(id=["d", "e", "f"]), 6),
    ],
    ids=["the same", "in another order", "one label", "values that came and went", "withdrawn", "late", "all others"],
)
def test_rows_that_are_others(now: pd.DataFrame, changed: int) -> None:
    assert changed_rows(THEN, now, "id") == changed
