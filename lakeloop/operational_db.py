"""The small operational state (SQLite, or PostgreSQL by `LAKELOOP_DATABASE_URL`): its tables and connection."""

from functools import cache
from pathlib import Path

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    false,
    text,
)  # fmt: skip
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from lakeloop.exceptions import LakeloopError
from lakeloop.migrations.schema import migrate

metadata = MetaData()

clocks = Table(
    "clock",
    metadata,
    Column("use_case", String, primary_key=True),
    Column("month", Integer, key="period", nullable=False),
    Column("played", Boolean, nullable=False, server_default=false()),
)

fallback_switches = Table(
    "fallback_switch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("use_case", String, nullable=False, index=True),
    Column("segment", String, nullable=False),
    Column("who", String, nullable=False),
    Column("why", String, nullable=False),
    Column("since", String, nullable=False),
    Column("until", String),
    Column("removed_by", String),
)

events = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("use_case", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("created_at", String, nullable=False),
    Column("handled_by", String),
    Column("handled_at", String),
    Column("attempts", Integer, nullable=False, default=0),
    Column("attempt_after", String, nullable=False, default=""),
    Column("problem", String, nullable=False, default=""),
    Column("delivered_at", String),
    UniqueConstraint("use_case", "kind", "key"),
)

drift_reports = Table(
    "drift_report",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("use_case", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("month", String, key="period", nullable=False),  # '' of what the live monitor looked at
    Column("first", String, nullable=False),
    Column("model_version", String, nullable=False),
    Column("report", Text, nullable=False),
    Index("ix_drift_report_use_case", "use_case", "period"),
)
_LAKE = text("month <> ''")
Index(
    "ix_drift_report_window",
    *(drift_reports.c[name] for name in ("use_case", "kind", "period", "first", "model_version")),
    unique=True,
    sqlite_where=_LAKE,
    postgresql_where=_LAKE,
)

drift_episodes = Table(
    "drift_episode",
    metadata,
    Column("id", String, primary_key=True),
    Column("use_case", String, nullable=False, index=True),
    Column("opened_at", String, nullable=False),
    Column("closed_at", String),
    Column("report_id", Integer, nullable=False),
)

monitor_states = Table(
    "monitor_state",
    metadata,
    Column("use_case", String, primary_key=True),
    Column("state", Text, nullable=False),
)

retrains = Table(
    "retrain",
    metadata,
    Column("use_case", String, primary_key=True),
    Column("decision_id", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("at", String, nullable=False),
    Column("changed_at", String, nullable=False),
    Column("airflow_run_id", String, nullable=False),
    Column("in_tasks", Boolean, nullable=False),
    Column("trigger", String, nullable=False),
    Column("request", JSON, nullable=False),
    Column("events", JSON, nullable=False),
    Column("plan", JSON(none_as_null=True)),
    Column("verdicts", JSON, nullable=False),
    Column("decision", JSON(none_as_null=True)),
    Column("revision", Integer, nullable=False),
)

notifications = Table(
    "notification",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("use_case", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("link", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("addressed", Boolean, nullable=False, server_default=false(), index=True),
    UniqueConstraint("use_case", "kind", "key"),
)

notification_targets = Table(
    "notification_target",
    metadata,
    Column("id", String, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("attempt_after", String, nullable=False),
    Column("problem", Text, nullable=False),
)

notification_deliveries = Table(
    "notification_delivery",
    metadata,
    Column("target", String, primary_key=True),
    Column("notification_id", Integer, primary_key=True),
    Column("told_at", String, index=True),
    Column("message", String),
)

tokens = Table(
    "token",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("hash", String, nullable=False, unique=True),
    Column("created_at", String, nullable=False),
    Column("created_by", String, nullable=False),
    Column("expires_at", String),
    Column("revoked_at", String),
    Column("revoked_by", String),
)
_GOOD = text("revoked_at IS NULL")
Index("ix_token_good", tokens.c.name, unique=True, sqlite_where=_GOOD, postgresql_where=_GOOD)

releases = Table(
    "release",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("use_case", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("action", String, nullable=False),
    Column("version", String, nullable=False),
    Column("newest", String, nullable=False),
    Column("who", String, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", String, nullable=False),
    UniqueConstraint("use_case", "number"),
)

_BUSY_SECONDS = 30
"""How long a writer waits for another one to finish, on SQLite."""


@cache
def engine(url: str) -> Engine:
    """A connected engine whose tables are as this release expects them; one a process and URL.

    Raises:
        LakeloopError: the database cannot be reached or created, or a newer release has changed its tables.
    """
    parsed = make_url(url)
    try:
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            made = create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS})
        else:
            made = create_engine(parsed)
        with made.begin() as connection:
            migrate(connection)
    except (OSError, SQLAlchemyError) as error:
        place = parsed.render_as_string(hide_password=True)
        raise LakeloopError(
            f"the operational database {place} cannot be opened ({_reason(error)}); "
            "check LAKELOOP_HOME or LAKELOOP_DATABASE_URL"
        ) from error
    return made


def _reason(error: OSError | SQLAlchemyError) -> str:
    """What the file system or the database says, without the statement that SQLAlchemy adds."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    said = cause.strerror if isinstance(cause, OSError) else str(cause).strip()
    return said.splitlines()[0] if said else type(error).__name__
