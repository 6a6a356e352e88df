"""The whole platform with its state on a real PostgreSQL server: three databases, no SQLite file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from console.platform.airflow_environment import AIRFLOW
from lakeloop.databases import airflow_database
from lakeloop.events import record_event
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from tests.console.platform.conftest import make_settings, run_in
from tests.postgresql_server import postgresql_server

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not AIRFLOW.exists(), reason="Airflow's environment is not there (`make airflow`)"),
]


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with postgresql_server() as server:
        made = make_settings(tmp_path / "home", database_url=server.tcp_url)
        try:
            yield made
        finally:
            assert run_in(made)("down").returncode == 0


def test_airflow_and_the_ledger_live_on_the_server(settings: Settings) -> None:
    done = run_in(settings)("up")
    assert done.returncode == 0, done.stdout + done.stderr
    airflow = create_engine(airflow_database(settings))
    with airflow.connect() as connection:
        dags = set(connection.scalars(text("SELECT dag_id FROM dag")))
        jobs = set(connection.scalars(text("SELECT job_type FROM job WHERE state = 'running'")))
    airflow.dispose()
    assert any(name.startswith("insurance_") for name in dags)
    assert jobs == {"SchedulerJob", "DagProcessorJob", "TriggererJob"}
    record_event(open_use_case(settings), "drift", "one", {})
    operational = create_engine(settings.operational_db)
    assert "event" in inspect(operational).get_table_names()
    operational.dispose()
    assert not list(settings.home.rglob("*.db"))
    assert run_in(settings)("status").returncode == 0
