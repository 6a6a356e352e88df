"""The operational database is made, and brought up to date, by whoever opens it first."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, insert, select

from lakeloop.exceptions import LakeloopError
from lakeloop.migrations.schema import VERSION_TABLE, newest, version_of
from lakeloop.operational_db import clocks, engine, events, metadata

OPENS_WHILE_OTHERS_CREATE = """
import sys, time
from sqlalchemy import event, Table
from lakeloop.operational_db import engine
event.listen(Table, "before_create", lambda *_, **__: time.sleep(0.1))
engine(sys.argv[1])
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/lakeloop.db"


def test_processes_that_start_on_a_new_database_wait_for_the_one_that_makes_it(url: str) -> None:
    """Each takes long to create a table, so that all are at it at once."""
    command = [sys.executable, "-c", OPENS_WHILE_OTHERS_CREATE, url]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=400)[1] for process in started] == [""] * len(started)


def test_the_migrations_make_the_tables_the_code_expects(url: str) -> None:
    with engine(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert version_of(connection) == newest()


def test_a_database_from_before_migrations_goes_on_with_its_rows(url: str) -> None:
    older = create_engine(url)
    metadata.create_all(older)
    with older.begin() as connection:
        connection.execute(insert(clocks).values(use_case="insurance", month=12))
        connection.execute(
            insert(events).values(
                use_case="insurance", kind="drift", key="k", payload={"a": 1}, created_at="2026-01-01"
            )
        )
    with engine(url).connect() as connection:
        assert version_of(connection) == newest()
        assert connection.scalar(select(clocks.c.month)) == 12
        assert connection.execute(select(events.c.key, events.c.payload)).all() == [("k", {"a": 1})]


def test_a_database_that_has_only_some_of_the_tables_gets_the_others(url: str) -> None:
    older = create_engine(url)
    metadata.create_all(older, tables=[clocks])
    with engine(url).connect() as connection:
        assert connection.execute(select(events)).all() == []


def test_a_newer_releases_database_is_left_alone(url: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "lakeloop.db") as database:
        database.execute(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL)")
        database.execute(f"INSERT INTO {VERSION_TABLE} VALUES ('9999')")
    with pytest.raises(LakeloopError, match=r"newer release \(its schema is 9999, this one knows \d{4}\)"):
        engine(url)
    assert metadata.tables.keys().isdisjoint(_tables(tmp_path))


def test_who_finds_the_tables_up_to_date_does_not_import_alembic(url: str) -> None:
    engine(url)
    code = (
        f"import sys; from lakeloop.operational_db import engine; engine({url!r}); assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _tables(home: Path) -> set[str]:
    with sqlite3.connect(home / "lakeloop.db") as database:
        return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
