"""Labelled rows of some periods: for evaluating a model, and for seeing what has changed since it was trained.

Read by delta-rs, and of two versions only the files that they do not share.
"""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lakehouse.gold.export import export_columns, no_truth
from lakehouse.gold.training_periods import labelled_periods
from lakehouse.read.tables import open_table
from lakehouse.storage.layout import TRAINING_TABLE
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import dataset_of, has_lake_table
from lakeloop.model_input import as_carried
from lakeloop.use_case import UseCase

_KEY, _WAS_THERE, _IS_THERE = "_key", "_then", "_now"


def labelled_period(use_case: UseCase, period: int, version: int | None = None) -> pd.DataFrame:
    """The period's rows of gold/training, sorted by key: key, event time, features, truth, class id, class name.

    `version` is the table's; default: the newest.

    Raises:
        NotFoundError: the period has no labelled rows; the text says when its truth comes and which periods have some.
    """
    contract = use_case.contract
    if not has_lake_table(use_case, TRAINING_TABLE):
        raise NotFoundError(no_truth(use_case, period, {}))
    table = open_table(use_case, TRAINING_TABLE, version)
    wanted = ds.field(contract.period_column) == contract.period_name(period)
    frame = as_carried(contract.features, dataset_of(table).to_table(filter=wanted).to_pandas())
    if frame.empty:
        raise NotFoundError(no_truth(use_case, period, labelled_periods(table, contract)))
    return frame.sort_values(contract.key.column, ignore_index=True)


def changed_rows(use_case: UseCase, periods: tuple[int, int], before: int, now: int) -> int:
    """Rows of the periods from `first` to `last` of gold/training that two of its versions do not share.

    Told apart by key; one that only one of them has counts, and so does one with another value in an exported column.

    Raises:
        NotFoundError: there is no such version, or its files were vacuumed.
    """
    contract = use_case.contract
    then, newer = (dataset_of(open_table(use_case, TRAINING_TABLE, version)) for version in (before, now))
    shared = set(then.files) & set(newer.files) if _in_files(then) and _in_files(newer) else set()
    period = ds.field(contract.period_column)
    first, last = (contract.period_name(number) for number in periods)
    wanted = (period >= first) & (period <= last)
    names = [name for name in export_columns(contract) if name != contract.key.column]

    def rows_of(rows: ds.Dataset, there: str) -> pa.Table:
        columns = {_KEY: ds.field(contract.key.column), there: pc.scalar(True)}
        columns |= {f"{there}{number}": ds.field(name) for number, name in enumerate(names)}
        return _without(rows, shared).to_table(columns=columns, filter=wanted)

    try:
        both = rows_of(then, _WAS_THERE).join(rows_of(newer, _IS_THERE), _KEY, join_type="full outer")
    except FileNotFoundError as gone:
        raise NotFoundError(
            f"version {before} of {TRAINING_TABLE} was vacuumed: what changed since is not known"
        ) from gone
    same = pc.and_(pc.is_valid(both[_WAS_THERE]), pc.is_valid(both[_IS_THERE]))
    for number in range(len(names)):
        before_it, now_it = both[f"{_WAS_THERE}{number}"], both[f"{_IS_THERE}{number}"]
        missing = pc.and_(pc.is_null(before_it), pc.is_null(now_it))  # of a row that both have: an optional value
        same = pc.and_(same, pc.or_(missing, pc.fill_null(pc.equal(before_it, now_it), False)))
    return both.num_rows - (pc.sum(same).as_py() or 0)


def _in_files(rows: ds.Dataset) -> bool:
    return isinstance(rows, ds.FileSystemDataset)


def _without(rows: ds.Dataset, files: set[str]) -> ds.Dataset:
    """The rows that do not lie in these files."""
    if not files:
        return rows
    others = [fragment for fragment in rows.get_fragments() if fragment.path not in files]
    return ds.FileSystemDataset(others, rows.schema, rows.format, rows.filesystem)
