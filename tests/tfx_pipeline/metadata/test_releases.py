"""ML Metadata knows what was decided of a pushed version, by whom and why."""

from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from lakeloop.release_state import ReleaseEntry
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from tfx_pipeline.metadata import store as metadata
from tfx_pipeline.metadata.releases import record_releases


def entry(number: int, action: str, version: str) -> ReleaseEntry:
    return ReleaseEntry(number, action, version, "2", "ann", "it answered 400", "2026-01-01T00:00:00+00:00")  # type: ignore[arg-type]


def test_a_release_is_an_execution_on_the_version_it_is_about_once(tmp_path: Path) -> None:
    use_case = open_use_case(Settings(home=tmp_path, use_case="insurance", database_url=""))
    assert record_releases(use_case, [entry(1, "retire", "2")]) == 0, "nothing was ever run here"
    store = metadata.metadata_store.MetadataStore(metadata.connection_config(use_case.settings))
    pushed = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="PushedModel"))
    kind = store.put_context_type(metadata_store_pb2.ContextType(name=metadata.PIPELINE_CONTEXT))
    (context,) = store.put_contexts([metadata_store_pb2.Context(type_id=kind, name="insurance")])
    ids = {}
    for version in ("1", "2"):
        artifact = metadata_store_pb2.Artifact(type_id=pushed, state=metadata_store_pb2.Artifact.LIVE)
        artifact.custom_properties[metadata.PUSHED_PROPERTY].int_value = 1
        artifact.custom_properties[metadata.VERSION_PROPERTY].string_value = version
        (ids[version],) = store.put_artifacts([artifact])
        attribution = metadata_store_pb2.Attribution(artifact_id=ids[version], context_id=context)
        store.put_attributions_and_associations([attribution], [])
    found = [entry(1, "retire", "2"), entry(2, "pin", "1"), entry(3, "promote", "9")]
    assert record_releases(use_case, found[:1]) == 1
    assert record_releases(use_case, found) == 1, "version 9 was pushed by nobody, and the first is there"
    (event,) = store.get_events_by_artifact_ids([ids["2"]])
    (execution,) = store.get_executions_by_id([event.execution_id])
    properties = execution.custom_properties
    assert execution.type == "Release" and event.type == metadata_store_pb2.Event.INPUT
    assert (properties["action"].string_value, properties["who"].string_value) == ("retire", "ann")
    assert (properties["why"].string_value, properties["number"].int_value) == ("it answered 400", 1)
    assert store.get_artifacts_by_id([ids["2"]])[0].custom_properties[metadata.PUSHED_PROPERTY].int_value == 1
