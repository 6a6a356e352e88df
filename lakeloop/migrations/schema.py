"""Brings the operational database's tables to what this release expects; says so where they are of a newer one."""

from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from lakeloop.exceptions import LakeloopError

VERSION_TABLE = "schema_version"
_FOLDER = Path(__file__).parent
_ALONE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(5067)"}
"""What keeps other processes from changing tables until the transaction ends; the number only has to be ours."""


def newest() -> str:
    """The number of the last migration; alembic need not be imported to know it."""
    return max(path.name for path in (_FOLDER / "versions").glob("[0-9]*.py")).partition("_")[0]


def version_of(connection: Connection) -> str:
    """The number of the last migration this database has seen; '' where it has seen none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return ""
    found: str | None = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    return found or ""


def migrate(connection: Connection) -> None:
    """Run the migrations that are missing; one process at a time, others wait and find nothing left to do.

    The connection must be in no transaction yet; what is done is committed with the one this begins.

    Raises:
        LakeloopError: a newer release has changed the tables.
    """
    connection.exec_driver_sql(_ALONE[connection.dialect.name])
    found = version_of(connection)
    if found == newest():
        return
    if found > newest():
        raise LakeloopError(
            f"the operational database is of a newer release (its schema is {found}, this one knows {newest()}); "
            "use that release, or another LAKELOOP_HOME"
        )
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    command.upgrade(config, "head")
