"""Which delivered files a version of a table was made from, read from the tables themselves, without Spark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.exceptions import VersionVacuumedError
from lakehouse.storage.commits import Commit, commits_of
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import dataset_of, open_lake_table, read_lake_records, rows_of_log
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds
    from deltalake import DeltaTable


@dataclass(frozen=True)
class TableStatistics:
    """What the log of a table's newest version says: its rows (None: not counted), and columns' lowest and highest.

    Bounds are (None, None) for a column the log keeps no bounds of, and where there are no rows.
    """

    rows: int | None
    bounds: Mapping[str, tuple[Any, Any]]


def deliveries(use_case: UseCase) -> tuple[DeliveryRecord, ...]:
    """The ledger of deliveries, oldest first."""
    rows = (DeliveryRecord(**row) for row in read_lake_records(use_case, "bronze/deliveries"))
    return tuple(sorted(rows, key=lambda d: (d.batch, d.source, d.file)))


def table_versions(use_case: UseCase, table: str) -> Sequence[Commit]:
    """Every commit of a table that its log still knows, the oldest first.

    Raises:
        NotFoundError: there is no such table.
    """
    return tuple(reversed(commits_of(_open(use_case, table))))


def clock_of_batches(use_case: UseCase, source: str) -> Mapping[int, int]:
    """Batch -> the clock at which bronze took it in; without the batches an older release wrote."""
    versions = table_versions(use_case, f"bronze/{source}")
    return {v.note["batch"]: v.note["clock"] for v in versions if {"batch", "clock"} <= set(v.note)}


def find_version(versions: Sequence[Commit], table: str, version: int) -> Commit:
    """One of a table's commits.

    Raises:
        NotFoundError: it has no such version; the text names those it has.
    """
    found = next((known for known in versions if known.version == version), None)
    if found is None:
        raise NotFoundError(f"{table} has no version {version}; it has {versions[0].version} to {versions[-1].version}")
    return found


def silver_of(versions: Sequence[Commit], version: int) -> Mapping[str, int]:
    """The version of each silver table that a version of a gold table was made from; {} where no commit said so."""
    return _noted(versions, version, "silver")


def bronze_of(versions: Sequence[Commit], version: int) -> Mapping[str, int]:
    """The version of the bronze table that a version of a silver table was made from; {} where no commit said so."""
    return _noted(versions, version, "bronze")


def made_from(versions: Sequence[Commit], layer: str, name: str, version: int) -> list[int]:
    """Which of a table's versions were made from another table at `version`, or at the first one used after it."""
    noted = {v.version: v.note[layer][name] for v in versions if name in v.note.get(layer, {})}
    first = min((used for used in noted.values() if used >= version), default=None)
    return [made for made, used in noted.items() if used == first]


def file_rows(use_case: UseCase, table: str, version: int) -> Mapping[tuple[str, int], int]:
    """(file, batch) -> how many rows of a bronze or silver table at that version have their values from it.

    Raises:
        NotFoundError: no such table or version.
        VersionVacuumedError: the version was vacuumed.
    """
    columns = ["_source_file", "_batch"]
    counted = _read(use_case, table, version, columns).group_by(columns).aggregate([([], "count_all")])
    rows = sorted(counted.to_pylist(), key=lambda row: (row["_batch"], row["_source_file"]))
    return {(row["_source_file"], row["_batch"]): row["count_all"] for row in rows}


def rows_of_file(
    use_case: UseCase, table: str, version: int | None, file: str, batch: int, columns: Sequence[str] = ("_batch",)
) -> "pa.Table":
    """The rows of a bronze or silver table at a version (None: now) that have their values from a file of a batch.

    Raises:
        NotFoundError: no such table or version.
        VersionVacuumedError: the version was vacuumed.
    """
    import pyarrow.dataset as ds

    wanted = (ds.field("_batch") == batch) & (ds.field("_source_file") == file)
    return _read(use_case, table, version, columns, wanted)


def corrected_since(use_case: UseCase, source: str, keys: Sequence[str], file: str, batch: int) -> bool:
    """Whether bronze has rows of a later delivery for the `keys` of a row that a file of a batch brought.

    Raises:
        NotFoundError: there is no such table.
    """
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    columns = [*keys, "_delivery", "_source_file", "_batch"]
    rows = _read(use_case, f"bronze/{source}", None, columns, ds.field("_batch") >= batch)
    own = rows.filter((pc.field("_batch") == batch) & (pc.field("_source_file") == file))
    if not own.num_rows:
        return False
    later = rows.filter(pc.field("_delivery") > pc.max(own["_delivery"]))
    return bool(later.join(own.select(keys), list(keys), join_type="left semi").num_rows)


def periods_of_batch(use_case: UseCase, source: str, batch: int, column: str) -> Mapping[str, Mapping[str, int]]:
    """File -> period -> rows, of what a batch brought into bronze; raises as `rows_of_file`."""
    import pyarrow.dataset as ds

    columns = ["_source_file", column]
    rows = _read(use_case, f"bronze/{source}", None, columns, ds.field("_batch") == batch)
    found: dict[str, dict[str, int]] = {}
    for row in rows.group_by(columns).aggregate([([], "count_all")]).to_pylist():
        found.setdefault(row["_source_file"], {})[row[column]] = row["count_all"]
    return found


def rows_with_keys(
    use_case: UseCase, table: str, version: int, key: str, keys: "pa.Array", columns: Sequence[str]
) -> "pa.Table":
    """The rows of a table at a version whose key is among `keys`; raises as `rows_of_file`."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    if not len(keys):
        return _read(use_case, table, version, columns, ds.scalar(False))
    bounds = pc.min_max(keys)  # by these, files are skipped
    wanted = (ds.field(key) >= bounds["min"]) & (ds.field(key) <= bounds["max"]) & ds.field(key).isin(keys)
    return _read(use_case, table, version, columns, wanted)


def rows_at(use_case: UseCase, table: str, version: int | None, columns: Sequence[str]) -> "pa.Table":
    """All rows of a table at a version (None: now); raises as `rows_of_file`."""
    return _read(use_case, table, version, columns)


def last_batch(use_case: UseCase, table: str, version: int) -> int | None:
    """The newest batch in a bronze or silver table at a version, from its log alone; None where the log has no word.

    Raises:
        NotFoundError: no such table or version.
    """
    import pyarrow as pa

    files = pa.table(_open(use_case, table, version).get_add_actions(flatten=True))
    if "max._batch" not in files.column_names:
        return None
    known = [batch for batch in files["max._batch"].to_pylist() if batch is not None]
    return max(known, default=None)


def table_statistics(use_case: UseCase, table: str, columns: Sequence[str]) -> TableStatistics | None:
    """Rows and bounds of a table, from its log alone; a partition's name is a bound, too. None: no such table."""
    import pyarrow as pa

    found = open_lake_table(use_case, table)
    if found is None:
        return None
    files = pa.table(found.get_add_actions(flatten=True))
    return TableStatistics(rows_of_log(found), {name: _bounds(files, name) for name in columns})


def row_count(use_case: UseCase, table: str, version: int) -> int | None:
    """Rows of a table at a version, from its log alone; None where the log does not count them."""
    return rows_of_log(_open(use_case, table, version))


def _bounds(files: "pa.Table", column: str) -> tuple[Any, Any]:
    """The lowest and highest value over a table's files; a partition's column has one value a file."""
    there = set(files.column_names)
    partition = f"partition.{column}"
    low, high = (partition if partition in there else f"{side}.{column}" for side in ("min", "max"))
    lowest: list[Any] = files[low].to_pylist() if low in there else []
    highest: list[Any] = files[high].to_pylist() if high in there else []
    if not lowest or None in lowest or None in highest:
        return None, None
    return min(lowest), max(highest)


def _read(
    use_case: UseCase, table: str, version: int | None, columns: Sequence[str], wanted: "ds.Expression | None" = None
) -> "pa.Table":
    import pyarrow as pa

    dataset = dataset_of(_open(use_case, table, version))
    try:
        return dataset.to_table(columns=list(columns), filter=wanted)
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise VersionVacuumedError(
            f"version {version} of {table} was vacuumed: which rows it held is not known any more"
        ) from error


def _open(use_case: UseCase, table: str, version: int | None = None) -> "DeltaTable":
    found = open_lake_table(use_case, table, version)
    if found is None:
        raise NotFoundError(f"there is no table {table} in use case {use_case.name}")
    return found


def _noted(versions: Sequence[Commit], version: int, layer: str) -> Mapping[str, int]:
    """A commit that only moved rows into other files says nothing: then the one before it that did."""
    noted = [v.note[layer] for v in versions if v.version <= version and layer in v.note]
    return dict(noted[-1]) if noted else {}
