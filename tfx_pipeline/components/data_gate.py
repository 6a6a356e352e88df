"""DataGate: stops the run when the data breaks the contract. TFX's ExampleValidator only writes anomalies down."""

from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import Artifact, BaseChannel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec

from tfx_pipeline.data_checks.anomalies import read_anomalies
from tfx_pipeline.exceptions import DataRefusedError

ANOMALIES_KEY = "anomalies"


class DataGateExecutor(base_executor.BaseExecutor):
    """Reads the anomalies of every split."""

    def Do(  # noqa: N802 TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Do nothing if there are no anomalies.

        Raises:
            DataRefusedError: naming every feature with its anomaly and split.
        """
        anomalies = artifact_utils.get_single_instance(input_dict[ANOMALIES_KEY])
        problems = [str(anomaly) for anomaly in read_anomalies(Path(anomalies.uri))]
        if problems:
            raise DataRefusedError(problems)


class DataGateSpec(ComponentSpec):
    """It makes nothing; what follows waits for it."""

    PARAMETERS: dict[str, Any] = {}
    INPUTS = {ANOMALIES_KEY: ChannelParameter(type=standard_artifacts.ExampleAnomalies)}
    OUTPUTS: dict[str, ChannelParameter] = {}


class DataGate(base_component.BaseComponent):
    """Between ExampleValidator and Transform."""

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(DataGateExecutor)

    def __init__(self, anomalies: BaseChannel):
        super().__init__(spec=DataGateSpec(anomalies=anomalies))
