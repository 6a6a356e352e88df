"""`lakeloop lake tables`, `show` and `history`: what is in the lake, read without Spark."""

from typing import Annotated

import typer

from console.cli.options import TableVersion, open_use_case
from console.cli.render import DIM, console, rows_of, table
from console.cli.table_cells import number_columns, rows_as_csv, shown_rows
from console.cli.use_case_option import UseCaseOption
from lakehouse.read.tables import count_rows, first_rows, history, list_tables, open_table

Table = Annotated[str, typer.Argument(metavar="TABLE", help="e.g. gold/training, or training where that is clear.")]


def tables_command(use_case: UseCaseOption = "") -> None:
    """List the tables with their rows, version and size."""
    case = open_use_case(use_case)
    found = list_tables(case)
    if not found:
        console.print("there are no tables yet; `lakeloop lake ingest` makes them")
        return
    rows = [
        (t.full_name, f"{t.rows:,}", t.version, f"{t.bytes / 1024:,.0f}", f"{t.changed:%Y-%m-%d %H:%M:%S}")
        for t in found
    ]
    console.print(table(("table", "rows", "version", "KiB", "changed (UTC)"), rows, ("rows", "version", "KiB")))


def show_command(
    name: Table,
    version: TableVersion = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Rows to print.")] = 20,
    csv: Annotated[bool, typer.Option("--csv", help="Print as CSV, for other programs.")] = False,
    use_case: UseCaseOption = "",
) -> None:
    """Print a table's first rows, as it is or as it was at a version."""
    case = open_use_case(use_case)
    opened = open_table(case, name, version)
    rows = first_rows(opened, limit)
    if csv:
        typer.echo(rows_as_csv(rows), nl=False)
        return
    for part in rows_of(rows.column_names, shown_rows(rows), number_columns(rows)):
        console.print(part)
    console.print(f"{rows.num_rows:,} of {count_rows(opened):,} rows", style=DIM)


def history_command(name: Table, use_case: UseCaseOption = "") -> None:
    """List a table's versions: when, by which operation, how many rows."""
    case = open_use_case(use_case)
    rows = [
        (
            c.version,
            f"{c.at:%Y-%m-%d %H:%M:%S}",
            c.operation,
            ", ".join(f"{k} {v:,}" for k, v in c.rows.items()),
        )
        for c in history(case, name)
    ]
    console.print(table(("version", "at (UTC)", "operation", "rows"), rows, ("version",)))
