"""Lets the records of runs follow a home that was moved: their places are absolute, and TFX takes them as they are."""

from collections.abc import Mapping
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from lakeloop.atomic_file import write_text
from lakeloop.databases import metadata_database
from lakeloop.use_case import UseCase
from tfx_pipeline.metadata.store import DESTINATION_PROPERTY, PIPELINE_CONTEXT, has_metadata, open_store

NODE_KEY_ID = 3
"""Parts of an artifact's place below `artifacts`: node, output, execution."""


def follow_moved_home(use_case: UseCase) -> int:
    """Put right where artifacts and pushed models lie, in ML Metadata and in the runs' records; how many artifacts.

    Nothing is touched where the artifacts lie where they are said to, or are not here either. The records of a copied
    home name the copies; but on PostgreSQL, which both homes ask, those of the home that stayed.
    """
    if not has_metadata(use_case.settings):
        return 0
    here = use_case.folder("tfx").absolute()
    with open_store(use_case.settings) as store:
        pipeline = store.get_context_by_type_and_name(PIPELINE_CONTEXT, use_case.name)
        artifacts = store.get_artifacts_by_context(pipeline.id) if pipeline is not None else []
        before = {_folder_of(artifact.uri) for artifact in artifacts} - {here}
        shared = metadata_database(use_case.settings) is not None
        left = {old: here for old in before if _came_along(old, here, artifacts) and not (shared and old.exists())}
        if not left:
            return 0
        moved = [artifact for artifact in artifacts if _folder_of(artifact.uri) in left]
        for artifact in moved:
            _move(artifact, left, use_case.folder("models").absolute())
        store.put_artifacts(moved)
    for record in (here / "runs").glob("*/*.json"):
        text = record.read_text(encoding="utf-8")
        changed = text
        for old in left:
            changed = changed.replace(f'"{old}/', f'"{here}/')
        if changed != text:
            write_text(record, changed)
    return len(moved)


def _folder_of(uri: str) -> Path:
    """`…/tfx/<use case>` of `…/tfx/<use case>/artifacts/Trainer/model/10`."""
    return Path(uri).parents[NODE_KEY_ID] if len(Path(uri).parts) > NODE_KEY_ID + 1 else Path(uri)


def _came_along(old: Path, here: Path, artifacts: list[metadata_store_pb2.Artifact]) -> bool:
    return any((here / Path(a.uri).relative_to(old)).exists() for a in artifacts if Path(a.uri).is_relative_to(old))


def _move(artifact: metadata_store_pb2.Artifact, left: Mapping[Path, Path], models: Path) -> None:
    old = _folder_of(artifact.uri)
    artifact.uri = str(left[old] / Path(artifact.uri).relative_to(old))
    pushed_to = artifact.custom_properties.get(DESTINATION_PROPERTY)
    if pushed_to is not None and pushed_to.string_value:
        version = models / Path(pushed_to.string_value).name
        if version.exists():
            artifact.custom_properties[DESTINATION_PROPERTY].string_value = str(version)
