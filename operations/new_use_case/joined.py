"""Further tables that rows are described by: which columns they are met by, as of which time, and what they bring."""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.contract.periods import PeriodKind
from operations.new_use_case.columns import Column
from operations.new_use_case.features import FeatureDraft, LeftOut, feature_of
from operations.new_use_case.problems import Findings
from operations.new_use_case.tables import TableDraft
from operations.new_use_case.times import PANDAS_CODES, TimeColumn, best_time, date_of, on_clock

MET_BY_NAME, MET_BY_VALUE = 0.1, 0.8
"""Share of the rows that must find their value in the other table: of columns of one name, and of two names."""
SHARED_WORD = 0.5
"""The same of columns whose names have a word in common, such as `area` and `pickup_area`."""
FEW_VALUES = 5
"""Different values up to which two columns have the same ones by chance."""
OFTEN = 0.1
"""Of a table's rows that others have the same values as: more, and it has several rows for one."""
NO_WORDS = {"id", "nr", "no", "key", "code", "name", "number", "the", "of"}
BETWEEN = "\x1f"
EXAMPLES = 3
INSTEAD = {"numeric": "median", "binary": "zero"}
"""What the model gets where a row meets none; of all other roles a category of its own."""


@dataclass(frozen=True)
class JoinDraft:
    """A joined source: `on` are its columns with those of the base that they meet, as delivered; `period`: its column
    that meets the base's period. `as_of`: the time up to which its newest row counts.

    `rows` (n,) is the row that each row of the base's sample meets, -1 for none; `renamed` are features that the base
    has a column of the same name as.
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
            and (self.time is None or column.name != self.time.name) and not _is_date(column)
        ]  # fmt: skip


def join_of(name: str, table: TableDraft, base: Base, taken: Set[str], findings: Findings) -> JoinDraft | None:
    """How a table is joined to the base; None, with a problem, where the two never meet. `taken`: names of columns that
    others have.
    """
    pairs, time = _pairs(table, base), _time(table, base)
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


def _pairs(table: TableDraft, base: Base) -> list[tuple[str, str]]:
    """Columns that have the same values, own and the base's, the likeliest first; each stands in one pair only."""
    found = list[tuple[float, str, str]]()
    for own in table.columns.values():
        if own.kind not in ("int", "string", "bool") or own.unit or not own.distinct or _is_date(own):
            continue
        for other in base.able():
            alike = _alike(table.names[own.name], base.table.names[other.name])
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


def _alike(one: str, other: str) -> int:
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
        found = JoinDraft(name, table, tried, _met_rows(table, base, tried))
        if not found.met:
            continue
        on, best = tried, found
        if not _again(found):
            return found
    if time is None:
        return best
    assert base.time is not None
    if _is_period(time, base):
        found = JoinDraft(name, table, on, _met_rows(table, base, on, period=time), period=time)
        return found if found.met else best
    if on:
        found = JoinDraft(name, table, on, _met_rows(table, base, on, as_of=time), as_of=time)
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


def _met_rows(
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


def _again(joined: JoinDraft) -> float:
    """Share of the own rows that have the same values as a later one."""
    columns = joined.table.columns
    parts = [pd.Series(columns[name].codes) for name in joined.on]
    parts += [time.times for time in (joined.as_of, joined.period) if time is not None]
    return float(pd.concat(parts, axis="columns").duplicated().mean()) if parts else 1.0


def _is_date(column: Column) -> bool:
    return date_of(column) is not None


def _never_meet(name: str, table: TableDraft, base: Base, time: TimeColumn | None) -> str:
    """What stands on either side of what should have met."""
    beside = [
        f"`{base.table.names[other.name]}` has {_some(other)}, and `{table.names[own.name]}` {_some(own)}"
        for own in table.columns.values() for other in base.able()
        if own.distinct and _alike(table.names[own.name], base.table.names[other.name])
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
        if _is_date(column):
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
