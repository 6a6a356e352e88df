"""ML Metadata: how to reach it, and what the platform asks it about models."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from lakeloop.databases import database_exists, metadata_database
from lakeloop.exceptions import NotFoundError
from lakeloop.frozen_model import FrozenModel
from lakeloop.release_state import Release
from lakeloop.releases import read_release
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from tfx_pipeline.metadata.postgresql import postgresql_connection

PROVENANCE = (
    "delta_table",
    "delta_version",
    "manifest_sha256",
    "rows",
    "schema_sha256",
    "git_commit",
    "trigger",
    "event_id",
    "airflow_run_id",
)
GATE_PROPERTY, BLESSED_PROPERTY, BLESSED_MODEL_PROPERTY = "judge", "blessed", "current_model_id"
"""The gate's name is kept under `judge`, as in the stores of earlier releases."""
PUSHED_PROPERTY, VERSION_PROPERTY, MODEL_ID_PROPERTY = "pushed", "pushed_version", "model_id"
DESTINATION_PROPERTY = "pushed_destination"
PIPELINE_CONTEXT = "pipeline"
Push = TypeVar("Push")


class PushedModel(FrozenModel):
    """A version that was pushed and the model artifact it is a copy of."""

    version: str
    folder: Path
    model_id: int
    model_uri: str
    pushed_id: int
    blessed: bool
    provenance: dict[str, str]


def connection_config(settings: Settings) -> metadata_store_pb2.ConnectionConfig:
    """How TFX reaches ML Metadata: SQLite in the `tfx` area, or PostgreSQL, whose tables are there afterwards."""
    url = metadata_database(settings)
    if url is not None:
        return postgresql_connection(settings.database_url, url)
    database = settings.metadata_db.absolute()
    database.parent.mkdir(parents=True, exist_ok=True)
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(database)
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return config


def has_metadata(settings: Settings) -> bool:
    """Whether a pipeline ever wrote to ML Metadata."""
    url = metadata_database(settings)
    if url is None:
        return settings.metadata_db.is_file()
    return database_exists(settings.database_url, str(url.database))


@contextmanager
def open_store(settings: Settings) -> Iterator[metadata_store.MetadataStore]:
    """The store, once a pipeline has made it.

    Raises:
        NotFoundError: no pipeline has run yet.
    """
    if not has_metadata(settings):
        url = metadata_database(settings)
        place = settings.metadata_db.absolute() if url is None else url.render_as_string(hide_password=True)
        raise NotFoundError(f"there is no ML Metadata at {place} yet; `lakeloop train` makes it")
    yield metadata_store.MetadataStore(connection_config(settings))


def artifacts_of(
    store: metadata_store.MetadataStore, use_case: str, type_name: str
) -> list[metadata_store_pb2.Artifact]:
    """The live artifacts of one type that a use case's pipeline made, oldest first."""
    pipeline = store.get_context_by_type_and_name(PIPELINE_CONTEXT, use_case)
    if pipeline is None or type_name not in {t.name for t in store.get_artifact_types()}:
        return []
    wanted = store.get_artifact_type(type_name).id
    found = [a for a in store.get_artifacts_by_context(pipeline.id) if a.type_id == wanted]
    return sorted((a for a in found if a.state == metadata_store_pb2.Artifact.LIVE), key=lambda a: a.id)


def pushed_models(use_case: UseCase) -> list[PushedModel]:
    """Every pushed version of the use case, oldest first; [] before the first run."""
    if not has_metadata(use_case.settings):
        return []
    with open_store(use_case.settings) as store:
        models = {a.id: a for a in artifacts_of(store, use_case.name, "Model")}
        blessed = blessed_by_the_gate(artifacts_of(store, use_case.name, "ModelBlessing"))
        return [
            _pushed_model(push, models, blessed)
            for push in artifacts_of(store, use_case.name, "PushedModel")
            if push.custom_properties[PUSHED_PROPERTY].int_value == 1
        ]


def champion(use_case: UseCase) -> PushedModel | None:
    """The version that serves, or else the newest, among those whose model the QualityGate blessed; None before one."""
    blessed = [push for push in pushed_models(use_case) if push.blessed]
    release = read_release(use_case.settings, use_case.name)
    return next(iter(in_order_of_release(blessed, lambda push: push.version, release)), None)


def in_order_of_release(pushes: Sequence[Push], version: Callable[[Push], str], release: Release) -> list[Push]:
    """Pushes, given oldest first, in the order in which they are champion: what serves, then the newest not retired."""
    fit = [push for push in reversed(pushes) if version(push) not in release.retired]
    return sorted(fit, key=lambda push: version(push) != release.champion)


def blessed_by_the_gate(blessings: Iterable[metadata_store_pb2.Artifact]) -> set[int]:
    """Ids of blessed models. TFX's Evaluator blesses too, but not in the gate's name."""
    properties = (blessing.custom_properties for blessing in blessings)
    return {
        of[BLESSED_MODEL_PROPERTY].int_value
        for of in properties
        if GATE_PROPERTY in of and of[BLESSED_PROPERTY].int_value == 1
    }


def _pushed_model(
    push: metadata_store_pb2.Artifact, models: dict[int, metadata_store_pb2.Artifact], blessed: set[int]
) -> PushedModel:
    properties = push.custom_properties
    model_id = properties[MODEL_ID_PROPERTY].int_value
    return PushedModel(
        version=properties[VERSION_PROPERTY].string_value,
        folder=Path(properties[DESTINATION_PROPERTY].string_value),
        model_id=model_id,
        model_uri=models[model_id].uri if model_id in models else "",
        pushed_id=push.id,
        blessed=model_id in blessed,
        provenance={name: properties[name].string_value for name in PROVENANCE},
    )
