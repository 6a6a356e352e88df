"""Further tables that rows are described by: by which columns, as of which time, and what they bring."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from operations.new_use_case.columns import Column
from operations.new_use_case.features import FeatureDraft, LeftOut, feature_of
from operations.new_use_case.meeting import Base, column_pairs, is_date, met_rows, names_alike
from operations.new_use_case.problems import Findings
from operations.new_use_case.tables import TableDraft
from operations.new_use_case.times import TimeColumn, best_time, on_clock

OFTEN = 0.1
"""Of a table's rows that others have the same values as: more, and it has several rows for one."""
EXAMPLES = 3
INSTEAD = {"numeric": "median", "binary": "zero"}
"""What the model gets where a row meets none; of all other roles a category of its own."""


@dataclass(frozen=True)
class JoinDraft:
    """A joined source: `on` are its columns with those of the base that they meet, as delivered; `period`: its column
    that meets the base's period. `as_of`: the time up to which its newest row counts.

    `rows` (n,) is the row that each row of the base's sample meets, -1 for none.
    """

    name: str
    table: TableDraft
    on: Mapping[str, str]
    rows: np.ndarray
    as_of: TimeColumn | None = None
    period: TimeColumn | None = None
    features: tuple[FeatureDraft, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def met(self) -> float:
        """Share of the base's rows that meet one."""
        return float((self.rows >= 0).mean())

    @property
    def used(self) -> list[str]:
        """The delivered columns that the contract names, in their order."""
        times = [time.name for time in (self.as_of, self.period) if time is not None]
        wanted = {*self.on, *times, *(one.column for one in self.features)}
        return [name for name in self.table.columns if name in wanted]

    @property
    def in_words(self) -> str:
        """By what a row meets one, such as `station = pickup_area, the newest at or before the event time`."""
        said = [own if own == base else f"{own} = {base}" for own, base in self.on.items()]
        said += [f"{self.period.name} = the period"] if self.period is not None else []
        said += [f"the newest {self.as_of.name} at or before the event time"] if self.as_of is not None else []
        return ", ".join(said)


def join_of(name: str, table: TableDraft, base: Base, taken: Set[str], findings: Findings) -> JoinDraft | None:
    """How a table is joined to the base; None, with a problem, where the two never meet. `taken`: names of columns that
    others have.
    """
    pairs, time = column_pairs(table, base), _time(table, base)
    joined = _best(name, table, base, pairs, time)
    if joined is None:
        findings.problems.append(_never_meet(name, table, base, time))
        return None
    if (again := _again(joined)) > OFTEN:
        findings.problems.append(
            f"--join {name}: {again:.1%} of the rows of {table.sample.file} have the same {joined.in_words} as another "
            "one, and a row meets one at most; bring it with one row each (a mean, the newest), or with the column "
            "that tells them apart"
        )
        return None
    notes = [
        f"join: a row meets that of `{name}` with the same {joined.in_words}; {joined.met:.1%} of the rows meet one. "
        f"Otherwise: `sources.{name}.join`"
    ]
    if again:
        notes.append(
            f"join: {again:.2%} of the rows of `{name}` come again with the same {joined.in_words}; the last one counts"
        )
    if joined.as_of is not None:
        notes.append(
            f"join: of `{name}` the newest row counts that is not later than the event, however old; `within: 3 hours` "
            f"in its `join` bounds that. `{joined.as_of.name}` must be when a row was known, not the day it is about"
        )
    findings.notes.extend(notes)
    return _with_features(joined, taken, findings)


def _time(table: TableDraft, base: Base) -> TimeColumn | None:
    if base.time is None:
        return None
    time, _ = best_time(table.columns, "")
    return None if time is None or time.parts else on_clock(time, base.time.zone)


def _best(
    name: str, table: TableDraft, base: Base, pairs: Sequence[tuple[str, str]], time: TimeColumn | None
) -> JoinDraft | None:
    """The fewest columns by which a row of the table is told from all others; else the most that meet anything."""
    best: JoinDraft | None = None
    on = dict[str, str]()
    for own, other in pairs:
        tried = {**on, own: other}
        found = JoinDraft(name, table, tried, met_rows(table, base, tried))
        if not found.met:
            continue
        on, best = tried, found
        if not _again(found):
            return found
    if time is None:
        return best
    assert base.time is not None
    if _is_period(time, base):
        found = JoinDraft(name, table, on, met_rows(table, base, on, period=time), period=time)
        return found if found.met else best
    if on:
        found = JoinDraft(name, table, on, met_rows(table, base, on, as_of=time), as_of=time)
        return found if found.met else best
    return best


def _is_period(time: TimeColumn, base: Base) -> bool:
    """Whether its times are of the base's periods: their names, or of days and years one time a period."""
    if time.format == "period":
        return base.period == "month"
    if time.format == "%Y" or base.period == "day":
        return (time.format == "%Y") == (base.period == "year") and _whole_days(time)
    return False


def _whole_days(time: TimeColumn) -> bool:
    known = time.times.dropna()
    return bool((known == known.dt.normalize()).all())


def _again(joined: JoinDraft) -> float:
    """Share of the own rows that have the same values as a later one."""
    columns = joined.table.columns
    parts = [pd.Series(columns[name].codes) for name in joined.on]
    parts += [time.times for time in (joined.as_of, joined.period) if time is not None]
    return float(pd.concat(parts, axis="columns").duplicated().mean()) if parts else 1.0


def _never_meet(name: str, table: TableDraft, base: Base, time: TimeColumn | None) -> str:
    """What stands on either side of what should have met."""
    beside = [
        f"`{base.table.names[other.name]}` has {_some(other)}, and `{table.names[own.name]}` {_some(own)}"
        for own in table.columns.values() for other in base.able()
        if own.distinct and names_alike(table.names[own.name], base.table.names[other.name])
    ]  # fmt: skip
    said = "; ".join(beside[:EXAMPLES]) or (
        f"the first has {', '.join(table.columns)}, the second {', '.join(base.table.columns)}"
    )
    days = ""
    if time is not None:
        days = (
            f" Times alone are not enough: rows are met by a column, too, such as a place; or, where `{time.name}` is "
            "a day, count time in days (--period day), and each row meets that of its day."
        )
    return (
        f"--join {name}: {table.sample.file} and {base.table.sample.file} never meet: {said}. Texts are compared "
        f"as they are, so 8 and 008 are two.{days}"
    )


def _some(column: Column) -> str:
    return ", ".join(map(repr, column.values[:EXAMPLES]))


def _with_features(joined: JoinDraft, taken: Set[str], findings: Findings) -> JoinDraft | None:
    """The same with what it brings: every other column that a model can learn from, missing where a row meets none."""
    features, left_out = list[FeatureDraft](), list[LeftOut]()
    gap = float((joined.rows < 0).mean())
    own_times = {time.name for time in (joined.as_of, joined.period) if time is not None}
    for column in joined.table.columns.values():
        if column.name in joined.on or column.name in own_times:
            continue
        if is_date(column):
            left_out.append(
                LeftOut(column.name, f"is a date or a time of `{joined.name}`; say it by hand as a feature")
            )
            continue
        found = feature_of(column)
        if isinstance(found, LeftOut):
            left_out.append(found)
        else:
            features.append(replace(found, words=_optional(found.words, gap)))
    if not features:
        findings.problems.append(
            f"--join {joined.name}: {joined.table.sample.file} has no column that a model could learn from: "
            + "; ".join(f"`{one.column}` {one.why}" for one in left_out)
        )
        return None
    names = {
        name: f"{joined.name}_{own}" if own in taken and name not in joined.on else own
        for name, own in joined.table.names.items()
    }
    return replace(joined, table=replace(joined.table, names=names), features=tuple(features), left_out=tuple(left_out))


def _optional(words: Mapping[str, Any], gap: float) -> dict[str, Any]:
    """A row that meets none must be good: else it would wait for one for ever."""
    instead = INSTEAD.get(words["role"], "category")
    flagged = instead == "median" and gap > 0.01
    missing = {"missing": words.get("missing", instead)} | ({"missing_flag": True} if flagged else {})
    return {**words, **missing}


def as_met(joined: JoinDraft, name: str) -> Column:
    """A column of the joined table as the rows of the base have it, called `source.column`."""
    column = joined.table.columns[name]
    codes = np.append(column.codes, -1)[joined.rows]
    counts = np.bincount(codes[codes >= 0], minlength=column.distinct)
    called = f"{joined.name}.{name}"
    return replace(column, name=called, rows=len(codes), missing=int((codes < 0).sum()), counts=counts, codes=codes)
