"""Which models ML Metadata knows by their version, or by the data they were trained on."""

from collections.abc import Collection
from dataclasses import dataclass

from ml_metadata import metadata_store

from tfx_pipeline.lineage.runs import ArtifactInfo, artifact_info, pb_options, quoted
from tfx_pipeline.metadata import MODEL_ID_PROPERTY, VERSION_PROPERTY

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


def referred_versions(store: metadata_store.MetadataStore, use_case: str) -> set[int]:
    """The versions of gold/training that any model was trained on: pushed ones, and candidates of decisions."""
    models = store.get_artifacts(pb_options(f"type = 'Model' AND {PIPELINE}{quoted(use_case)}"))
    stamped = [artifact_info(model).properties.get("delta_version", "") for model in models]
    return {int(version) for version in stamped if version.isdigit()}
