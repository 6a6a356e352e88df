"""gold/training: features joined with ground truth and label, one row a key."""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lakehouse.gold.changes import Changes
from lakehouse.gold.feature_rows import SilverTables
from lakehouse.gold.label_columns import label_columns, training_columns
from lakehouse.lake import Lake
from lakehouse.storage.layout import PREDICTIONS, TRAINING_TABLE
from lakehouse.storage.merge import MergeCounts, append, merge, within
from lakehouse.storage.schema import change_column, constraints, create_table, quoted
from lakehouse.storage.table_log import files_at, overlap
from lakeloop.contract import Contract

PARTITIONED = ("week", "month", "quarter", "year")
"""Kinds of period that are partitions of gold/training; of shorter ones each would be a file of a few rows."""


def training_rows(
    features: DataFrame, truth: DataFrame | None, contract: Contract, unlabelled: bool = False
) -> DataFrame:
    """Features joined with the ground truth by key (`truth` None: it is in the same table) and labelled.

    `unlabelled`: rows without truth stay, their truth and label are null.
    """
    key, label = contract.key.column, contract.label
    how = "left" if unlabelled else "inner"
    truth_of = sf.col(quoted(label.truth_column))
    joined = features if truth is None else features.join(truth.select(quoted(key), truth_of), key, how)
    if not unlabelled and label.computed:
        joined = joined.where(truth_of.isNotNull())
    labelled = joined.withColumns(label_columns(contract).values(truth_of.isNotNull() if unlabelled else None))
    return labelled.select(*map(quoted, training_column_names(contract)))


def training_column_names(contract: Contract) -> tuple[str, ...]:
    """Columns of gold's training table, in order."""
    label, group = contract.label, (contract.group_column,) if contract.group_column else ()
    return (
        contract.key.column, contract.period_column, *contract.features, *group, label.truth_column, *label.gold_columns
    )  # fmt: skip


def create_training(lake: Lake, replace: bool = False) -> None:
    """The training table with the contract's types and limits; `replace` as for `create_table`."""
    contract = lake.contract
    label, period = contract.label, contract.period_column
    partitioned = contract.event_time.period in PARTITIONED
    known = {**contract.silver_columns(contract.feature_source), label.truth_column: label.truth}
    # Rows that came as requests alone have no group.
    checked = {n: known[n] for n in training_column_names(contract) if n in known and n != contract.group_column}
    checks = constraints(contract, checked)
    create_table(
        lake.spark,
        lake.table(TRAINING_TABLE),
        training_columns(contract),
        comment=f"{contract.title}: features with ground truth, one row a {contract.key.column}",
        checks=checks,
        partition=period if partitioned else "",
        statistics=(contract.key.column,) if partitioned else (contract.key.column, period),
        replace=replace,
    )


def load_training(lake: Lake, silver: SilverTables, path: str) -> MergeCounts:
    """Everything, where it is not known what changed; rows that silver does not hold any more go."""
    contract = lake.contract
    rows, key = training_rows(*silver.features_and_truth(contract), contract), contract.key.column
    if not any(file.rows for file in files_at(path) or []):
        return append(path, rows)
    return merge(path, rows, [key], compared=training_column_names(contract), delete_others=True)


def update_training(lake: Lake, silver: SilverTables, changes: Changes, path: str) -> MergeCounts:
    """Join the keys again whose features or truth changed."""
    if not changes.touch_training:
        return MergeCounts()
    contract, ranges = lake.contract, changes.keys
    key = contract.key.column
    near = silver.where(within(key, ranges))
    pair = near.features_and_truth(contract)
    if not overlap(files_at(path) or [], key, ranges):
        return append(path, training_rows(*pair, contract))
    may_go = contract.label.computed  # a correction may take a value away that the truth is computed from
    rows = training_rows(*pair, contract, unlabelled=may_go)
    rows = rows.join(_changed_keys(near, changes, contract), key, "left_semi")
    needed = contract.label.truth_column if may_go else ""
    return merge(path, rows, [key], compared=training_column_names(contract), ranges=ranges, needed=needed)


def _changed_keys(silver: SilverTables, changes: Changes, contract: Contract) -> DataFrame:
    """Keys with features, truth or a request of a batch that gold does not know."""
    sources = {contract.feature_source: silver.delivered, contract.truth_table: silver.truth}
    frames = sources if silver.requests is None else {**sources, PREDICTIONS: silver.requests}
    found = [
        frame.where(sf.col(change_column(contract, table)) > batch).select(quoted(contract.key.column))
        for table, frame in frames.items()
        if (batch := changes.batches.get(table)) is not None
    ]
    return reduce(DataFrame.unionAll, found)
