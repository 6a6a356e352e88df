"""The small operational state (SQLite, or PostgreSQL by `LAKELOOP_DATABASE_URL`): its tables and connection."""

from functools import cache
from pathlib import Path

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from lakeloop.errors import LakeloopError

metadata = MetaData()

clocks = Table(
    "clock",
    metadata,
    Column("use_case", String, primary_key=True),
    Column("month", Integer, nullable=False),
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


@cache
def engine(url: str) -> Engine:
    """A connected engine whose tables exist; one a process and URL.

    Raises:
        LakeloopError: the database cannot be reached or created.
    """
    parsed = make_url(url)
    try:
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        made = create_engine(parsed)
        metadata.create_all(made)
    except (OSError, SQLAlchemyError) as error:
        place = parsed.render_as_string(hide_password=True)
        raise LakeloopError(
            f"the operational database {place} cannot be opened ({error.__class__.__name__}); "
            "check LAKELOOP_HOME or LAKELOOP_DATABASE_URL"
        ) from error
    return made
