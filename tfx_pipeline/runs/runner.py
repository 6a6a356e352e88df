"""Runs the compiled pipeline: one node in its own process, or all nodes in this one.

Importing this module imports no TensorFlow: that happens in `run_node`, after the libraries were told to be quiet.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from lakeloop.exceptions import LakeloopError, WrongUseError
from lakeloop.manifest import file_sha256, read_manifest
from lakeloop.notifications import notify
from lakeloop.own_files import code_hashes
from lakeloop.releases import read_release
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from tfx_pipeline.runs.graph import PUSHING, TUNER
from tfx_pipeline.runs.parameters import RunParameters
from tfx_pipeline.runs.quiet import quiet_after_import, quiet_libraries
from tfx_pipeline.runs.run_record import NodeResult, RunRecord, load_run, run_folder, save_run

log = logging.getLogger(__name__)
OnNode = Callable[[NodeResult], None]


def new_run_id() -> str:
    """A run id that sorts by time, e.g. `20230131T101500-4f2a`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def run_pipeline(
    use_case: UseCase,
    parameters: RunParameters,
    on_node: OnNode = lambda result: None,
    on_start: Callable[[str], None] = lambda node: None,
    push: bool = True,
) -> RunRecord:
    """Open a run and run its nodes in this process. `on_start` hears a node's id, `on_node` how it ended.

    The record's `blessed` is False when the quality gate refused the model: then nothing was pushed. Without `push`
    the run ends as one of `train_run`.

    Raises:
        WrongUseError: the manifest is missing or of another use case; nothing was started.
        LakeloopError: a node failed (NodeError, DataRefusedError, …); the run's record says so.
    """
    run_id = start_run(use_case, parameters, new_run_id()).run_id
    record = train_run(use_case, run_id, on_node, on_start)
    return _run_nodes(use_case, record, PUSHING, on_node, on_start) if push else record


def train_run(
    use_case: UseCase,
    run_id: str,
    on_node: OnNode = lambda result: None,
    on_start: Callable[[str], None] = lambda node: None,
) -> RunRecord:
    """Run the nodes of an opened run up to the gate's verdict, in topological order; `push_run` may follow.

    Raises:
        NotFoundError: there is no such run.
        LakeloopError: a node failed (NodeError, DataRefusedError, …); the run's record says so.
    """
    quiet_libraries()
    from tfx_pipeline.runs.launch import node_ids

    nodes = [node for node in node_ids(use_case) if node not in PUSHING]
    return _run_nodes(use_case, load_run(use_case, run_id), nodes, on_node, on_start)


def push_run(
    use_case: UseCase,
    run_id: str,
    on_node: OnNode = lambda result: None,
    on_start: Callable[[str], None] = lambda node: None,
    overruled: bool = False,
) -> RunRecord:
    """Push the blessed model of a run that ended with the gate's verdict: its remaining nodes, in the same run.

    `overruled`: a person wants it though the gate refused it (`metadata.annotations.overrule_the_gate`).

    Raises:
        NotFoundError: there is no such run.
        WrongUseError: the gate did not bless its model.
        LakeloopError: a node failed.
    """
    record = load_run(use_case, run_id)
    if not overruled and not record.blessed:
        raise WrongUseError(
            f"the model of run {run_id} was not blessed by the quality gate; only blessed models are pushed"
        )
    return _run_nodes(use_case, record, PUSHING, on_node, on_start)


def _run_nodes(
    use_case: UseCase, record: RunRecord, nodes: Iterable[str], on_node: OnNode, on_start: Callable[[str], None]
) -> RunRecord:
    for node in nodes:
        on_start(node)
        record = _run_node(use_case, record, node, on_node)
    return finish_run(use_case, record)


def start_run(use_case: UseCase, parameters: RunParameters, run_id: str) -> RunRecord:
    """Open a run: check its manifest and write its record. Opening it again with the same parameters changes nothing.

    Raises:
        WrongUseError: the manifest is missing or of another use case, or the run exists with other parameters.
    """
    manifest = read_manifest(parameters.manifest)
    if manifest.use_case != use_case.name:
        raise WrongUseError(f"{parameters.manifest} is an export of {manifest.use_case}, not of {use_case.name}")
    manifest_sha256 = file_sha256(parameters.manifest)
    if run_folder(use_case, run_id).exists():
        known = load_run(use_case, run_id)
        if (known.parameters, known.manifest_sha256) != (parameters, manifest_sha256):
            raise WrongUseError(f"there is a run {run_id} with other parameters already; choose another id")
        return known
    from tfx_pipeline.metadata.moved_home import follow_moved_home

    follow_moved_home(use_case)
    record = RunRecord(
        run_id=run_id,
        use_case=use_case.name,
        started=datetime.now(UTC).isoformat(timespec="milliseconds"),
        parameters=parameters,
        manifest_sha256=manifest_sha256,
        own_code=code_hashes(use_case.own_folder, use_case.contract),
    )
    return save_run(use_case, record)


def run_node(use_case: UseCase, run_id: str, node: str) -> NodeResult:
    """Run one node of an opened run and add its result to the run's record; may be called again after a failure.

    Raises:
        NotFoundError: there is no such run or node.
        LakeloopError: the node failed; the text says why.
    """
    return _run_node(use_case, load_run(use_case, run_id), node).nodes[-1]


def _run_node(use_case: UseCase, record: RunRecord, node: str, on_node: OnNode = lambda result: None) -> RunRecord:
    """Run one node of a run, and give the record, its result last; `on_node` hears that, also of one that failed."""
    began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="milliseconds")
    if node == TUNER and not record.parameters.trials:
        skipped = NodeResult(
            node=node, state="skipped", seconds=0.0, result="no trials were asked for", started=started
        )
        record = _save(use_case, record, skipped)
        on_node(skipped)
        return record
    quiet_libraries()
    from tfx_pipeline.runs.launch import launch
    from tfx_pipeline.runs.results import describe

    quiet_after_import()
    try:
        ended = launch(use_case, record, node)
        text, fields = describe(node, ended.outputs) if ended.state != "skipped" else ("the model was refused", {})
    except LakeloopError as error:
        failed = NodeResult(node=node, state="failed", seconds=_since(began), result=str(error), started=started)
        _save(use_case, record, failed, state="failed", error=str(error))
        on_node(failed)
        raise
    result = NodeResult(
        node=node,
        state=ended.state,
        seconds=_since(began),
        result=text,
        started=started,
        execution_id=ended.execution_id,
    )
    record = _save(use_case, record, result, **{**fields, "state": "running", "error": ""})
    _annotate(use_case.settings, record, ended.execution_id)
    if fields.get("pushed_version"):
        _tell_people(use_case, record)
    on_node(result)
    return record


def _tell_people(use_case: UseCase, record: RunRecord) -> None:
    """That a version was pushed; a node that is run again tells it no second time."""
    version = record.pushed_version
    because = record.parameters.trigger
    text = f"Version {version} was pushed by run {record.run_id}{f', because of {because}' if because else ''}."
    if why_not := read_release(use_case.settings, use_case.name).why_not(version):
        text += f" It does not serve yet: {why_not}."
    link = f"{use_case.settings.pages(use_case.name)}/models/{version}"
    notify(use_case, "promotion", text, link, once_by=version)


def _save(use_case: UseCase, record: RunRecord, result: NodeResult, **changes: object) -> RunRecord:
    """Save a run's record with a node's result, and what else that changes."""
    log.info("event=node_ended run=%s node=%s state=%s seconds=%s", record.run_id, result.node, result.state,
             result.seconds)  # fmt: skip
    return save_run(use_case, record.with_node(result).model_copy(update=changes))


def finish_run(use_case: UseCase, run: RunRecord) -> RunRecord:
    """Close a run's record after its last node; `seconds` is the sum over its nodes."""
    seconds = round(sum(node.seconds for node in run.nodes), 2)
    return save_run(use_case, run.model_copy(update={"state": "succeeded", "seconds": seconds}))


def fail_run(use_case: UseCase, run: RunRecord, why: str) -> RunRecord:
    """Close the record of a run that was killed, or that nobody went on with; a node that is run again opens it."""
    return save_run(use_case, run.model_copy(update={"state": "failed", "error": why}))


def _annotate(settings: Settings, record: RunRecord, execution_id: int | None) -> None:
    """Say in ML Metadata which task ran the node and which event the run is for."""
    from tfx_pipeline.metadata.annotations import airflow_annotations, annotate_execution, annotate_run

    airflow = airflow_annotations(settings)
    why = {"trigger": record.parameters.trigger, "event_id": record.parameters.event_id}
    of_run = {name: text for name, text in airflow.items() if name != "airflow_task_id"} | why
    if execution_id is not None:
        annotate_execution(settings, execution_id, airflow | why)
    annotate_run(settings, record.run_id, of_run)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 2)
