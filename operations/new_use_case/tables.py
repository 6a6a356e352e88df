"""One table of a draft: its sample, its columns, and what they are called."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from operations.new_use_case.columns import Column, NumberStyle, columns_of, missing_texts
from operations.new_use_case.names import own_names
from operations.new_use_case.placeholders import gaps_said, placeholders_of
from operations.new_use_case.problems import Findings
from operations.new_use_case.sample import Sample


@dataclass(frozen=True)
class TableDraft:
    """One table of a draft: its sample, its columns, and their own names."""

    sample: Sample
    columns: dict[str, Column]
    names: dict[str, str]
    style: NumberStyle

    @property
    def missing(self) -> tuple[str, ...]:
        """The texts that mean no value."""
        return missing_texts(list(self.columns.values()))


def table_of(sample: Sample) -> TableDraft:
    """The columns of a sample."""
    columns, style = columns_of(sample)
    return TableDraft(sample, columns, own_names(columns), style)


def with_gaps(table: TableDraft, keep: Sequence[str], findings: Findings) -> TableDraft:
    """The table without values that are none, as far as nobody wants to `keep` them; each is said."""
    columns = {
        name: column if name in keep else column.without(placeholders_of(column))
        for name, column in table.columns.items()
    }
    findings.notes.extend(f"gaps: {said}" for column in columns.values() if (said := gaps_said(column)))
    return replace(table, columns=columns)
