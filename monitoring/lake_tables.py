"""Reads the lake's tables without Spark (delta-rs), for pages that must be there at once."""

from collections.abc import Sequence

import pandas as pd

from lakeloop.settings import Settings

Filter = tuple[str, str, object]


def lake_table_path(settings: Settings, table: str) -> str:
    """Folder or URL of a table, e.g. `gold/drift`."""
    layer, name = table.split("/")
    return f"{settings.area('lake').rstrip('/')}/{layer}/{settings.use_case}/{name}"


def has_lake_table(settings: Settings, table: str) -> bool:
    """Whether there is such a table, e.g. `silver/predictions`, known without starting Spark."""
    from deltalake import DeltaTable

    return bool(DeltaTable.is_deltatable(lake_table_path(settings, table)))


def read_lake_table(
    settings: Settings, table: str, columns: Sequence[str] | None = None, filters: Sequence[Filter] = ()
) -> pd.DataFrame | None:
    """The newest version of a table, e.g. `gold/performance`; None while it does not exist.

    `filters` are (column, operator, value); files that cannot hold such rows are not opened.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        found = DeltaTable(lake_table_path(settings, table))
    except TableNotFoundError:
        return None
    rows: pd.DataFrame = found.to_pandas(columns=list(columns) if columns else None, filters=list(filters) or None)
    return rows
