"""What a table's log tells of its versions: what each was made from, its batches, rows and bounds; without Spark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.storage.commits import Commit, commits_of
from lakehouse.storage.table_rows import table_at
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import open_lake_table, rows_of_log
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class TableStatistics:
    """What the log of a table's newest version says: its rows (None: not counted), and columns' lowest and highest.

    Bounds are (None, None) for a column the log keeps no bounds of, and where there are no rows.
    """

    rows: int | None
    bounds: Mapping[str, tuple[Any, Any]]


def table_versions(use_case: UseCase, table: str) -> Sequence[Commit]:
    """Every commit of a table that its log still knows, the oldest first.

    Raises:
        NotFoundError: there is no such table.
    """
    return tuple(reversed(commits_of(table_at(use_case, table))))


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


def last_batch(use_case: UseCase, table: str, version: int) -> int | None:
    """The newest batch in a bronze or silver table at a version, from its log alone; None where the log has no word.

    Raises:
        NotFoundError: no such table or version.
    """
    import pyarrow as pa

    files = pa.table(table_at(use_case, table, version).get_add_actions(flatten=True))
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
    return rows_of_log(table_at(use_case, table, version))


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


def _noted(versions: Sequence[Commit], version: int, layer: str) -> Mapping[str, int]:
    """A commit that only moved rows into other files says nothing: then the one before it that did."""
    noted = [v.note[layer] for v in versions if v.version <= version and layer in v.note]
    return dict(noted[-1]) if noted else {}
