"""Reads the lake's tables without Spark (delta-rs), for what must be there at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from lakeloop.exceptions import NotFoundError
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from deltalake import DeltaTable
    from pyarrow.dataset import Dataset
    from pyarrow.fs import FileSystem

Filter = tuple[str, str, object]


def has_lake_table(use_case: UseCase, table: str) -> bool:
    """Whether there is such a table, e.g. `silver/predictions`, known without starting Spark."""
    from deltalake import DeltaTable

    return bool(DeltaTable.is_deltatable(use_case.table(table)))


def folder_names(place: str) -> list[str]:
    """The folders in the folder or URL `place`, sorted; [] where there is none."""
    if "://" not in place:
        return sorted(entry.name for entry in Path(place).iterdir() if entry.is_dir()) if Path(place).is_dir() else []
    from deltalake.exceptions import TableNotFoundError
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import FileSelector, FileType, PyFileSystem

    try:
        files = PyFileSystem(DeltaStorageHandler(place))  # the addresses and keys by which its tables are read
    except TableNotFoundError:
        return []
    found = files.get_file_info(FileSelector("", allow_not_found=True))
    return sorted(entry.base_name for entry in found if entry.type == FileType.Directory)


def read_lake_table(
    use_case: UseCase, table: str, columns: Sequence[str] | None = None, filters: Sequence[Filter] = ()
) -> "pd.DataFrame | None":
    """The newest version of a table, e.g. `gold/performance`; None while it does not exist.

    `filters` are (column, operator, value); files that cannot hold such rows are not opened. A feature that is a bool
    is 0 or 1.
    """
    found = open_lake_table(use_case, table)
    if found is None:
        return None
    from lakeloop.model_input import as_carried

    return as_carried(use_case.contract.features, _read(found, columns, filters).to_pandas())


def read_lake_records(use_case: UseCase, table: str, filters: Sequence[Filter] = ()) -> list[dict[str, Any]]:
    """The rows of a table's newest version as plain values, null as None, times in UTC; [] while it does not exist."""
    found = open_lake_table(use_case, table)
    if found is None:
        return []
    read: list[dict[str, Any]] = _read(found, None, filters).to_pylist()
    return read


def open_lake_table(use_case: UseCase, table: str, version: int | None = None) -> "DeltaTable | None":
    """A table at a version, by default the newest; None while there is no such table.

    Raises:
        NotFoundError: it has no such version.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        return DeltaTable(use_case.table(table), version=version)
    except TableNotFoundError:
        return None
    except DeltaError as error:
        raise NotFoundError(f"{table} has no version {version}; `lakeloop lake history {table}` lists them") from error


def dataset_of(table: "DeltaTable") -> "Dataset":
    """A table's rows, to be filtered before they are read; one with deletion vectors is read whole, by delta-rs."""
    if not has_deletion_vectors(table):
        return table.to_pyarrow_dataset(filesystem=_local_files(table))
    import pyarrow as pa
    from pyarrow.dataset import dataset

    schema = pa.schema(table.schema())
    return dataset(pa.table(table.scan()).select(schema.names).cast(schema))


def has_deletion_vectors(table: "DeltaTable") -> bool:
    """Whether rows of a table's files may be marked as removed; only somebody outside of Lakeloop switches that on."""
    return "deletionVectors" in (table.protocol().reader_features or ())


def rows_of_log(table: "DeltaTable") -> int | None:
    """A table's rows as its log counts them, without those that deletion vectors remove; None where it does not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    files = pa.table(table.get_add_actions(flatten=True))
    if "num_records" not in files.column_names:
        return None if files.num_rows else 0
    counts = files["num_records"].to_pylist()
    if None in counts:
        return None
    if not has_deletion_vectors(table):
        return sum(counts)
    kept = pa.table(table.deletion_vectors())["selection_vector"]
    removed = sum(len(mask) - (pc.sum(mask.values).as_py() or 0) for mask in kept)
    return sum(counts) - removed


def _read(table: "DeltaTable", columns: Sequence[str] | None, filters: Sequence[Filter]) -> "pa.Table":
    from pyarrow.parquet import filters_to_expression

    wanted = filters_to_expression(list(filters)) if filters else None
    return dataset_of(table).to_table(columns=list(columns) if columns else None, filter=wanted)


def files_of(table: "DeltaTable") -> "FileSystem":
    """The files of a table, wherever it is, by their paths below its folder."""
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    return _local_files(table) or PyFileSystem(DeltaStorageHandler(table.table_uri))


def _local_files(table: "DeltaTable") -> "FileSystem | None":
    """pyarrow's own file system where the table is a local folder; None: delta-rs's.

    That one calls back into Python from pyarrow's threads, which read ahead: a process that ends meanwhile aborts.
    """
    from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

    address = urlsplit(table.table_uri)
    if address.scheme not in ("", "file"):
        return None
    return SubTreeFileSystem(unquote(address.path), LocalFileSystem())
