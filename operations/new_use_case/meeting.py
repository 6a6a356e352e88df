"""How the rows of two tables meet: the columns that have the same values in both, and which row meets which."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lakeloop.contract.periods import PeriodKind
from operations.new_use_case.columns import Column
from operations.new_use_case.tables import TableDraft
from operations.new_use_case.times import PANDAS_CODES, TimeColumn, date_of

MET_BY_NAME, MET_BY_VALUE = 0.1, 0.8
"""Share of the rows that must find their value in the other table: of columns of one name, and of two names."""
SHARED_WORD = 0.5
"""The same of columns whose names have a word in common, such as `area` and `pickup_area`."""
FEW_VALUES = 5
"""Different values up to which two columns have the same ones by chance."""
NO_WORDS = {"id", "nr", "no", "key", "code", "name", "number", "the", "of"}
BETWEEN = "\x1f"


@dataclass(frozen=True)
class Base:
    """What is joined to: a table's columns, when its rows happened and the periods counted, and which columns cannot be
    met: the outcome."""

    table: TableDraft
    time: TimeColumn | None
    period: PeriodKind
    outcome: str

    def able(self) -> list[Column]:
        """The columns that rows of another table can be met by: texts and whole numbers that come back."""
        return [
            column for column in self.table.columns.values()
            if column.kind in ("int", "string", "bool") and column.name != self.outcome and not column.unit
            and (self.time is None or column.name != self.time.name) and not is_date(column)
        ]  # fmt: skip


def column_pairs(table: TableDraft, base: Base) -> list[tuple[str, str]]:
    """Columns that have the same values, own and the base's, the likeliest first; each stands in one pair only."""
    found = list[tuple[float, str, str]]()
    for own in table.columns.values():
        if own.kind not in ("int", "string", "bool") or own.unit or not own.distinct or is_date(own):
            continue
        for other in base.able():
            alike = names_alike(table.names[own.name], base.table.names[other.name])
            least = (MET_BY_VALUE, SHARED_WORD, MET_BY_NAME)[alike]
            if not alike and min(own.distinct, other.distinct) <= FEW_VALUES:
                continue
            if (share := _share(own, other)) >= least:
                found.append((alike + share, own.name, other.name))
    pairs, taken = list[tuple[str, str]](), set[tuple[int, str]]()
    for _, one, other_name in sorted(found, key=lambda each: -each[0]):
        if (0, one) not in taken and (1, other_name) not in taken:
            taken |= {(0, one), (1, other_name)}
            pairs.append((one, other_name))
    return pairs


def names_alike(one: str, other: str) -> int:
    """2 of the same name, 1 of names with a word in common, else 0."""
    if one == other:
        return 2
    words = [set(re.findall(r"[a-z]+", name)) - NO_WORDS for name in (one, other)]
    return int(bool(words[0] & words[1]))


def _share(own: Column, other: Column) -> float:
    """Of the base's rows with a value those whose value the other table has, as the lake compares: whole numbers as
    numbers, everything else as texts."""
    if own.numbers is not None and other.numbers is not None:
        there = np.isin(other.numbers, own.numbers)
    elif own.numbers is None and other.numbers is None:
        there = np.isin(np.array(other.values, dtype=str), np.array(own.values, dtype=str))
    else:
        return 0.0
    return float(other.counts[there].sum() / max(1, other.present))


def met_rows(
    table: TableDraft, base: Base, on: Mapping[str, str], as_of: TimeColumn | None = None,
    period: TimeColumn | None = None,
) -> np.ndarray:  # fmt: skip
    """For each row of the base's sample (n,) the row of the table's that it meets; -1 for none."""
    rows, own_rows = base.table.sample.table.num_rows, table.sample.table.num_rows
    theirs = [_values(table.columns[own], base.table.columns[other]) for own, other in on.items()]
    ours = [_values(base.table.columns[other], table.columns[own]) for own, other in on.items()]
    if period is not None and base.time is not None:
        code = PANDAS_CODES[base.period]
        theirs.append(period.times.dt.to_period(code).astype(str).where(period.times.notna()))
        ours.append(base.time.times.dt.to_period(code).astype(str).where(base.time.times.notna()))
    left, right = _joint(ours, rows), _joint(theirs, own_rows)
    right["_met"] = np.arange(own_rows)
    left["_place"] = np.arange(rows)
    if as_of is None:
        last = right.dropna().drop_duplicates("_by", keep="last")
        met = left.merge(last, how="left", on="_by")
    else:
        assert base.time is not None
        left["_at"], right["_at"] = base.time.times.to_numpy(), as_of.times.to_numpy()
        met = pd.merge_asof(
            left.dropna().sort_values("_at", kind="stable"), right.dropna().sort_values("_at", kind="stable"),
            on="_at", by="_by",
        )  # fmt: skip
    found = np.full(rows, -1)
    found[met["_place"].to_numpy()] = met["_met"].fillna(-1).to_numpy(dtype=int)
    return found


def _values(column: Column, beside: Column) -> pd.Series:
    """What each row is compared by: a number where both have numbers."""
    if column.numbers is not None and beside.numbers is not None:
        texts = [f"{number:.15g}" for number in column.numbers]
    else:
        texts = list(column.values)
    return pd.Series(np.array([*texts, None], dtype=object)[column.codes])


def _joint(parts: Sequence[pd.Series], rows: int) -> pd.DataFrame:
    """The parts as one text, missing where any is."""
    if not parts:
        return pd.DataFrame({"_by": np.full(rows, "", dtype=object)})
    joined = parts[0].astype(object)
    for part in parts[1:]:
        joined = joined + BETWEEN + part
    return pd.DataFrame({"_by": joined})


def is_date(column: Column) -> bool:
    """Whether a column has dates or times."""
    return date_of(column) is not None
