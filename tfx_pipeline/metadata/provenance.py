"""The custom properties that say where an artifact comes from; they travel export -> model -> pushed model."""

from collections.abc import Mapping

from tfx.types import Artifact

from lakeloop.manifest import Manifest
from tfx_pipeline.metadata.store import PROVENANCE
from tfx_pipeline.runs import parameters as p

CODE = "code_"
"""Begins the properties that say which code of the use case's own had a part in an artifact: `code_checks.py`."""


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


def write_own_code(artifact: Artifact, hashes: Mapping[str, str]) -> None:
    """Write on an artifact the hashes of the use case's own code that had a part in it, by the files' names."""
    for name, sha256 in hashes.items():
        artifact.set_string_custom_property(f"{CODE}{name}", sha256)


def read_own_code(artifact: Artifact) -> dict[str, str]:
    """These hashes; empty where there was none."""
    written = artifact.mlmd_artifact.custom_properties.items()
    return {name.removeprefix(CODE): value.string_value for name, value in written if name.startswith(CODE)}
