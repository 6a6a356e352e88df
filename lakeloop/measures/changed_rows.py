"""How many rows that a model was trained on are others today: truth was corrected, came late or was withdrawn."""

import pandas as pd


def changed_rows(then: pd.DataFrame, now: pd.DataFrame, key: str) -> int:
    """Rows, told apart by `key`, that only one of two frames has or that differ in a column both have."""
    before, after = then.set_index(key), now.set_index(key)
    both = before.index.intersection(after.index)
    columns = before.columns.intersection(after.columns)
    one, other = before.loc[both, columns], after.loc[both, columns]
    same = one.eq(other) | (one.isna() & other.isna())
    return int((~same.all(axis="columns")).sum()) + len(before.index.symmetric_difference(after.index))
