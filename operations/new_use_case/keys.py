"""What identifies a row: a column whose values never come back, two together, or nothing that was delivered."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from operations.new_use_case.columns import Column
from operations.new_use_case.features import ID_NAME
from operations.new_use_case.problems import Findings
from operations.new_use_case.sample import Sample
from operations.new_use_case.times import TimeColumn, date_of

MOST_PARTS = 12
MOST_SAME = 0.01
"""Of the rows that may be the same as another one: more are more than chance."""
LARGEST_PLACE = 2**31
OWN_TIMES = 0.75
"""Of the rows, with a time of their own: then any other column tells the others apart, and means nothing."""


@dataclass(frozen=True)
class KeyDraft:
    """Delivered columns, one or several, or none where it is `made`: row_hash or file_line."""

    columns: tuple[str, ...]
    why: str
    made: str = ""


def key_of(
    sample: Sample, columns: dict[str, Column], wanted: tuple[str, ...], time: TimeColumn | None, without: set[str],
    findings: Findings,
) -> KeyDraft:  # fmt: skip
    """The key that was asked for, or the best there is. `without`: columns that are something else."""
    if wanted:
        _check(sample, columns, wanted, findings)
        return KeyDraft(wanted, "as it was asked for")
    alone = [column for column in columns.values() if _identifies(column) and column.name not in without]
    alone.sort(key=lambda column: (not ID_NAME.search(column.name), list(columns).index(column.name)))
    if alone:
        return KeyDraft((alone[0].name,), f"{alone[0].distinct:,} rows, and no value of it comes twice")
    if time is not None and (beside := _beside_time(columns, time.column, without)):
        parts = (beside, *time.delivered)
        return KeyDraft(parts, f"no two rows have the same {', '.join(parts[:-1])} and {parts[-1]}")
    return KeyDraft((), "no column, and none together with the time, differs in every row", "row_hash")


def made_key(columns: Sequence[Column], why: str, findings: Findings) -> KeyDraft:
    """The key that is made where none was delivered: a hash over the row, or its line where many rows are the same."""
    again = _repeats(list(columns)).size if columns else 0
    rows = columns[0].rows if columns else 0
    if not again:
        return KeyDraft((), why, "row_hash")
    if again <= MOST_SAME * rows:
        findings.notes.append(
            f"key: {again:,} rows are the same as another one in every column that is used; the lake takes each such "
            "row once. Each line a row of its own: `key: {made: file_line}`"
        )
        return KeyDraft((), why, "row_hash")
    findings.notes.append(
        f"key: {again:,} of {rows:,} rows are the same as another one in every column that is used, so each line is "
        "taken for a row of its own; a row that is delivered again counts twice then. Equal rows once: "
        "`key: {made: row_hash}`"
    )
    return KeyDraft((), why, "file_line")


def _identifies(column: Column) -> bool:
    """Whether it is unique and made to name rows: a text or a whole number, no amount, no time and no birthday."""
    if not column.unique or column.rows < 2 or column.kind not in ("int", "string") or column.words > 3:
        return False
    if column.kind == "int" and not ID_NAME.search(column.name):
        return column.counts_rows
    return date_of(column) is None


def _beside_time(columns: dict[str, Column], time: Column, without: set[str]) -> str:
    """A column that comes once at each time, as a sensor or a district does; where hardly a time comes twice, ''."""
    if time.distinct > time.rows * OWN_TIMES:
        return ""
    for column in list(columns.values())[:MOST_PARTS]:
        if column.name in without or column.missing or column.kind not in ("int", "string"):
            continue
        if column.distinct < 2 or column.distinct > column.rows / 2:
            continue
        if not _repeats([column, time]).size:
            return column.name
    return ""


def _repeats(parts: list[Column]) -> np.ndarray:
    """The rows whose key stood in an earlier row."""
    joined = np.zeros(parts[0].rows, np.int64)
    for part in parts:
        joined = joined * (part.distinct + 1) + part.codes + 1
        if joined.max() > LARGEST_PLACE:
            _, joined = np.unique(joined, return_inverse=True)
    _, first = np.unique(joined, return_index=True)
    return np.setdiff1d(np.arange(len(joined)), first)


def _check(sample: Sample, columns: dict[str, Column], wanted: tuple[str, ...], findings: Findings) -> None:
    """Problems with a key that was asked for: a column that is not there, gaps, and rows that share a key."""
    if unknown := [name for name in wanted if name not in columns]:
        findings.problems.append(
            f"--key {','.join(wanted)}: there is no column {', '.join(unknown)}; columns: {', '.join(columns)}"
        )
        return
    parts = [columns[name] for name in wanted]
    named = ", ".join(wanted)
    for part in parts:
        if part.missing:
            row = int(np.argmax(part.codes < 0))
            findings.problems.append(
                f"{sample.where(row)}: the key `{part.name}` is missing, in {part.missing:,} of {part.rows:,} rows; "
                "name another with --key, or leave --key out: then one is made"
            )
    again = _repeats(parts)
    if again.size:
        row = int(again[0])
        value = "|".join(part.values[part.codes[row]] for part in parts if part.codes[row] >= 0)
        findings.problems.append(
            f"{sample.where(row)}: the key `{named}` repeats: {value!r} stood in an earlier row, and so it is in "
            f"{again.size:,} of {parts[0].rows:,} rows; name more columns (--key {named},…), or leave --key out: "
            "then a key is made of the whole row"
        )
