"""Which models ML Metadata knows by their version, or by the data they were trained on."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_metadata import metadata_store

from lakeloop.exceptions import LakeloopError
from lakeloop.manifest import FILE_NAME, read_manifest
from tfx_pipeline.metadata.lineage.runs import MADE, ArtifactInfo, artifact_info, pb_options, quoted, texts
from tfx_pipeline.metadata.store import MODEL_ID_PROPERTY, VERSION_PROPERTY
from tfx_pipeline.runs.parameters import DROP

PIPELINE = "contexts_p.type = 'pipeline' AND contexts_p.name = "


@dataclass(frozen=True)
class KnownModel:
    """A model artifact and, where it was pushed, what it was pushed as; `pushed` is None for a refused candidate."""

    model: ArtifactInfo | None
    pushed: ArtifactInfo | None

    @property
    def version(self) -> str:
        """The pushed version, '' without one."""
        return "" if self.pushed is None else self.pushed.properties.get(VERSION_PROPERTY, "")


def model_of(store: metadata_store.MetadataStore, use_case: str, version: str) -> KnownModel | None:
    """The model that was pushed as a version; None if ML Metadata knows no such push.

    Its `model` is None where the artifact is gone from ML Metadata.
    """
    query = (
        f"type = 'PushedModel' AND custom_properties.{VERSION_PROPERTY}.string_value = {quoted(version)} "
        f"AND {PIPELINE}{quoted(use_case)}"
    )
    pushes = store.get_artifacts(pb_options(query))
    if not pushes:
        return None
    pushed = artifact_info(max(pushes, key=lambda artifact: artifact.id))
    models = store.get_artifacts_by_id([int(pushed.properties.get(MODEL_ID_PROPERTY, "0"))])
    return KnownModel(artifact_info(models[0]) if models else None, pushed)


@dataclass(frozen=True)
class ModelInputs:
    """What one model was given. `version` is '' where it was not pushed, `made` ISO 8601 in UTC.

    `columns` are those of the export it was trained on, None where no manifest of it is left; `dropped` are the
    features it does not look at.
    """

    version: str
    made: str
    columns: tuple[str, ...] | None
    dropped: tuple[str, ...]


def inputs_of_models(store: metadata_store.MetadataStore, use_case: str) -> tuple[ModelInputs, ...]:
    """Every model of a use case with its columns, the oldest first; as many queries for 200 models as for one."""
    models = _artifacts(store, use_case, "Model")
    versions = {
        push.properties.get(MODEL_ID_PROPERTY, ""): push.properties.get(VERSION_PROPERTY, "")
        for push in _artifacts(store, use_case, "PushedModel")
    }
    exports = {e.properties.get("manifest_sha256", ""): e.uri for e in _artifacts(store, use_case, "GoldExport")}
    columns = {sha256: _columns(uri) for sha256, uri in exports.items()}
    dropped = _dropped(store, [model.id for model in models])
    return tuple(
        ModelInputs(
            version=versions.get(str(model.id), ""),
            made=model.created,
            columns=columns.get(model.properties.get("manifest_sha256", "")),
            dropped=dropped.get(model.id, ()),
        )
        for model in models
    )


def models_trained_on(
    store: metadata_store.MetadataStore, use_case: str, versions: Collection[int]
) -> tuple[KnownModel, ...]:
    """Every model whose rows came from one of these versions of gold/training, the oldest first."""
    if not versions:
        return ()
    wanted = " OR ".join(f"custom_properties.delta_version.string_value = '{number}'" for number in sorted(versions))
    inside = f"AND ({wanted}) AND {PIPELINE}{quoted(use_case)}"
    models = [artifact_info(a) for a in store.get_artifacts(pb_options(f"type = 'Model' {inside}"))]
    pushes = [artifact_info(a) for a in store.get_artifacts(pb_options(f"type = 'PushedModel' {inside}"))]
    pushed_as = {push.properties.get(MODEL_ID_PROPERTY): push for push in pushes}
    return tuple(KnownModel(m, pushed_as.get(str(m.id))) for m in sorted(models, key=lambda model: model.id))


def export_of(store: metadata_store.MetadataStore, model: ArtifactInfo) -> ArtifactInfo | None:
    """The export a model was trained on, by its manifest's checksum; None where no artifact of it is left."""
    sha256 = model.properties.get("manifest_sha256", "")
    query = f"type = 'GoldExport' AND custom_properties.manifest_sha256.string_value = {quoted(sha256)}"
    found = store.get_artifacts(pb_options(query)) if sha256 else []
    return artifact_info(max(found, key=lambda artifact: artifact.id)) if found else None


def _artifacts(store: metadata_store.MetadataStore, use_case: str, type_name: str) -> list[ArtifactInfo]:
    found = store.get_artifacts(pb_options(f"type = '{type_name}' AND {PIPELINE}{quoted(use_case)}"))
    return [artifact_info(artifact) for artifact in sorted(found, key=lambda artifact: artifact.id)]


def _columns(uri: str) -> tuple[str, ...] | None:
    try:
        return read_manifest(Path(uri) / FILE_NAME).columns
    except LakeloopError:
        return None


def _dropped(store: metadata_store.MetadataStore, models: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """Model -> the features its Trainer left out."""
    if not models:
        return {}
    makers = {e.execution_id: e.artifact_id for e in store.get_events_by_artifact_ids(models) if e.type in MADE}
    return {
        makers[execution.id]: tuple(json.loads(texts(execution.custom_properties).get(DROP, "[]")))
        for execution in store.get_executions_by_id(list(makers))
    }


def referred_versions(store: metadata_store.MetadataStore, use_case: str) -> set[int]:
    """The versions of gold/training that any model was trained on: pushed ones, and candidates of decisions."""
    models = store.get_artifacts(pb_options(f"type = 'Model' AND {PIPELINE}{quoted(use_case)}"))
    stamped = [artifact_info(model).properties.get("delta_version", "") for model in models]
    return {int(version) for version in stamped if version.isdigit()}
