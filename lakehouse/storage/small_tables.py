"""Tables of a few rows, written by delta-rs: no Spark is started for them, and Spark reads them as its own.

Not for tables with CHECK constraints of more than comparisons: delta-rs knows no `RLIKE` and refuses to write those.
Who writes holds the home's `tables.lock`, as for every table of the lake.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, Schema, write_deltalake
from deltalake.schema import ArrayType, PrimitiveType, StructType

from lakehouse.storage.schema import KEEP_HISTORY, quoted
from lakeloop.lake_tables import open_lake_table
from lakeloop.use_case import UseCase

Row = Mapping[str, Any]
ColumnType = str | PrimitiveType | ArrayType | StructType
"""A primitive type in Delta's words (string, long, integer, double, boolean, timestamp), or a nested one."""


@dataclass(frozen=True)
class SmallTable:
    """A table's name, e.g. `gold/decisions`, its columns, and those of them that tell one row from another.

    Columns that tables of older releases lack are added to them, so they must be nullable.
    """

    name: str
    columns: tuple[Field, ...]
    key: tuple[str, ...]
    comment: str = ""

    @property
    def schema(self) -> Schema:
        """The columns as Delta knows them."""
        return Schema(list(self.columns))


@dataclass(frozen=True)
class RowCounts:
    """Rows that a write inserted, changed and removed; none of them: no version was made."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


def column(name: str, type_: ColumnType, comment: str = "", nullable: bool = False) -> Field:
    """One column with the comment that makes the tables the data catalogue."""
    delta_type = PrimitiveType(type_) if isinstance(type_, str) else type_
    return Field(name, delta_type, nullable=nullable, metadata={"comment": comment} if comment else None)


def rows_within(**columns: ColumnType) -> ArrayType:
    """The type of a column that holds rows of its own, with these columns."""
    return ArrayType(StructType([column(name, type_, nullable=True) for name, type_ in columns.items()]))


def merge_rows(
    use_case: UseCase,
    table: SmallTable,
    rows: Sequence[Row],
    *,
    keep_old: bool = False,
    replacing: str = "",
    note: Row | None = None,
) -> RowCounts:
    """Insert rows and change those of the same key; rows that are there already as they are change nothing.

    Makes the table where there is none. `keep_old`: a row of a key that is there stays as it is. `replacing`: of the
    rows that keep this condition (SQL over the table's columns) those not among `rows` are removed. `note`: what the
    commit says of where its rows came from.
    """
    found = _opened(use_case, table)
    source = _as_arrow(rows, found)
    same = " AND ".join(f"target.{quoted(name)} = new.{quoted(name)}" for name in table.key)
    merge = found.merge(
        source, same, source_alias="new", target_alias="target", commit_properties=commit_properties(note)
    )
    if not keep_old:
        others = [name for name in source.column_names if name not in table.key]
        differs = [f"(target.{quoted(name)} IS DISTINCT FROM new.{quoted(name)})" for name in others]
        merge = merge.when_matched_update_all(predicate=" OR ".join(differs))
    merge = merge.when_not_matched_insert_all()
    if replacing:
        merge = merge.when_not_matched_by_source_delete(replacing)
    done = merge.execute()
    return RowCounts(*(done[f"num_target_rows_{what}"] for what in ("inserted", "updated", "deleted")))


def replace_rows(use_case: UseCase, table: SmallTable, rows: Sequence[Row], *, note: Row | None = None) -> None:
    """Make these all the rows of a table, and its columns those of `table`; earlier versions stay readable."""
    made = _opened(use_case, table)
    write_deltalake(
        made,
        pa.Table.from_pylist(list(rows), schema=pa.schema(table.schema)),
        mode="overwrite",
        schema_mode="overwrite",
        commit_properties=commit_properties(note),
    )


def write_periods(
    use_case: UseCase, table: SmallTable, rows: Sequence[Row], periods: Collection[str] | None, note: Row | None
) -> None:
    """Make these the rows of the named periods, of all there are for None; arguments as for `merge_rows`."""
    if periods is None:
        replace_rows(use_case, table, rows, note=note)
    else:
        merge_rows(use_case, table, rows, replacing=among(use_case.contract.period_column, periods), note=note)


def among(name: str, values: Collection[str]) -> str:
    """A condition for `replacing`: the column has one of these values."""
    return one_of(name, values, "target.")


def one_of(name: str, values: Collection[str], of: str = "") -> str:
    """A condition in SQL: the column, `of` a table, has one of these values."""
    texts = ", ".join("'" + value.replace("'", "''") + "'" for value in sorted(values))
    return f"{of}{quoted(name)} IN ({texts})" if values else "false"


def _opened(use_case: UseCase, table: SmallTable) -> DeltaTable:
    """The table, made if there is none, with every column it should have."""
    found = open_lake_table(use_case, table.name)
    if found is None:
        path = use_case.table(table.name)
        return DeltaTable.create(
            path, table.schema, mode="ignore", description=table.comment or None, configuration=dict(KEEP_HISTORY)
        )
    known = {field.name for field in found.schema().fields}
    missing = [field for field in table.columns if field.name not in known]
    if missing:
        found.alter.add_columns(missing)
    return found


def _as_arrow(rows: Sequence[Row], table: DeltaTable) -> pa.Table:
    """Rows in the types the table has, which an older release may have made."""
    return pa.Table.from_pylist(list(rows), schema=pa.schema(table.schema()))


def commit_properties(note: Row | None) -> CommitProperties | None:
    """A commit's note, for delta-rs: it goes where Spark writes one, too."""
    if note is None:
        return None
    return CommitProperties(custom_metadata={"userMetadata": json.dumps(note, sort_keys=True)})
