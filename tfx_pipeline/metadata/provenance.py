"""The custom properties that say where an artifact comes from; they travel export -> model -> pushed model."""

from collections.abc import Mapping

from tfx.types import Artifact

from lakeloop.manifest import Manifest
from tfx_pipeline.metadata.store import PROVENANCE
from tfx_pipeline.runs import parameters as p


def provenance_of(manifest: Manifest, manifest_sha256: str, run: Mapping[str, str]) -> dict[str, str]:
    """The provenance of an export imported by a run; `run` holds the run's parameters, '' where there is none."""
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


def write_provenance(artifact: Artifact, provenance: Mapping[str, str]) -> None:
    """Write provenance on an artifact that is about to be published."""
    for name in PROVENANCE:
        artifact.set_string_custom_property(name, provenance[name])


def read_provenance(artifact: Artifact) -> dict[str, str]:
    """The provenance on an artifact; '' for what it lacks."""
    return {name: artifact.get_string_custom_property(name) or "" for name in PROVENANCE}
