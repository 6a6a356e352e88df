"""The operational database is made, and brought up to date, by whoever opens it first."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from lakeloop.drift_store import add_live_report, replace_lake_reports
from lakeloop.exceptions import LakeloopError
from lakeloop.migrations.schema import VERSION_TABLE, newest, version_of
from lakeloop.operational_db import clocks, drift_reports, engine, events, metadata, monitor_states, retrains
from lakeloop.settings import PROJECT, Settings
from lakeloop.use_case import open_use_case
from monitoring.alarm import announce
from tests.lakeloop.test_drift_store import report
from tests.live_reports import live_reports
from tests.postgresql_server import postgresql_server

OPENS_WHILE_OTHERS_CREATE = """
import sys, time
from sqlalchemy import event, Table
from lakeloop.operational_db import engine
event.listen(Table, "before_create", lambda *_, **__: time.sleep(0.1))
engine(sys.argv[1])
"""


SAME = ("use_case", "kind", "period", "first", "model_version", "report")


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


def older_database(url: str, revision: str) -> Engine:
    """A database as the release of that migration left it."""
    older = create_engine(url)
    with older.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(PROJECT / "lakeloop" / "migrations"))
        command.upgrade(config, revision)
    return older


def test_a_database_from_before_migrations_goes_on_with_its_rows(url: str) -> None:
    older = older_database(url, "0001")
    with older.begin() as connection:
        connection.exec_driver_sql(f"DROP TABLE {VERSION_TABLE}")
        connection.execute(insert(clocks).values(use_case="insurance", period=12))
        connection.execute(
            insert(events).values(
                use_case="insurance", kind="drift", key="k", payload={"a": 1}, created_at="2026-01-01"
            )
        )
    with engine(url).connect() as connection:
        assert version_of(connection) == newest()
        assert connection.scalar(select(clocks.c.period)) == 12
        assert connection.execute(select(events.c.key, events.c.payload)).all() == [("k", {"a": 1})]


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """A home on either database."""
    if request.param == "SQLite":
        yield Settings(home=tmp_path, use_case="insurance")
        return
    with postgresql_server() as server:
        made = Settings(home=tmp_path, use_case="insurance", database_url=server.socket_url)
        yield made
        engine(made.operational_db).dispose()


def test_an_older_homes_episodes_name_their_report_and_are_told_as_before(home: Settings) -> None:
    payload = {
        "episode_id": "insurance-7-2026", "use_case": "insurance", "model_version": "7",
        "window": {"kind": "tumbling", "first": "2023-12-01", "last": "2023-12-31", "rows": 1500, "month": ""},
        "features": ["age", "miles"], "share": 2 / 3, "scores": {"training": None, "age": 0.1 + 0.2, "miles": 0.28},
        "thresholds": {"training": 0.1, "age": 0.1, "miles": 0.1}, "prediction_drift": 0.02,
    }  # fmt: skip
    unknown = payload | {"episode_id": "first", "features": [], "share": 0.0, "scores": {}, "thresholds": {}}
    older = older_database(home.operational_db, "0001")
    with older.begin() as connection:
        for number, told in enumerate((unknown | {"prediction_drift": None}, payload)):
            values = {"id": told["episode_id"], "at": f"2026-0{number + 1}", "told": json.dumps(told)}
            row = "INSERT INTO drift_episode (id, use_case, opened_at, payload) VALUES (:id, 'insurance', :at, :told)"
            connection.execute(text(row), values)
        connection.execute(insert(monitor_states).values(use_case="insurance", state='{"position": {}}'))
    older.dispose()
    announced = announce(home, "insurance")
    assert announced is not None and announced[1]
    event = announced[0]
    against = {"reference": "train", "reference_periods": [], "reference_note": ""}  # all that there was to measure by
    assert (event.key, event.payload) == ("insurance-7-2026", payload | against)
    assert [report.drifted for report in live_reports(open_use_case(home))] == [(), ("age", "miles")]
    with engine(home.operational_db).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert "payload" not in {column["name"] for column in inspect(connection).get_columns("drift_episode")}
        assert connection.scalar(select(monitor_states.c.state)) == '{"position": {}}'


def test_either_database_holds_one_report_a_window_of_the_lake_and_any_of_the_monitor(home: Settings) -> None:
    again = report("2023-12")
    for _ in range(2):
        replace_lake_reports(open_use_case(home), [again], "month", ["2023-12"])
    with engine(home.operational_db).begin() as connection:
        assert len({add_live_report(connection, report("")) for _ in range(2)}) == 2
        twice = insert(drift_reports).from_select(SAME, select(*(drift_reports.c[name] for name in SAME)))
        with pytest.raises(IntegrityError), connection.begin_nested():
            connection.execute(twice)
    assert len(live_reports(open_use_case(home))) == 2


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_a_database_from_before_the_records_of_retrains_keeps_its_rows(url: str, revision: str) -> None:
    older = older_database(url, revision)
    with older.begin() as connection:
        assert not inspect(connection).has_table("retrain")
        connection.execute(
            insert(events).values(
                use_case="insurance", kind="drift", key="k", payload={"a": 1}, created_at="2026-01-01", handled_by="d1"
            )
        )
    with engine(url).connect() as connection:
        assert version_of(connection) == newest()
        assert connection.execute(select(retrains)).all() == []
        assert connection.execute(select(events.c.key, events.c.handled_by)).all() == [("k", "d1")]


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
