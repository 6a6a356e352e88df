"""TFX's Tuner, with the run's model settings and number of trials as execution properties."""

import json
from typing import Any

from tfx.components.tuner import executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import trainer_pb2
from tfx.types import Artifact, BaseChannel, Channel, standard_artifacts, standard_component_specs
from tfx.types.component_spec import ExecutionParameter

from tfx_pipeline.components.trainer import CONFIG, SETTINGS
from tfx_pipeline.runs import parameters as p
from tfx_pipeline.training.trainer import BALANCE_KEY, DROP_KEY, MODEL_KEY
from tfx_pipeline.training.tuner import DECIDES_KEY, TRIALS_KEY

TUNER_FN = "tfx_pipeline.training.tuner.tuner_fn"


class SettingsTunerExecutor(executor.Executor):
    """Hands the model settings to `tuner_fn` and keeps KerasTuner from printing."""

    def Do(  # noqa: N802 TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Search, then write the best hyper-parameters and every trial."""
        config = json.loads(exec_properties[CONFIG])
        config |= {
            MODEL_KEY: exec_properties[SETTINGS],
            DROP_KEY: exec_properties[p.DROP],
            BALANCE_KEY: exec_properties[p.BALANCE],
            TRIALS_KEY: exec_properties[p.TRIALS],
        }
        properties = {**exec_properties, CONFIG: json.dumps(config)}
        tuner = executor.search(input_dict, properties, self._get_tmp_dir(), print_tuning_summary=False)
        executor.write_best_hyperparameters(tuner, output_dict)


class SettingsTunerSpec(standard_component_specs.TunerSpec):
    """TFX's, plus the run parameters."""

    PARAMETERS = {
        **standard_component_specs.TunerSpec.PARAMETERS,
        SETTINGS: ExecutionParameter(type=str),
        p.DROP: ExecutionParameter(type=str),
        p.BALANCE: ExecutionParameter(type=str),
        p.TRIALS: ExecutionParameter(type=str),
    }


class SettingsTuner(base_component.BaseComponent):
    """Between Transform and Trainer; runs only where a run asks for trials."""

    SPEC_CLASS = SettingsTunerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(SettingsTunerExecutor)

    def __init__(
        self,
        examples: BaseChannel,
        transform_graph: BaseChannel,
        schema: BaseChannel,
        model_settings: RuntimeParameter,
        drop: RuntimeParameter,
        balance: RuntimeParameter,
        trials: RuntimeParameter,
        decides: str,
        custom_config: dict[str, str],
    ):
        super().__init__(
            spec=SettingsTunerSpec(
                examples=examples,
                transform_graph=transform_graph,
                schema=schema,
                tuner_fn=TUNER_FN,
                train_args=trainer_pb2.TrainArgs(),
                eval_args=trainer_pb2.EvalArgs(),
                custom_config=json.dumps(custom_config | {DECIDES_KEY: decides}),
                model_settings=model_settings,
                drop=drop,
                balance=balance,
                trials=trials,
                best_hyperparameters=Channel(type=standard_artifacts.HyperParameters),
                tuner_results=Channel(type=standard_artifacts.TunerResults),
            )
        )
