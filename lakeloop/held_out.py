"""Which rows of a frame the contract's split keeps from training; the lake splits its exports in the same way."""

from collections import Counter
from typing import TYPE_CHECKING

from lakeloop.contract import Contract
from lakeloop.contract.key import JOINT

if TYPE_CHECKING:
    import pandas as pd


def is_held_out(contract: Contract, rows: "pd.DataFrame") -> "pd.Series":
    """Whether each row (rows,) is held out. In a split by time the newest periods of these rows are."""
    split, key = contract.split, rows[contract.key.column].astype(str)
    if split.by == "time":
        periods = rows[contract.period_column].astype(str)
        if rows.empty:
            return periods == ""
        return periods >= split.first_eval_period(Counter(periods))
    if split.stratify:
        return _every_so_many_th(contract, rows)
    if split.column is None:
        return key.map(split.is_eval)
    if split.column in rows:
        values = rows[split.column]
        return values.astype(str).where(values.notna(), key).map(split.is_eval)
    return key.str.split(JOINT).str[contract.key.columns.index(split.column)].map(split.is_eval)


def _every_so_many_th(contract: Contract, rows: "pd.DataFrame") -> "pd.Series":
    """Of each class of each period, in the order of their hashes, every so many-th row; the first by the group's own
    hash, so that classes of fewer rows than that are held out as often as others.
    """
    split = contract.split
    keys = rows[contract.key.column].astype(str)
    group = rows[contract.period_column].astype(str) + ":" + rows[contract.label.name].astype(int).astype(str)
    ordered = keys.to_frame("key").assign(hash=keys.map(split.hash_of), group=group).sort_values(["hash", "key"])
    place = ordered.groupby("group").cumcount() + ordered["group"].map(split.hash_of)
    return (place % split.every == 0).reindex(rows.index)
