"""TFX's DistributionValidator, which also tells of numbers without limits that leave the champion's rows far behind."""

import json
from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.components.distribution_validator import executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import distribution_validator_pb2
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils, standard_artifacts, standard_component_specs
from tfx.types.component_spec import ExecutionParameter
from tfx.utils import json_utils

from tfx_pipeline.data_checks.anomalies import FILE_NAME
from tfx_pipeline.data_checks.learnt_limits import outside, tell
from tfx_pipeline.data_checks.statistics import read_statistics
from tfx_pipeline.evaluation.answers import TRAIN

UNLIMITED_KEY = "unlimited"


class DistributionValidatorExecutor(executor.Executor):
    """Compares distributions, then the ends of numbers for which the contract states none."""

    def Do(  # noqa: N802 TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> Any:
        """Write the anomalies of every pair of splits."""
        done = super().Do(input_dict, output_dict, exec_properties)
        names = json.loads(exec_properties[UNLIMITED_KEY])
        baseline = input_dict[standard_component_specs.BASELINE_STATISTICS_KEY]
        if names and baseline:
            found = artifact_utils.get_single_instance(input_dict[standard_component_specs.STATISTICS_KEY])
            anomalies = artifact_utils.get_single_instance(output_dict[standard_component_specs.ANOMALIES_KEY])
            trained = read_statistics(artifact_utils.get_single_instance(baseline).uri)[TRAIN]
            for split, columns in read_statistics(found.uri).items():
                for file in Path(anomalies.uri).glob(f"SplitPair-{split}_*/{FILE_NAME}"):
                    written = anomalies_pb2.Anomalies.FromString(file.read_bytes())
                    tell(written, outside(names, trained, columns))
                    file.write_bytes(written.SerializeToString())
        return done


class DistributionValidatorSpec(standard_component_specs.DistributionValidatorSpec):
    """TFX's, plus the numbers that may be anything by the contract, as JSON."""

    PARAMETERS = {
        **standard_component_specs.DistributionValidatorSpec.PARAMETERS,
        UNLIMITED_KEY: ExecutionParameter(type=str),
    }


class DistributionValidator(base_component.BaseComponent):
    """The node; its id is `DistributionValidator`."""

    SPEC_CLASS = DistributionValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(DistributionValidatorExecutor)

    def __init__(
        self,
        statistics: BaseChannel,
        baseline_statistics: BaseChannel,
        config: distribution_validator_pb2.DistributionValidatorConfig,
        unlimited: list[str],
    ):
        super().__init__(
            spec=DistributionValidatorSpec(
                statistics=statistics,
                baseline_statistics=baseline_statistics,
                distribution_validator_config=config,
                include_split_pairs=json_utils.dumps(None),
                unlimited=json.dumps(unlimited),
                anomalies=Channel(type=standard_artifacts.ExampleAnomalies),
            )
        )
