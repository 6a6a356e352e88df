"""Which periods gold/training has rows of, and how many; without Spark."""

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from lakehouse.storage.layout import TRAINING_TABLE
from lakehouse.storage.table_log import files_at
from lakeloop.contract import Contract
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    from deltalake import DeltaTable


def training_periods(use_case: UseCase, version: int) -> dict[str, int]:
    """Rows of each period in a version, from its log where each file is of one; {} where that version is gone."""
    files = files_at(use_case.table(TRAINING_TABLE), version)
    counts: dict[str, int] = {}
    for file in files or []:
        between = file.range_of(use_case.contract.period_column)
        if between is None or between[0] != between[1]:
            return _read(use_case, version)
        counts[between[0]] = counts.get(between[0], 0) + file.rows
    return dict(sorted(counts.items()))


def labelled_periods(table: "DeltaTable", contract: Contract) -> dict[str, int]:
    """Rows of each period in a version of gold/training, oldest first."""
    column = contract.period_column
    counts: dict[str, int] = {}
    for batch in dataset_of(table).to_batches(columns=[column]):
        for counted in pc.value_counts(batch[column]).to_pylist():
            counts[counted["values"]] = counts.get(counted["values"], 0) + counted["counts"]
    return dict(sorted(counts.items()))


def _read(use_case: UseCase, version: int) -> dict[str, int]:
    table = open_lake_table(use_case, TRAINING_TABLE, version)
    try:
        return {} if table is None else labelled_periods(table, use_case.contract)
    except FileNotFoundError:  # it was vacuumed
        return {}
