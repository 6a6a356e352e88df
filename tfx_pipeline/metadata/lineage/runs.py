"""A pipeline run as ML Metadata keeps it: its executions, what they used and what they made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from lakeloop.exceptions import WrongUseError
from tfx_pipeline.metadata.annotations import RUN_CONTEXT

NODE_CONTEXT = "node"
MADE = (pb.Event.OUTPUT, pb.Event.DECLARED_OUTPUT)
# What a resolver found is its "internal output": it looked at it, and made nothing.
USED = (pb.Event.INPUT, pb.Event.DECLARED_INPUT, pb.Event.INTERNAL_INPUT, pb.Event.INTERNAL_OUTPUT)


@dataclass(frozen=True)
class ArtifactInfo:
    """One artifact; `properties` are its own and custom ones as texts, '' left out. `created`: ISO 8601 in UTC."""

    id: int
    type: str
    uri: str
    created: str
    properties: Mapping[str, str]


@dataclass(frozen=True)
class ExecutionInfo:
    """One execution of a node in a run; `properties` are its annotations (Airflow's names, trigger, event)."""

    id: int
    node: str
    state: str
    created: str
    properties: Mapping[str, str]


@dataclass(frozen=True)
class RunGraph:
    """The executions of a run and every artifact they touched; `used` and `made`: (execution id, artifact id)."""

    run_id: str
    annotations: Mapping[str, str]
    executions: tuple[ExecutionInfo, ...]
    artifacts: tuple[ArtifactInfo, ...]
    used: tuple[tuple[int, int], ...]
    made: tuple[tuple[int, int], ...]

    def artifact(self, artifact_id: int) -> ArtifactInfo | None:
        """One artifact of the run; None if the run did not touch it."""
        return next((artifact for artifact in self.artifacts if artifact.id == artifact_id), None)


def run_graph(store: metadata_store.MetadataStore, run_id: str) -> RunGraph | None:
    """Everything about one run in one query; None where ML Metadata has no such run.

    A node that was taken from the cache is an execution of the run, too, and made what the earlier one had made.
    """
    query = pb.LineageSubgraphQueryOptions(
        starting_executions={
            "filter_query": f"contexts_r.type = '{RUN_CONTEXT}' AND contexts_r.name = {quoted(run_id)}"
        },
        max_num_hops=1,
        direction=pb.LineageSubgraphQueryOptions.BIDIRECTIONAL,
    )
    context = store.get_context_by_type_and_name(RUN_CONTEXT, run_id)
    if context is None:
        return None
    found = store.get_lineage_subgraph(query)
    contexts = {c.id: c for c in found.contexts}
    node_of = {
        a.execution_id: contexts[a.context_id].name.rpartition(".")[2]
        for a in found.associations
        if a.context_id in contexts and contexts[a.context_id].type == NODE_CONTEXT
    }
    events = sorted(found.events, key=lambda event: (event.execution_id, event.artifact_id))
    return RunGraph(
        run_id=run_id,
        annotations=texts(context.custom_properties),
        executions=tuple(_execution(e, node_of.get(e.id, "")) for e in sorted(found.executions, key=lambda e: e.id)),
        artifacts=tuple(artifact_info(a) for a in sorted(found.artifacts, key=lambda a: a.id)),
        used=tuple((event.execution_id, event.artifact_id) for event in events if event.type in USED),
        made=tuple((event.execution_id, event.artifact_id) for event in events if event.type in MADE),
    )


def annotations_of_run(store: metadata_store.MetadataStore, run_id: str) -> Mapping[str, str]:
    """What was written down about a run: who started it and why; empty for a run that is not known."""
    context = store.get_context_by_type_and_name(RUN_CONTEXT, run_id)
    return {} if context is None else texts(context.custom_properties)


def run_ids(store: metadata_store.MetadataStore, use_case: str) -> list[str]:
    """The runs of a use case, the oldest first."""
    query = f"parent_contexts_p.type = 'pipeline' AND parent_contexts_p.name = {quoted(use_case)}"
    found = store.get_contexts(pb_options(f"type = '{RUN_CONTEXT}' AND {query}"))
    return [context.name for context in sorted(found, key=lambda context: context.id)]


def runs_of_airflow_run(store: metadata_store.MetadataStore, airflow_run_id: str) -> list[str]:
    """The pipeline runs, candidates of one retrain, that an Airflow run made."""
    query = f"type = '{RUN_CONTEXT}' AND custom_properties.airflow_run_id.string_value = {quoted(airflow_run_id)}"
    return sorted(context.name for context in store.get_contexts(pb_options(query)))


def run_of_artifact(store: metadata_store.MetadataStore, artifact_id: int) -> str:
    """The run whose execution made an artifact; '' where ML Metadata does not know."""
    makers = [e.execution_id for e in store.get_events_by_artifact_ids([artifact_id]) if e.type in MADE]
    for execution_id in sorted(makers):
        for context in store.get_contexts_by_execution(execution_id):
            if context.type == RUN_CONTEXT:
                return str(context.name)
    return ""


def artifact_info(artifact: pb.Artifact) -> ArtifactInfo:
    """The artifact as a plain value."""
    properties = {**texts(artifact.properties), **texts(artifact.custom_properties)}
    return ArtifactInfo(artifact.id, artifact.type, artifact.uri, _time(artifact), properties)


def texts(properties: Mapping[str, pb.Value]) -> dict[str, str]:
    """Properties that say something, as texts."""
    found = {}
    for name, value in properties.items():
        kind = value.WhichOneof("value")
        text = str(getattr(value, kind)) if kind in ("string_value", "int_value", "double_value", "bool_value") else ""
        if text:
            found[name] = text
    return found


def quoted(text: str) -> str:
    """A text in ML Metadata's query language.

    Raises:
        WrongUseError: it holds a quote or a backslash; no id has one.
    """
    if set(text) & set("'\"\\\n"):
        raise WrongUseError(f"{text!r} is no id: ids have no quotes, backslashes or line ends")
    return f"'{text}'"


def pb_options(query: str) -> "metadata_store.ListOptions":
    """A query for the store's `get_…` calls."""
    return metadata_store.ListOptions(filter_query=query)


def _execution(execution: pb.Execution, node: str) -> ExecutionInfo:
    state = pb.Execution.State.Name(execution.last_known_state).lower()
    return ExecutionInfo(
        execution.id, node or execution.type.rpartition(".")[2], state, _time(execution),
        texts(execution.custom_properties),
    )  # fmt: skip


def _time(known: "pb.Artifact | pb.Execution") -> str:
    return datetime.fromtimestamp(known.create_time_since_epoch / 1000, UTC).isoformat(timespec="seconds")
