"""ML Metadata's record of releases: an execution of type `Release` each, whose input is the version it is about.

So who asks a pushed model for what was done with it finds who promoted, pinned or retired it, when and why.
"""

from collections.abc import Iterable

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from lakeloop.release_state import ReleaseEntry
from lakeloop.use_case import UseCase
from tfx_pipeline.metadata.store import PIPELINE_CONTEXT, VERSION_PROPERTY, artifacts_of, has_metadata, open_store

RELEASE_TYPE = "Release"


def record_releases(use_case: UseCase, entries: Iterable[ReleaseEntry]) -> int:
    """Record the entries that are not there yet and whose version ML Metadata knows; how many those were."""
    if not has_metadata(use_case.settings):
        return 0
    with open_store(use_case.settings) as store:
        pushes = artifacts_of(store, use_case.name, "PushedModel")
        by_version = {push.custom_properties[VERSION_PROPERTY].string_value: push for push in pushes}
        pipeline = store.get_context_by_type_and_name(PIPELINE_CONTEXT, use_case.name)
        kind = store.put_execution_type(metadata_store_pb2.ExecutionType(name=RELEASE_TYPE))
        missing = [
            entry
            for entry in entries
            if entry.version in by_version
            and store.get_execution_by_type_and_name(RELEASE_TYPE, _name(use_case, entry)) is None
        ]
        for entry in missing:
            _record(store, _execution(kind, use_case, entry), by_version[entry.version], pipeline)
    return len(missing)


def _record(
    store: metadata_store.MetadataStore,
    execution: metadata_store_pb2.Execution,
    pushed: metadata_store_pb2.Artifact,
    pipeline: metadata_store_pb2.Context,
) -> None:
    event = metadata_store_pb2.Event(artifact_id=pushed.id, type=metadata_store_pb2.Event.INPUT)
    event.path.steps.add().key = "pushed_model"
    store.put_execution(execution, [(pushed, event)], [pipeline])


def _execution(kind: int, use_case: UseCase, entry: ReleaseEntry) -> metadata_store_pb2.Execution:
    execution = metadata_store_pb2.Execution(
        type_id=kind, name=_name(use_case, entry), last_known_state=metadata_store_pb2.Execution.COMPLETE
    )
    execution.custom_properties["number"].int_value = entry.number
    for name in ("action", "version", "who", "why", "at"):
        execution.custom_properties[name].string_value = getattr(entry, name)
    return execution


def _name(use_case: UseCase, entry: ReleaseEntry) -> str:
    return f"{use_case.name}.release.{entry.number}"
