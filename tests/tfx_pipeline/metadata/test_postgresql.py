"""ML Metadata on a real PostgreSQL server."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from lakeloop.contract import Contract
from lakeloop.exceptions import LakeloopError, NotFoundError
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from tests.exports import month_export
from tests.postgresql_server import PostgresqlServer, postgresql_server
from tests.tfx_pipeline.upstream import types_upstream
from tfx_pipeline.metadata.store import champion, connection_config, has_metadata, open_store, pushed_models
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.runner import run_pipeline

ODD_PASSWORD = r"it's \ odd"
OPENS = """
import sys
from pathlib import Path
from lakeloop.settings import Settings
from tfx_pipeline.metadata.store import connection_config
from ml_metadata.metadata_store import MetadataStore
settings = Settings(home=Path(sys.argv[1]), use_case="insurance", database_url=sys.argv[2])
print(len(MetadataStore(connection_config(settings)).get_artifact_types()))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    with postgresql_server() as running:
        yield running


def as_admin(server: PostgresqlServer, *statements: str) -> None:
    admin = create_engine(server.socket_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    admin.dispose()


@pytest.fixture
def on_server(server: PostgresqlServer, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Settings with databases of this test's own on the server."""
    name = f"t{abs(hash(request.node.name))}"
    as_admin(server, f'CREATE DATABASE "{name}"')
    url = make_url(server.tcp_url).set(database=name).render_as_string(hide_password=False)
    return Settings(home=tmp_path / "home", use_case="insurance", database_url=url)


def test_processes_that_open_it_first_at_the_same_time_all_succeed(on_server: Settings, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENS, str(tmp_path), on_server.database_url]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = [process.communicate(timeout=400) for process in running]
    assert [process.returncode for process in running] == [0] * 4, outputs[0][1] + outputs[1][1]


def test_before_the_first_run_there_is_nothing_and_asking_makes_nothing(on_server: Settings) -> None:
    assert (
        not has_metadata(on_server)
        and pushed_models(open_use_case(on_server)) == []
        and champion(open_use_case(on_server)) is None
    )
    with pytest.raises(NotFoundError, match=r"_metadata yet; `lakeloop train` makes it"), open_store(on_server):
        pass
    assert not has_metadata(on_server)


def test_a_socket_and_a_password_with_quotes_and_spaces_work(server: PostgresqlServer, tmp_path: Path) -> None:
    as_admin(server, "CREATE USER ann CREATEDB PASSWORD 'it''s \\ odd'", "CREATE DATABASE odd OWNER ann")
    with_password = make_url(server.tcp_url).set(username="ann", password=ODD_PASSWORD, database="odd")
    by_socket = make_url(server.socket_url).set(database="odd")
    for url in (with_password, by_socket):
        settings = Settings(home=tmp_path, use_case="x", database_url=url.render_as_string(hide_password=False))
        subprocess.run([sys.executable, "-c", OPENS, str(tmp_path), settings.database_url], check=True, timeout=400)
        assert has_metadata(settings)


def test_the_password_may_stand_in_libpqs_passfile_alone(
    server: PostgresqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(server.tcp_url)
    passfile = tmp_path / "passfile"
    passfile.write_text(f"*:*:*:{url.username}:{url.password}\n")
    passfile.chmod(0o600)
    without = f"postgresql+psycopg://{url.username}@{url.host}:{url.port}/postgres"
    settings = Settings(home=tmp_path, use_case="passfile", database_url=without)
    with pytest.raises(LakeloopError, match="cannot be reached"):
        connection_config(settings)
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    connection_config(settings)
    with open_store(settings) as store:
        store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Told"))
        assert [found.name for found in store.get_artifact_types()] == ["Told"]


def test_long_properties_with_backslashes_and_quotes_come_back_as_they_were(on_server: Settings) -> None:
    connection_config(on_server)
    odd = {"code": r'{"a": "b\\n\"c\" \\"}', "long": "it's \\ " * 2000}
    with open_store(on_server) as store:
        kind = metadata_store_pb2.ArtifactType(name="Odd", properties={"code": metadata_store_pb2.STRING})
        artifact = metadata_store_pb2.Artifact(type_id=store.put_artifact_type(kind), uri="C:\\odd")
        artifact.properties["code"].string_value = odd["code"]
        artifact.custom_properties["long"].string_value = odd["long"]
        (number,) = store.put_artifacts([artifact])
        (found,) = store.get_artifacts_by_id([number])
        assert found.uri == artifact.uri == "C:\\odd" and artifact.properties["code"].string_value == odd["code"]
        assert found.properties["code"].string_value == odd["code"]
        assert found.custom_properties["long"].string_value == odd["long"]
        assert [a.id for a in store.get_artifacts_by_uri("C:\\odd")] == [number]


def test_who_may_not_create_databases_is_told_what_to_ask_for(server: PostgresqlServer, tmp_path: Path) -> None:
    as_admin(server, "CREATE USER bob PASSWORD 'bob'", "CREATE DATABASE poor OWNER bob")
    url = make_url(server.tcp_url).set(username="bob", password="bob", database="poor")
    settings = Settings(home=tmp_path, use_case="x", database_url=url.render_as_string(hide_password=False))
    with pytest.raises(LakeloopError, match='CREATE DATABASE "poor_metadata" OWNER "bob"'):
        connection_config(settings)


@pytest.mark.long
def test_a_real_run_is_recorded_on_the_server(on_server: Settings, contract: Contract, tmp_path: Path) -> None:
    manifest = month_export(contract, on_server, tmp_path / "export")
    record = run_pipeline(UseCase(on_server, contract), run_parameters(contract, manifest, {}, (), trigger="test"))
    assert record.blessed and record.pushed_version
    pushed = champion(open_use_case(on_server))
    assert pushed is not None and pushed.version == record.pushed_version
    assert pushed.provenance["trigger"] == "test"
    assert {"GoldExport", "Examples", "TransformGraph", "Model"} <= types_upstream(on_server, pushed.pushed_id)
    assert not on_server.metadata_db.exists()
    password = str(make_url(on_server.database_url).password)
    for path in on_server.home.rglob("ir.pb"):
        assert password.encode() not in path.read_bytes()
