"""The custom properties that say where an artifact comes from; they travel export -> model -> pushed model."""

from collections.abc import Mapping

from tfx.types import Artifact

from lakeloop.manifest import Manifest
from tfx_pipeline.metadata.store import STAMPS
from tfx_pipeline.runs import parameters as p


def stamps_of(manifest: Manifest, manifest_sha256: str, run: Mapping[str, str]) -> dict[str, str]:
    """The stamps of an export imported by a run; `run` holds the run's parameters, '' where there is none."""
    return {
        "delta_table": manifest.table,
        "delta_version": str(manifest.version),
        "manifest_sha256": manifest_sha256,
        "rows": str(manifest.rows),
        "schema_sha256": manifest.schema_sha256,
        p.GIT_COMMIT: run.get(p.GIT_COMMIT) or manifest.git_commit,
        p.TRIGGER: run.get(p.TRIGGER, ""),
        p.EVENT_ID: run.get(p.EVENT_ID, ""),
        p.AIRFLOW_RUN_ID: run.get(p.AIRFLOW_RUN_ID, ""),
    }


def stamp(artifact: Artifact, stamps: Mapping[str, str]) -> None:
    """Write stamps on an artifact that is about to be published."""
    for name in STAMPS:
        artifact.set_string_custom_property(name, stamps[name])


def read_provenance(artifact: Artifact) -> dict[str, str]:
    """The stamps on an artifact; '' for those it lacks."""
    return {name: artifact.get_string_custom_property(name) or "" for name in STAMPS}
