"""What the platform says in ML Metadata beside what TFX writes: who ran a node, which decision, and who overruled.

Annotations are custom properties (texts) on the run's context, on each execution and on the gate's blessing, so that
one query leads from a model to the task that made it and to the person who wanted it.
"""

from collections.abc import Mapping

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.settings import Settings
from tfx_pipeline.metadata.store import BLESSED_PROPERTY, GATE_PROPERTY, open_store
from tfx_pipeline.runs.run_record import RunRecord

RUN_CONTEXT = "pipeline_run"
GATE_NODE = "QualityGate"
OVERRULED_BY = "overruled_by"


def airflow_annotations(settings: Settings) -> dict[str, str]:
    """Airflow's names for what is running now; {} outside of Airflow."""
    names = {
        "airflow_dag_id": settings.airflow_dag_id,
        "airflow_run_id": settings.airflow_run_id,
        "airflow_task_id": settings.airflow_task_id,
    }
    return {name: value for name, value in names.items() if value}


def annotate_execution(settings: Settings, execution_id: int, annotations: Mapping[str, str]) -> None:
    """Annotate one execution."""
    if not annotations:
        return
    with open_store(settings) as store:
        (execution,) = store.get_executions_by_id([execution_id])
        _write(execution.custom_properties, annotations)
        store.put_executions([execution])


def annotate_run(settings: Settings, run_id: str, annotations: Mapping[str, str]) -> None:
    """Annotate a run's context; nothing where no node of the run has started, or where it says so already."""
    with open_store(settings) as store:
        context = store.get_context_by_type_and_name(RUN_CONTEXT, run_id)
        if context is None:
            return
        known = context.custom_properties
        if all(name in known and known[name].string_value == text for name, text in annotations.items()):
            return  # each node of a run says the same, and a write takes longer than all the rest
        _write(known, annotations)
        store.put_contexts([context])


def overrule_the_gate(settings: Settings, record: RunRecord, by: str, at: str, why: str) -> None:
    """Bless a refused model because a person wants it: the blessing says who, when and why; the checks stay.

    Raises:
        WrongUseError: the gate gave no verdict on this run's model.
        NotFoundError: its blessing is not in ML Metadata.
    """
    node = record.node(GATE_NODE)
    if node is None or node.execution_id is None or record.gate is None:
        raise WrongUseError(
            f"run {record.run_id} has no verdict of the gate, so there is no model that could be promoted"
        )
    with open_store(settings) as store:
        made = [event.artifact_id for event in store.get_events_by_execution_ids([node.execution_id])]
        for blessing in store.get_artifacts_by_id(made):
            properties = blessing.custom_properties
            if GATE_PROPERTY not in properties or properties[GATE_PROPERTY].string_value == "":
                continue
            if properties[BLESSED_PROPERTY].int_value == 1:
                return
            properties[BLESSED_PROPERTY].int_value = 1
            _write(properties, {OVERRULED_BY: by, "overruled_at": at, "overruled_why": why})
            store.put_artifacts([blessing])
            return
    raise NotFoundError(f"the blessing of run {record.run_id} is not in ML Metadata")


def outputs_of(store: metadata_store.MetadataStore, execution_id: int) -> list[str]:
    """What an execution made or took from the cache, a text each: `Model 12 /…/model/7`."""
    makes = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.INTERNAL_OUTPUT)
    made = [e.artifact_id for e in store.get_events_by_execution_ids([execution_id]) if e.type in makes]
    return [f"{artifact.type} {artifact.id} {artifact.uri}" for artifact in store.get_artifacts_by_id(made)]


def _write(properties: "Mapping[str, metadata_store_pb2.Value]", annotations: Mapping[str, str]) -> None:
    for name, text in annotations.items():
        properties[name].string_value = text
