"""TFX's Trainer, with the run's model settings as execution properties.

Its model carries the export's provenance and what it was trained with.
"""

import json
from pathlib import Path
from typing import Any

from tfx.components.trainer import executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import trainer_pb2
from tfx.types import (
    Artifact,
    BaseChannel,
    Channel,
    artifact_utils,
    standard_artifacts,
    standard_component_specs,
)
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from lakeloop.contract import ModelSettings, read_model_settings
from lakeloop.threshold import Threshold
from tfx_pipeline.components.gold_export import EXPORT_KEY, GoldExportArtifact
from tfx_pipeline.evaluation.answers import EVAL, TRAIN
from tfx_pipeline.metadata.provenance import read_own_code, read_provenance, write_own_code, write_provenance
from tfx_pipeline.runs import parameters as p
from tfx_pipeline.runs.run_record import Trained
from tfx_pipeline.training.own_model import RAW_EVAL_KEY, model_from
from tfx_pipeline.training.trainer import (
    BALANCE_KEY,
    DROP_KEY,
    MODEL_KEY,
    RAW_TRAIN_KEY,
    TRAINED_FILE,
    WEIGHTING_KEY,
    WEIGHTS_KEY,
)

RUN_FN = "tfx_pipeline.training.trainer.run_fn"
SETTINGS = "model_settings"  # not `model`: that is the output's key
RAW_EXAMPLES = "raw_examples"
CONFIG = standard_component_specs.CUSTOM_CONFIG_KEY
TRAINED_SETTINGS, BALANCE, TRAINED_ROWS, CLASS_WEIGHTS = "trained_settings", "balance", "trained_rows", "class_weights"
THRESHOLD = "threshold"


class StampedTrainerExecutor(executor.GenericExecutor):
    """Hands the model settings to `run_fn` in its `custom_config`."""

    def Do(  # noqa: N802 TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Train, then write on the model where its rows came from and what it was trained with."""
        export = artifact_utils.get_single_instance(input_dict[EXPORT_KEY])
        config = json.loads(exec_properties[CONFIG])
        config |= {
            MODEL_KEY: exec_properties[SETTINGS],
            DROP_KEY: exec_properties[p.DROP],
            BALANCE_KEY: exec_properties[p.BALANCE],
            WEIGHTING_KEY: exec_properties[p.WEIGHTING],
            WEIGHTS_KEY: exec_properties[p.WEIGHTS],
            RAW_TRAIN_KEY: artifact_utils.get_split_uri(input_dict[RAW_EXAMPLES], TRAIN),
            RAW_EVAL_KEY: artifact_utils.get_split_uri(input_dict[RAW_EXAMPLES], EVAL),
        }
        super().Do(input_dict, output_dict, {**exec_properties, CONFIG: json.dumps(config)})
        model = artifact_utils.get_single_instance(output_dict[standard_component_specs.MODEL_KEY])
        write_provenance(model, read_provenance(export))
        graph = artifact_utils.get_single_instance(input_dict[standard_component_specs.TRANSFORM_GRAPH_KEY])
        own = model_from(config)
        had_a_part = read_own_code(export) | read_own_code(graph)
        write_own_code(model, had_a_part | ({} if own is None else {own.name: own.sha256}))
        run = artifact_utils.get_single_instance(output_dict[standard_component_specs.MODEL_RUN_KEY])
        _write_trained(model, read_trained(Path(run.uri)))


def read_trained(model_run: Path) -> Trained:
    """What a model was trained with, as `run_fn` left it beside the history."""
    return Trained.model_validate_json((model_run / TRAINED_FILE).read_text(encoding="utf-8"))


def trained_settings(model: Artifact) -> ModelSettings:
    """The settings a model was really trained with: where the Tuner ran, not those of the run's parameters."""
    return read_model_settings(model.get_string_custom_property(TRAINED_SETTINGS))


def trained_threshold(model: Artifact) -> Threshold | None:
    """From which probability on a model answers a class; None where it answers the most probable one, or a number."""
    text = model.get_string_custom_property(THRESHOLD)
    return Threshold.model_validate_json(text) if text else None


def _write_trained(model: Artifact, trained: Trained) -> None:
    model.set_string_custom_property(TRAINED_SETTINGS, trained.settings.model_dump_json())
    model.set_string_custom_property(BALANCE, trained.balance)
    if trained.rows is not None:
        model.set_int_custom_property(TRAINED_ROWS, trained.rows)
        model.set_string_custom_property(CLASS_WEIGHTS, json.dumps(trained.class_weights))
    if trained.threshold is not None:
        model.set_string_custom_property(THRESHOLD, trained.threshold.model_dump_json())


class StampedTrainerSpec(standard_component_specs.TrainerSpec):
    """TFX's, plus the export, the run parameters, and the raw examples, whose rows have keys to find weights by.

    `custom_config` as a whole would have to be one runtime parameter; as properties of their own the settings can
    be queried in ML Metadata.
    """

    PARAMETERS = {
        **standard_component_specs.TrainerSpec.PARAMETERS,
        SETTINGS: ExecutionParameter(type=str),
        p.DROP: ExecutionParameter(type=str),
        p.BALANCE: ExecutionParameter(type=str),
        p.WEIGHTING: ExecutionParameter(type=str),
        p.WEIGHTS: ExecutionParameter(type=str),
    }
    INPUTS = {
        **standard_component_specs.TrainerSpec.INPUTS,
        EXPORT_KEY: ChannelParameter(type=GoldExportArtifact),
        RAW_EXAMPLES: ChannelParameter(type=standard_artifacts.Examples),
    }


class StampedTrainer(base_component.BaseComponent):
    """The Trainer node; its id is `Trainer`."""

    SPEC_CLASS = StampedTrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(StampedTrainerExecutor)

    def __init__(
        self,
        export: BaseChannel,
        examples: BaseChannel,
        raw_examples: BaseChannel,
        transform_graph: BaseChannel,
        schema: BaseChannel,
        statistics: BaseChannel,
        hyperparameters: BaseChannel,
        model_settings: RuntimeParameter,
        drop: RuntimeParameter,
        balance: RuntimeParameter,
        weighting: RuntimeParameter,
        weights: RuntimeParameter,
        custom_config: dict[str, str],
    ):
        super().__init__(
            spec=StampedTrainerSpec(
                export=export,
                examples=examples,
                raw_examples=raw_examples,
                transform_graph=transform_graph,
                schema=schema,
                statistics=statistics,
                hyperparameters=hyperparameters,
                run_fn=RUN_FN,
                train_args=trainer_pb2.TrainArgs(),
                eval_args=trainer_pb2.EvalArgs(),
                custom_config=json.dumps(custom_config),
                model_settings=model_settings,
                drop=drop,
                balance=balance,
                weighting=weighting,
                weights=weights,
                model=Channel(type=standard_artifacts.Model),
                model_run=Channel(type=standard_artifacts.ModelRun),
            )
        )
