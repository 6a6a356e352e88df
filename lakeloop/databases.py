"""The databases beside the operational one: Airflow's and ML Metadata's, on the server of `LAKELOOP_DATABASE_URL`.

Each is a database of its own, because each tool creates and migrates its tables by itself: `lakeloop` for the
operational tables gives `lakeloop_airflow` and `lakeloop_metadata`. Without that setting both are SQLite files.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, NullPool, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from lakeloop.exceptions import LakeloopError, WrongUseError
from lakeloop.settings import Settings

_LOCK = 5068
"""PostgreSQL's advisory lock while a database is created; the number only has to be ours."""
_FIND = text("SELECT 1 FROM pg_database WHERE datname = :name")


def on_postgresql(settings: Settings) -> bool:
    """Whether the state is on a PostgreSQL server."""
    return bool(settings.database_url) and make_url(settings.database_url).get_backend_name() == "postgresql"


def airflow_database(settings: Settings) -> str:
    """SQLAlchemy URL of Airflow's tables, password included."""
    if on_postgresql(settings):
        return database_beside(settings.database_url, "airflow").render_as_string(hide_password=False)
    return f"sqlite:///{settings.home.absolute() / 'airflow' / 'airflow.db'}"


def metadata_database(settings: Settings) -> URL | None:
    """URL of ML Metadata's PostgreSQL database; None where it is the SQLite file `settings.metadata_db`."""
    return database_beside(settings.database_url, "metadata") if on_postgresql(settings) else None


def database_beside(url: str, suffix: str) -> URL:
    """The URL of `<database>_<suffix>` on the same server, in lower case as ML Metadata wants it.

    Raises:
        WrongUseError: the URL names no database.
    """
    parsed = make_url(url)
    if not parsed.database:
        raise WrongUseError("LAKELOOP_DATABASE_URL names no database; write postgresql+psycopg://user@host/lakeloop")
    return parsed.set(database=f"{parsed.database}_{suffix}".lower())


def database_exists(url: str, name: str) -> bool:
    """Whether the server of `url` has a database of this name. Raises LakeloopError if it cannot be asked."""
    with _connected(url) as connection:
        return connection.scalar(_FIND, {"name": name}) is not None


@contextmanager
def making_database(url: str, name: str) -> Iterator[None]:
    """Create the database `name` on the server of `url` unless it is there; inside, no other process makes it.

    Who creates its tables does so inside: tools that look first and create then fail when two start at once.

    Raises:
        LakeloopError: the server cannot be reached, or the user may not create databases; with what to do.
    """
    with _connected(url) as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))  # until the connection ends
        if connection.scalar(_FIND, {"name": name}) is None:
            try:
                connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
            except ProgrammingError as error:
                user = make_url(url).username
                raise LakeloopError(
                    f"the database {name} is not there and user {user!r} may not create it; let an administrator "
                    f'run: CREATE DATABASE "{name}" OWNER "{user}"'
                ) from error
        yield


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        place = make_url(url).render_as_string(hide_password=True)
        raise LakeloopError(
            f"the PostgreSQL server of {place} cannot be reached ({type(error).__name__}); check LAKELOOP_DATABASE_URL"
        ) from error
    with connection:
        yield connection
