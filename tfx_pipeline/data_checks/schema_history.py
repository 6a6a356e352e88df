"""Which schemas the pipeline's runs were held to, from ML Metadata; no TensorFlow needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from ml_metadata import metadata_store
from tensorflow_metadata.proto.v0 import schema_pb2

from tfx_pipeline.metadata.lineage.models import PIPELINE
from tfx_pipeline.metadata.lineage.runs import RunGraph, artifact_info, pb_options, quoted

FILE_NAME = "schema.pbtxt"
TYPES = {schema_pb2.FLOAT: "float", schema_pb2.INT: "int", schema_pb2.BYTES: "string"}


@dataclass(frozen=True)
class SchemaState:
    """A schema from the moment it held; `changes` say what is different from the one before, [] for the first."""

    artifact_id: int
    since: str
    columns: Mapping[str, str]
    changes: Sequence[str] = ()


def read_schema(uri: str) -> schema_pb2.Schema:
    """The schema at an artifact's address. Raises FileNotFoundError."""
    return text_format.Parse((Path(uri) / FILE_NAME).read_text(encoding="utf-8"), schema_pb2.Schema())


def schema_uri(graph: RunGraph) -> str:
    """Where the schema of a run lies; '' where it has none."""
    return next((artifact.uri for artifact in graph.artifacts if artifact.type == "Schema"), "")


def schema_history(store: metadata_store.MetadataStore, use_case: str) -> tuple[SchemaState, ...]:
    """Every change of the schema, the oldest first; those whose files were removed are left out."""
    found = store.get_artifacts(pb_options(f"type = 'Schema' AND {PIPELINE}{quoted(use_case)}"))
    states: list[SchemaState] = []
    for artifact in sorted(map(artifact_info, found), key=lambda known: known.id):
        try:
            columns = described(read_schema(artifact.uri))
        except FileNotFoundError:
            continue
        if not states:
            states.append(SchemaState(artifact.id, artifact.created, columns))
        elif columns != states[-1].columns:
            states.append(SchemaState(artifact.id, artifact.created, columns, changes(states[-1].columns, columns)))
    return tuple(states)


def described(schema: schema_pb2.Schema) -> dict[str, str]:
    """Column -> its type and what is allowed, in words."""
    return {
        feature.name: f"{TYPES[feature.type]}, {_allowed(feature)}{_or_missing(feature)}" for feature in schema.feature
    }


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What a schema says differently, a line a column."""
    gone = [f"{name} is gone" for name in before if name not in after]
    new = [f"{name} is new: {text}" for name, text in after.items() if name not in before]
    other = [f"{name}: {before[name]} → {text}" for name, text in after.items() if before.get(name, text) != text]
    return [*gone, *new, *other]


def _allowed(feature: schema_pb2.Feature) -> str:
    kind = feature.WhichOneof("domain_info")
    if kind == "string_domain":
        return ", ".join(feature.string_domain.value) or "any text"
    if kind in ("int_domain", "float_domain"):
        domain = getattr(feature, kind)
        return f"{domain.min:g} to {domain.max:g}" if domain.HasField("max") else "any number"
    return "any text" if feature.type == schema_pb2.BYTES else "any date or time"


def _or_missing(feature: schema_pb2.Feature) -> str:
    return "" if feature.HasField("presence") else ", or missing"
