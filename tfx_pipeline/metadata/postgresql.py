"""ML Metadata on PostgreSQL: its connection, and the tables as a TFX run needs them."""

from functools import cache

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from sqlalchemy import URL, NullPool, create_engine, text

from lakeloop.databases import making_database
from tfx_pipeline.metadata.backslashes import carry_backslashes

_LONG_INDEXES = text(
    r"SELECT tablename, indexname FROM pg_indexes "
    r"WHERE indexname LIKE 'idx\_%\_property\_string' AND indexdef LIKE '%, string\_value)'"
)


def postgresql_connection(server: str, url: URL) -> metadata_store_pb2.ConnectionConfig:
    """How ML Metadata reaches its database `url`; the database and its tables are there afterwards.

    `server` is the URL of a database on the same server that exists. Raises LakeloopError with what to do.
    """
    carry_backslashes()
    config = _config(url)
    _make_tables(server, url.render_as_string(hide_password=False), config.SerializeToString())
    return config


def _config(url: URL) -> metadata_store_pb2.ConnectionConfig:
    """ML Metadata takes host and port, or the folder of a Unix socket; it writes them into libpq's `key=value` text."""
    config = metadata_store_pb2.ConnectionConfig()
    given = {"host": url.host or "", "port": str(url.port or 5432), **url.query}
    config.postgresql.host, config.postgresql.port = _quoted(str(given["host"])), _quoted(str(given["port"]))
    config.postgresql.user, config.postgresql.dbname = _quoted(url.username or ""), str(url.database)
    if url.password:
        config.postgresql.password = _quoted(str(url.password))
    if "sslmode" in given:
        config.postgresql.ssloption.sslmode = str(given["sslmode"])
    config.postgresql.skip_db_creation = True
    return config


def _quoted(value: str) -> str:
    """A value of libpq's connection text, which ML Metadata does not quote by itself."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@cache
def _make_tables(server: str, url: str, config: bytes) -> None:
    """Create ML Metadata's database and tables: once a process, and one process at a time."""
    engine = create_engine(url, poolclass=NullPool)
    with making_database(server, str(engine.url.database)):
        metadata_store.MetadataStore(metadata_store_pb2.ConnectionConfig.FromString(config))
        with engine.begin() as connection:
            for table, index in connection.execute(_LONG_INDEXES).all():
                # an index entry may have 2,704 bytes, a property such as a schema has more; MySQL's has 255 characters
                connection.exec_driver_sql(f"DROP INDEX {index}")
                connection.exec_driver_sql(
                    f"CREATE INDEX {index} ON {table} (name, is_custom_property, left(string_value, 255))"
                )
