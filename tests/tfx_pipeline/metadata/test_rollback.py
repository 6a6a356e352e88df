"""ML Metadata knows that a version was taken back."""

from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from tfx_pipeline.metadata import store as metadata
from tfx_pipeline.metadata.rollback import annotate_rollback


def test_a_version_that_was_taken_back_is_not_pushed_any_more_and_says_why(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, use_case="insurance", database_url="")
    assert not annotate_rollback(open_use_case(settings), "1", "nothing was ever run here")
    store = metadata.metadata_store.MetadataStore(metadata.connection_config(settings))
    pushed = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="PushedModel"))
    kind = store.put_context_type(metadata_store_pb2.ContextType(name=metadata.PIPELINE_CONTEXT))
    (context,) = store.put_contexts([metadata_store_pb2.Context(type_id=kind, name="insurance")])
    for version in ("1", "2"):
        artifact = metadata_store_pb2.Artifact(type_id=pushed, state=metadata_store_pb2.Artifact.LIVE)
        artifact.custom_properties[metadata.PUSHED_PROPERTY].int_value = 1
        artifact.custom_properties[metadata.VERSION_PROPERTY].string_value = version
        (number,) = store.put_artifacts([artifact])
        attribution = metadata_store_pb2.Attribution(artifact_id=number, context_id=context)
        store.put_attributions_and_associations([attribution], [])
    assert annotate_rollback(open_use_case(settings), "2", "it answered 400")
    first, second = metadata.artifacts_of(store, "insurance", "PushedModel")
    assert first.custom_properties[metadata.PUSHED_PROPERTY].int_value == 1
    assert second.custom_properties[metadata.PUSHED_PROPERTY].int_value == 0
    assert second.custom_properties["rolled_back"].string_value == "it answered 400"
    assert not annotate_rollback(open_use_case(settings), "3", "nobody pushed it")
