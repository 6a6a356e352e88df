"""Launches one node of the compiled pipeline with TFX's own launcher and reads from ML Metadata how it ended."""

import errno
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import constants
from tfx.orchestration import metadata as tfx_metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import data_types, launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2
from tfx.types import Artifact, artifact_utils

from lakeloop.exceptions import LakeloopError, NotFoundError
from lakeloop.releases import challenge, read_release
from lakeloop.use_case import UseCase
from tfx_pipeline.components.champion import released
from tfx_pipeline.components.pusher import told_before_push
from tfx_pipeline.exceptions import NodeError
from tfx_pipeline.metadata.store import connection_config
from tfx_pipeline.runs.compile import compiled
from tfx_pipeline.runs.parameters import bindings
from tfx_pipeline.runs.run_record import NodeState, RunRecord

log = logging.getLogger(__name__)
_REMEDIES = {
    os.strerror(errno.ENOSPC): "the disk is full; free some space and run it again: nodes that ran need not run again",
    "Concurrent writes aborted": "another process keeps ML Metadata locked, for minutes now; run it again later",
}
RESOLVER_TYPE = "tfx.dsl.components.common.resolver.Resolver"


@dataclass(frozen=True)
class Ended:
    """How a node ended: `outputs` are the artifacts it made, or took from the cache."""

    state: NodeState
    execution_id: int | None
    outputs: Mapping[str, Sequence[Artifact]]


def launch(use_case: UseCase, record: RunRecord, node: str) -> Ended:
    """Run one node of a run: its inputs come from ML Metadata, so any process may do it.

    Raises:
        NotFoundError: the pipeline has no such node.
        NodeError: it failed; a LakeloopError of the node itself comes through as it is.
    """
    pipeline = _bound(compiled(use_case), record)
    pipeline_node = _find(pipeline, node)
    deployment = runner_utils.extract_local_deployment_config(pipeline)
    connection = tfx_metadata.Metadata(connection_config(use_case.settings))
    try:
        with (
            released(read_release(use_case.settings, use_case.name)),
            told_before_push(lambda version: _challenge(use_case, record, version)),
        ):
            info = launcher.Launcher(
                pipeline_node=pipeline_node,
                mlmd_connection=connection,
                pipeline_info=pipeline.pipeline_info,
                pipeline_runtime_spec=pipeline.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, node),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node),
            ).launch()
    except LakeloopError:
        raise
    except Exception as error:
        log.debug("event=node_error run=%s node=%s", record.run_id, node, exc_info=True)
        raise NodeError(node, record.run_id, _reason(error)) from error
    return _ended(connection, record.run_id, pipeline_node, info)


def node_ids(use_case: UseCase) -> list[str]:
    """The compiled pipeline's nodes in topological order."""
    return [node.pipeline_node.node_info.id for node in compiled(use_case).nodes]


def _challenge(use_case: UseCase, record: RunRecord, version: str) -> None:
    """Where the contract has a `release`, a version that is about to be pushed challenges the champion."""
    if use_case.contract.release is None:
        return
    because = f", because of {record.parameters.trigger}" if record.parameters.trigger else ""
    why_not = challenge(use_case.settings, use_case.name, version, f"pushed by run {record.run_id}{because}")
    log.warning("event=challenge use_case=%s version=%s why_not=%r", use_case.name, version, why_not)


def _bound(pipeline: pipeline_pb2.Pipeline, record: RunRecord) -> pipeline_pb2.Pipeline:
    """The pipeline with the run's id and parameters in place of its runtime parameters."""
    values = bindings(record.parameters, record.manifest_sha256)
    runtime_parameter_utils.substitute_runtime_parameter(
        pipeline, {**values, constants.PIPELINE_RUN_ID_PARAMETER_NAME: record.run_id}
    )
    return pipeline


def _find(pipeline: pipeline_pb2.Pipeline, node: str) -> pipeline_pb2.PipelineNode:
    nodes = {n.pipeline_node.node_info.id: n.pipeline_node for n in pipeline.nodes}
    if node not in nodes:
        raise NotFoundError(f"the pipeline has no node {node}; its nodes are {', '.join(nodes)}")
    return nodes[node]


def _ended(
    connection: tfx_metadata.Metadata,
    run_id: str,
    node: pipeline_pb2.PipelineNode,
    info: data_types.ExecutionInfo | None,
) -> Ended:
    """The launcher raises when an executor fails, but says nothing when inputs are missing or a node is skipped."""
    name = node.node_info.id
    if info is None or not info.execution_id:
        return Ended("skipped", None, {})
    with connection as handle:
        (execution,) = handle.store.get_executions_by_id([info.execution_id])
    states = metadata_store_pb2.Execution
    if execution.last_known_state == states.CACHED:
        state: NodeState = "ran" if node.node_info.type.name == RESOLVER_TYPE else "cached"
        return Ended(state, execution.id, _outputs(connection, execution.id))
    if execution.last_known_state == states.COMPLETE:
        return Ended("ran", execution.id, _outputs(connection, execution.id))
    raise NodeError(name, run_id, "its inputs are not there; run the nodes before it first")


def _outputs(connection: tfx_metadata.Metadata, execution_id: int) -> dict[str, list[Artifact]]:
    """The output artifacts as published, cached ones included, by output key."""
    outputs: dict[str, list[Artifact]] = {}
    with connection as handle:
        events = handle.store.get_events_by_execution_ids([execution_id])
        makes = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.INTERNAL_OUTPUT)
        keys = {e.artifact_id: e.path.steps[0].key for e in events if e.type in makes}
        artifacts = handle.store.get_artifacts_by_id(list(keys))
        types = {t.id: t for t in handle.store.get_artifact_types_by_id({a.type_id for a in artifacts})}
    for artifact in artifacts:
        outputs.setdefault(keys[artifact.id], []).append(
            artifact_utils.deserialize_artifact(types[artifact.type_id], artifact)
        )
    return outputs


def _reason(error: BaseException) -> str:
    """The first line of the innermost cause that says something; for what is known to happen, what to do."""
    while error.__cause__ is not None:
        error = error.__cause__
    for sign, remedy in _REMEDIES.items():
        if sign in str(error):
            return remedy
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
