"""The sources that `--join` brings: their files, their names, and what of them would tell the label."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lakeloop.contract import reserved_names as reserved
from lakeloop.contract.section import NAME
from operations.new_use_case.files import find_files
from operations.new_use_case.joined import JoinDraft, as_met, join_of
from operations.new_use_case.label import LabelDraft
from operations.new_use_case.leaks import Leak, find_leaks
from operations.new_use_case.meeting import Base
from operations.new_use_case.problems import Findings
from operations.new_use_case.sample import Sample, read_samples
from operations.new_use_case.source_names import source_name
from operations.new_use_case.tables import TableDraft, table_of, with_gaps


def joined_sample(name: str, paths: Sequence[Path], findings: Findings) -> Sample | None:
    """The sample of a joined source, whose files are one table."""
    samples = read_samples(find_files(paths, findings), findings)
    if len(samples) > 1:
        findings.problems.append(
            f"--join {name}: {' and '.join(str(one.file) for one in samples)} are different tables by their columns; "
            "give each a name of its own"
        )
    for sample in samples[:1]:
        if any(sample.columns_of(file) for file in sample.files):
            findings.problems.append(
                f"--join {name}: its folders name columns; bring a table that has them in its rows"
            )
        if len({file.ending for file in sample.files}) > 1:
            findings.problems.append(f"--join {name}: its files end in several ways; bring them in one")
    return samples[0] if samples else None


def joined_sources(
    samples: Mapping[str, Sample], base: Base, truth: TableDraft, label: LabelDraft, keep: Sequence[str],
    findings: Findings,
) -> tuple[list[JoinDraft], list[Leak]]:  # fmt: skip
    """What the joined sources bring, without columns that tell the label; those as leaks, `source.column`."""
    own = source_name(base.table)
    sources = {own, source_name(truth, own)} if truth is not base.table else {own}
    joins, leaks, taken = list[JoinDraft](), list[Leak](), set(base.table.names.values())
    for name, sample in samples.items():
        if why := _no_source(name, sources):
            findings.problems.append(f"--join {name}: {why}; name it so: --join other_name={sample.file}")
            continue
        joined = join_of(name, with_gaps(table_of(sample), (), findings), base, taken, findings)
        if joined is None:
            continue
        columns = {met.name: met for met in (as_met(joined, one.column) for one in joined.features)}
        found = find_leaks(label, {**base.table.columns, **columns}, list(columns))
        leaks += found
        told = {column for leak in found for column in leak.columns} - set(keep)
        joined = replace(joined, features=tuple(f for f in joined.features if f"{name}.{f.column}" not in told))
        taken |= {joined.table.names[one.column] for one in joined.features}
        sources.add(name)
        joins.append(joined)
    return joins, leaks


def _no_source(name: str, sources: set[str]) -> str:
    """Why a source cannot be called so; '' if it can."""
    if not re.match(NAME, name):
        return "is no name of a source; lower-case letters, digits and `_` can be, beginning with a letter"
    if name in sources:
        return "another source has this name"
    return "is a table of the lake itself" if name in (*reserved.SOURCES, *reserved.SOURCES_OF_JOINS) else ""
