"""ML Metadata's part of an answer: runs with their executions and artifacts, models, exports."""

from collections.abc import Mapping
from pathlib import Path

from lakeloop.exceptions import LakeloopError
from lakeloop.manifest import FILE_NAME, Manifest, file_sha256, read_manifest
from operations.lineage.graph import LineageDraft, NodeKind
from tfx_pipeline.metadata.lineage.runs import ArtifactInfo, ExecutionInfo, RunGraph
from tfx_pipeline.metadata.store import GATE_PROPERTY, PROVENANCE, VERSION_PROPERTY

KIND_OF_TYPE: Mapping[str, NodeKind] = {"Model": "model", "PushedModel": "version", "GoldExport": "export"}
NOT_TOLD = {"name", "tfx_version", "is_external", "payload_format", "span", "version", "split_names", "state"}


def add_run(draft: LineageDraft, graph: RunGraph) -> None:
    """Every execution and artifact of a run, each linked with what it used and made."""
    for artifact in graph.artifacts:
        add_artifact(draft, artifact)
    for execution in graph.executions:
        _add_execution(draft, execution, graph.run_id)
    by_id = {artifact.id: artifact for artifact in graph.artifacts}
    for execution_id, artifact_id in graph.used:
        draft.link(artifact_item(by_id[artifact_id]), execution_item(execution_id))
    for execution_id, artifact_id in graph.made:
        draft.link(execution_item(execution_id), artifact_item(by_id[artifact_id]))


def add_artifact(draft: LineageDraft, artifact: ArtifactInfo) -> str:
    """One artifact with its properties; gives its id."""
    properties = {name: text for name, text in artifact.properties.items() if name not in NOT_TOLD}
    facts: dict[str, object] = {**properties, "made": artifact.created, "where": artifact.uri}
    if artifact.type == "GoldExport":
        facts |= _manifest_facts(artifact)
    if artifact.type == "PushedModel":
        facts["where"] = properties.get("pushed_destination", artifact.uri)
    if artifact.uri and not _is_there(artifact.uri):
        facts["removed"] = "its files are not there any more"
    return draft.add(_kind(artifact), artifact_item(artifact), _title(artifact), facts)


def artifact_item(artifact: ArtifactInfo) -> str:
    """An artifact's id in an answer."""
    version = artifact.properties.get(VERSION_PROPERTY, "")
    return version_item(version) if artifact.type == "PushedModel" and version else f"artifact {artifact.id}"


def execution_item(execution_id: int) -> str:
    """An execution's id in an answer."""
    return f"execution {execution_id}"


def version_item(version: str) -> str:
    """A pushed version's id in an answer."""
    return f"version {version}"


def exported_version(graph: RunGraph) -> tuple[ArtifactInfo, str, int] | None:
    """The export a run was given: its artifact, Delta table and version; None where no artifact says so."""
    for artifact in graph.artifacts:
        if artifact.type == "GoldExport" and artifact.properties.get("delta_version", "").isdigit():
            return artifact, artifact.properties["delta_table"], int(artifact.properties["delta_version"])
    return None


def manifest_of(export: ArtifactInfo) -> Manifest | None:
    """The manifest as it lies in the run's own copy of the export; None where that is gone."""
    try:
        return read_manifest(Path(export.uri) / FILE_NAME)
    except LakeloopError:
        return None


def _manifest_facts(export: ArtifactInfo) -> dict[str, object]:
    manifest = manifest_of(export)
    if manifest is None:
        return {}
    path = Path(export.uri) / FILE_NAME
    same = file_sha256(path) == export.properties.get("manifest_sha256", "")
    facts: dict[str, object] = {"query": manifest.query, "split": manifest.split, "exported": manifest.created_at}
    facts["manifest"] = f"{path} ({'as it was' if same else 'CHANGED since: its sha256 differs'})"
    facts |= {f.path: f"{f.rows:,} rows, sha256 {f.sha256}" for f in manifest.files}
    return facts


def _add_execution(draft: LineageDraft, execution: ExecutionInfo, run_id: str) -> str:
    annotations = execution.properties
    facts: dict[str, object] = {
        "run": run_id,
        "state": execution.state,
        "began": execution.created,
        "Airflow task": annotations.get("airflow_task_id"),
        "Airflow run": annotations.get("airflow_run_id"),
    }
    return draft.add("execution", execution_item(execution.id), f"{execution.node} (execution {execution.id})", facts)


def _kind(artifact: ArtifactInfo) -> NodeKind:
    if artifact.type == "ModelBlessing" and artifact.properties.get(GATE_PROPERTY):
        return "verdict"
    return KIND_OF_TYPE.get(artifact.type, "artifact")


def _title(artifact: ArtifactInfo) -> str:
    if _kind(artifact) == "verdict":
        blessed = artifact.properties.get("blessed") == "1"
        overruled = artifact.properties.get("overruled_by", "")
        return f"gate: {'blessed' if blessed else 'refused'}" + (f", {overruled} overruled it" if overruled else "")
    if artifact.type == "PushedModel":
        return f"model version {artifact.properties.get(VERSION_PROPERTY, '?')}"
    return f"{artifact.type} {artifact.id}"


def _is_there(uri: str) -> bool:
    return "://" in uri or Path(uri).exists()


def provenance(artifact: ArtifactInfo) -> dict[str, str]:
    """Where an artifact's rows come from, as it says itself; what it lacks is left out."""
    return {name: artifact.properties[name] for name in PROVENANCE if artifact.properties.get(name)}
