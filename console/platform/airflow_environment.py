"""Airflow's configuration, all of it, as environment variables: for the supervisor, for tests, for containers."""

import shlex
from pathlib import Path

from console.platform.generated_secrets import SERVICE_USER, airflow_users, secret_files
from console.platform.paths import airflow_home, home_of
from lakeloop.databases import airflow_database, on_postgresql
from lakeloop.exceptions import MissingToolError
from lakeloop.settings import PROJECT, Settings
from monitoring.airflow_pools import TASKS_AT_ONCE

AIRFLOW = PROJECT / ".venv-airflow" / "bin" / "airflow"
USERS = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"

PREFERENCES = {
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__API__WORKER_TIMEOUT": "30",
    "AIRFLOW__CORE__PARALLELISM": str(TASKS_AT_ONCE),
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    # with the reading itself, a new use case's DAGs are there within a minute
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "45",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "60",
    "AIRFLOW__DAG_PROCESSOR__PRINT_STATS_INTERVAL": "300",
    "AIRFLOW__SCHEDULER__POOL_METRICS_INTERVAL": "60",
    # a task whose process died is noticed after a minute, not after five
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "60",
    # what follows a finished task is found within half a second; it costs one or two per cent of a core
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    # a finished task gives its place free after a second, not after five
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
}
"""For one small machine: one process a component, few looks. Who sets one of these in the environment is heard."""


def airflow_program() -> Path:
    """Airflow's command in its own environment.

    Raises:
        MissingToolError: it is not installed.
    """
    if not AIRFLOW.is_file():
        raise MissingToolError(f"Airflow is not installed: {AIRFLOW} is not there; run `make airflow`")
    return AIRFLOW


def airflow_url(settings: Settings) -> str:
    """Base URL of Airflow's UI and REST API."""
    return f"http://127.0.0.1:{settings.airflow_port}"


def with_airflow(settings: Settings) -> Settings:
    """The settings of a command that talks to this home's Airflow, as the service user."""
    return settings.model_copy(
        update={
            "airflow_url": airflow_url(settings),
            "airflow_user": SERVICE_USER,
            "airflow_password_file": secret_files(settings).passwords,
        }
    )


def airflow_environment(settings: Settings) -> dict[str, str]:
    """Every variable that Airflow's processes of this home need; `PREFERENCES` beside it are a matter of taste.

    Keys come from files by command, so that no secret but the database's URL stands in an environment.
    """
    home, files, url = airflow_home(settings), secret_files(settings), airflow_url(settings)
    database = airflow_database(settings)
    environment = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        USERS: ",".join(f"{user}:{role}" for user, role in airflow_users(settings).items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(files.passwords),
        "AIRFLOW__CORE__FERNET_KEY_CMD": _content_of(files.fernet_key),
        "AIRFLOW__API__SECRET_KEY_CMD": _content_of(files.session_key),
        "AIRFLOW__API_AUTH__JWT_SECRET_CMD": _content_of(files.jwt_secret),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(settings.airflow_port),
        "AIRFLOW__API__BASE_URL": url,
        "PYTHONPATH": str(PROJECT),
        "LAKELOOP_HOME": str(home_of(settings)),
        "SPT_NOENV": "1",  # Airflow's process titles would overwrite the environment that tells whose a process is
    }
    if on_postgresql(settings):  # psycopg speaks both ways; Airflow would look for asyncpg
        environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"] = database
    return environment


def _content_of(path: Path) -> str:
    return f"cat {shlex.quote(str(path))}"
