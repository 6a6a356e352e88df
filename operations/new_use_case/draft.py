"""From a sample to a draft: what is key, time, label, feature, and what was assumed where there is doubt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lakeloop.contract.periods import PeriodKind
from operations.new_use_case.chosen_time import chosen_time
from operations.new_use_case.columns import Column
from operations.new_use_case.features import FeatureDraft, LeftOut, feature_of, time_feature_of
from operations.new_use_case.files import find_files
from operations.new_use_case.joined import JoinDraft
from operations.new_use_case.joined_sources import joined_sample, joined_sources
from operations.new_use_case.keys import KeyDraft, key_of, made_key
from operations.new_use_case.label import LabelDraft, label_of
from operations.new_use_case.leaks import Leak, find_leaks
from operations.new_use_case.meeting import Base
from operations.new_use_case.problems import Findings
from operations.new_use_case.sample import Sample, read_samples
from operations.new_use_case.tables import TableDraft, table_of, with_gaps
from operations.new_use_case.times import TimeColumn, best_period, date_of, on_clock

MOST_FEATURES = 300
"""Inputs of one model; a contract of more is nobody's to read."""


@dataclass(frozen=True)
class Wishes:
    """What somebody says of a table instead of having it guessed; columns by their delivered names."""

    label: str
    key: tuple[str, ...] = ()
    time: str = ""
    period: PeriodKind | None = None
    features: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draft:
    """Everything a contract needs. `truth` is the table with the label, the same as `table` where there is one only.

    `time` None: no column says when; the history is then dealt out over periods, and its files get a column for it.
    `joins` are further tables that its rows are described by.
    """

    table: TableDraft
    truth: TableDraft
    key: KeyDraft
    time: TimeColumn | None
    times: tuple[str, ...]
    period: PeriodKind
    label: LabelDraft
    features: tuple[FeatureDraft, ...]
    left_out: tuple[LeftOut, ...]
    leaks: tuple[Leak, ...]
    joins: tuple[JoinDraft, ...] = ()
    notes: list[str] = field(default_factory=list)


def look(files: Sequence[Path], wishes: Wishes, joined: Mapping[str, Sequence[Path]] | None = None) -> Draft:
    """What a draft of these files would say; writes nothing. `joined`: files of further sources by their names.

    Raises:
        SampleError: what stands in the way of one, everything at once.
    """
    findings = Findings()
    samples = read_samples(find_files(files, findings), findings)
    others = {name: joined_sample(name, paths, findings) for name, paths in (joined or {}).items()}
    findings.stop_at_problems()
    return draft_of(samples, wishes, findings, {name: sample for name, sample in others.items() if sample})


def draft_of(
    samples: list[Sample], wishes: Wishes, findings: Findings, joined: Mapping[str, Sample] | None = None
) -> Draft:
    """The draft that a sample and wishes make; `joined`: samples of further sources by their names.

    Raises:
        SampleError: what stands in the way, everything at once.
    """
    tables = [table_of(sample) for sample in samples]
    findings.notes.extend(_odd_lines(sample) for sample in samples if sample.odd)
    wishes = _delivered(wishes, tables)
    tables = [with_gaps(table, wishes.keep, findings) for table in tables]
    table, truth = _which_is_which(tables, wishes, findings)
    findings.stop_at_problems()
    columns = table.columns
    label = label_of(wishes.label, truth.columns, findings)
    time, times = chosen_time(table, wishes.time, findings)
    needed = set(label.needs if label is not None else ()) if table is truth else set()
    key = key_of(
        table.sample, columns, wishes.key, time, needed | set(time.delivered if time is not None else ()), findings
    )
    if label is not None and table is not truth:
        label = _met(table, truth, key, label, findings)
    if unknown := [name for name in wishes.features if name not in columns]:
        findings.problems.append(f"--features: there is no column {', '.join(unknown)}; columns: {', '.join(columns)}")
    findings.stop_at_problems()
    assert label is not None
    no_inputs = {_outcome(label, table is truth), *(key.columns if len(key.columns) == 1 else ())}
    no_inputs |= set() if time is None else {time.delivered[0]}  # a month or a day beside the year may be one
    candidates = [
        name for name in columns if name not in no_inputs and (not wishes.features or name in wishes.features)
    ]
    features, left_out = _features(
        columns, candidates, time, times, table is truth, label, wishes.features, wishes.keep, findings
    )
    features = [_whole(one) if one.column in key.columns else one for one in features]
    found = find_leaks(label, columns, [one.column for one in features])
    period: PeriodKind = wishes.period or "month"
    if time is not None and wishes.period is None:
        period = best_period(time.times, time.format, table.sample.all_rows, table.sample.whole)
    base = Base(table, time, period, _outcome(label, table is truth))
    joins, told = joined_sources(joined or {}, base, truth, label, wishes.keep, findings)
    leaks = [leak for leak in (*found, *told) if not set(leak.columns) & set(wishes.keep)]
    leaking = {name for leak in leaks for name in leak.columns}
    features = [one for one in features if one.column not in leaking]
    if not features and not joins:
        findings.problems.append(
            f"{table.sample.file}: no column is left that a model could learn from: "
            + "; ".join(
                f"`{one.column}` {one.why}"
                for one in [*left_out, *(LeftOut(name, leak.how) for leak in leaks for name in leak.columns)]
            )
        )
    if not key.columns:
        used = [*(one.column for one in features), *(time.delivered if time is not None else ()), *label.needs]
        used += [name for join in joins for name in join.on.values()]
        key = made_key([columns[name] for name in dict.fromkeys(used)], key.why, findings)
    if len(features) > MOST_FEATURES:
        findings.problems.append(
            f"{table.sample.file}, line {table.sample.header_line}: {len(features):,} of its "
            f"{len(columns):,} columns could be features, and {MOST_FEATURES} are the most; say which with "
            "--features a,b,c"
        )
    findings.stop_at_problems()
    return Draft(
        table, truth, key, time, tuple(one.name for one in times), period, label, tuple(features), tuple(left_out),
        tuple(leaks), tuple(joins), findings.notes,
    )  # fmt: skip


def _odd_lines(sample: Sample) -> str:
    what = "are no records" if sample.format != "csv" else "have another number of fields than there are columns"
    first = next(part for part in sample.parts if part.odd)
    return (
        f"{first.file.path}: {sample.odd:,} lines {what}, first {first.odd_line!r}; the lake rejects them, and the "
        "history leaves them out"
    )


def _delivered(wishes: Wishes, tables: list[TableDraft]) -> Wishes:
    """The wishes with columns as delivered where they were named otherwise: by own name, place, or in other letters."""
    known: dict[str, str] = {}
    for table in tables:
        for place, (name, own) in enumerate(table.names.items(), 1):
            known |= {spelled: name for spelled in (f"column_{place}", own, name.lower()) if spelled not in known}
    exact = {name for table in tables for name in table.columns}

    def found(text: str) -> str:
        return text if text in exact else known.get(text.strip(), known.get(text.strip().lower(), text))

    return Wishes(
        found(wishes.label), tuple(map(found, wishes.key)), found(wishes.time), wishes.period,
        tuple(map(found, wishes.features)), tuple(map(found, wishes.keep)),
    )  # fmt: skip


def _which_is_which(tables: list[TableDraft], wishes: Wishes, findings: Findings) -> tuple[TableDraft, TableDraft]:
    """The table of features and the one of the truth; they may be the same."""
    if not tables:
        findings.stop_at_problems()
    if len(tables) == 1:
        return tables[0], tables[0]
    if len(tables) > 2:
        listed = "; ".join(f"{table.sample.file} ({', '.join(table.sample.names[:6])}, …)" for table in tables)
        findings.problems.append(
            f"{len(tables)} different tables were found, by their columns: {listed}; one with features and one with "
            "the label are taken; others that describe the rows are joined by --join NAME=FILE"
        )
        return tables[0], tables[0]
    labelled = [table for table in tables if wishes.label in table.columns]
    if len(labelled) != 1:
        names = " and ".join(str(table.sample.file) for table in tables)
        findings.problems.append(
            f"--label {wishes.label}: of two tables one must have the label's column; it is in "
            f"{'both' if labelled else 'neither'} of {names}"
        )
        return tables[0], tables[1]
    truth = labelled[0]
    return (tables[1] if truth is tables[0] else tables[0]), truth


def _whole(feature: FeatureDraft) -> FeatureDraft:
    """A feature that is a part of the key: a row without it has none, and is rejected."""
    words = {word: value for word, value in feature.words.items() if word not in ("missing", "missing_flag")}
    return replace(feature, words=words)


def _outcome(label: LabelDraft, same_table: bool) -> str:
    """The column of the features' table that is the outcome itself: the label's, or the first of its expression."""
    return label.needs[0] if same_table else ""


def _features(
    columns: dict[str, Column], candidates: list[str], time: TimeColumn | None, times: list[TimeColumn],
    same_table: bool, label: LabelDraft, wanted: Sequence[str], keep: Sequence[str], findings: Findings,
) -> tuple[list[FeatureDraft], list[LeftOut]]:  # fmt: skip
    features, left_out = list[FeatureDraft](), list[LeftOut]()
    dates = {one.name: one for one in times if one.format not in ("%Y", "period")}
    told = time is not None and not time.parts and time.name in dates and (not wanted or time.name in wanted)
    for name in candidates:
        seen = dates.get(name) if columns[name].kind == "string" or columns[name].distinct > 1000 else None
        if (seen := seen or date_of(columns[name])) is not None and seen.format != "period":
            seen = on_clock(seen, time.zone) if time is not None else seen
            found = time_feature_of(seen, time, name in keep, aged=told)
        else:
            found = feature_of(columns[name])
        if isinstance(found, LeftOut):
            left_out.append(found)
        else:
            features.append(found)
    aged = any("age_days" in one.words.get("parts", ()) for one in features)
    if time is not None and told and isinstance(at := time_feature_of(time, time, aged=aged), FeatureDraft):
        features.insert(0, at)
    for name in label.needs[1:] if same_table else ():
        findings.notes.append(
            f"label: `{name}` stands in the label's expression and is a feature too: it is assumed to be known "
            f"before the outcome, as `{label.needs[0]}` is not. If it is not, take it out of `features`"
        )
    return features, left_out


def _met(
    table: TableDraft, truth: TableDraft, key: KeyDraft, label: LabelDraft, findings: Findings
) -> LabelDraft | None:
    """The label of the features' rows, found by the key."""
    missing = [name for name in key.columns if name not in truth.columns]
    if not key.columns or missing:
        findings.problems.append(
            f"{table.sample.file} and {truth.sample.file} must have a key in common to be joined by"
            + (f", and the second has no `{', '.join(missing)}`" if missing else "")
            + "; name it with --key"
        )
        return None
    ours, theirs = (_keys(one, key.columns) for one in (table, truth))
    place = {text: row for row, text in enumerate(theirs)}
    rows = np.array([place.get(text, -1) for text in ours])
    if (rows < 0).all():
        findings.problems.append(
            f"{table.sample.file} and {truth.sample.file} never meet: no `{', '.join(key.columns)}` of the first "
            f"({ours[0]!r}, …) is in the second ({theirs[0]!r}, …), so no row would have its truth; name the key "
            "they share with --key"
        )
        return None
    met = float((rows >= 0).mean())
    if met < 0.9:
        findings.notes.append(
            f"label: {met:.1%} of the rows of {table.sample.file} have their truth in {truth.sample.file}"
        )
    ids = np.where(rows >= 0, label.ids[rows], -1)
    return replace(label, needs=(), ids=ids)


def _keys(table: TableDraft, names: tuple[str, ...]) -> list[str]:
    parts = [table.sample.table[name].to_pylist() for name in names]
    return ["|".join(map(str, row)) for row in zip(*parts, strict=True)]
