"""Rows of a bronze, silver or gold table as it is or was at a version, read without Spark."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse.exceptions import VersionVacuumedError
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds
    from deltalake import DeltaTable


def table_at(use_case: UseCase, table: str, version: int | None = None) -> "DeltaTable":
    """A table at a version (None: now).

    Raises:
        NotFoundError: no such table or version.
    """
    found = open_lake_table(use_case, table, version)
    if found is None:
        raise NotFoundError(f"there is no table {table} in use case {use_case.name}")
    return found


def rows_at(
    use_case: UseCase, table: str, version: int | None, columns: Sequence[str], wanted: "ds.Expression | None" = None
) -> "pa.Table":
    """The `wanted` rows (default: all) of a table at a version (None: now).

    Raises:
        NotFoundError: no such table or version.
        VersionVacuumedError: the version was vacuumed.
    """
    import pyarrow as pa

    dataset = dataset_of(table_at(use_case, table, version))
    try:
        return dataset.to_table(columns=list(columns), filter=wanted)
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise VersionVacuumedError(
            f"version {version} of {table} was vacuumed: which rows it held is not known any more"
        ) from error


def file_rows(use_case: UseCase, table: str, version: int) -> Mapping[tuple[str, int], int]:
    """(file, batch) -> how many rows of a bronze or silver table at that version have their values from it; raises as
    `rows_at`.
    """
    columns = ["_source_file", "_batch"]
    counted = rows_at(use_case, table, version, columns).group_by(columns).aggregate([([], "count_all")])
    rows = sorted(counted.to_pylist(), key=lambda row: (row["_batch"], row["_source_file"]))
    return {(row["_source_file"], row["_batch"]): row["count_all"] for row in rows}


def rows_of_file(
    use_case: UseCase, table: str, version: int | None, file: str, batch: int, columns: Sequence[str] = ("_batch",)
) -> "pa.Table":
    """The rows of a bronze or silver table at a version (None: now) that have their values from a file of a batch;
    raises as `rows_at`.
    """
    import pyarrow.dataset as ds

    wanted = (ds.field("_batch") == batch) & (ds.field("_source_file") == file)
    return rows_at(use_case, table, version, columns, wanted)


def rows_with_keys(
    use_case: UseCase, table: str, version: int, key: str, keys: "pa.Array", columns: Sequence[str]
) -> "pa.Table":
    """The rows of a table at a version whose key is among `keys`; raises as `rows_at`."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    if not len(keys):
        return rows_at(use_case, table, version, columns, ds.scalar(False))
    bounds = pc.min_max(keys)  # by these, files are skipped
    wanted = (ds.field(key) >= bounds["min"]) & (ds.field(key) <= bounds["max"]) & ds.field(key).isin(keys)
    return rows_at(use_case, table, version, columns, wanted)
