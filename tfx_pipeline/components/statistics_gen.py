"""TFX's StatisticsGen; a small table is counted in this process, by the same code of TFDV, without Beam around it."""

from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.components.statistics_gen import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.types import Artifact, artifact_utils, standard_component_specs
from tfx.utils import json_utils
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from tfx_pipeline.data_checks.statistics import FILE_NAME
from tfx_pipeline.example_files import files_of, is_small, records


class StatisticsGenExecutor(executor.Executor):
    """Counts each split whole."""

    def Do(  # noqa: N802 TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write the statistics of every split, with the properties that TFX gives them."""
        examples = input_dict[standard_component_specs.EXAMPLES_KEY]
        if not is_small(examples):
            super().Do(input_dict, output_dict, exec_properties)
            return
        splits = artifact_utils.decode_split_names(examples[0].split_names)
        statistics = artifact_utils.get_single_instance(output_dict[standard_component_specs.STATISTICS_KEY])
        statistics.split_names = artifact_utils.encode_split_names(splits)
        statistics.span = examples[0].span
        statistics.set_string_custom_property(executor.STATS_DASHBOARD_LINK, "")
        rates = json_utils.dumps(dict.fromkeys(splits, 1.0))
        statistics.set_json_value_custom_property(executor.SAMPLE_RATE_BY_SPLIT_PROPERTY_NAME, rates)
        options = tfdv.StatsOptions.from_json(exec_properties[standard_component_specs.STATS_OPTIONS_JSON_KEY])
        for split in splits:
            target = Path(artifact_utils.get_split_uri([statistics], split)) / FILE_NAME
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(statistics_of(files_of(examples, split), options).SerializeToString())


def statistics_of(files: list[str], options: tfdv.StatsOptions) -> statistics_pb2.DatasetFeatureStatisticsList:
    """What TFDV counts in examples."""
    examples = list(records(files).as_numpy_iterator())
    return generate_statistics_in_memory(ExamplesToRecordBatchDecoder().DecodeBatch(examples), options)


class StatisticsGen(component.StatisticsGen):
    """The node; its id is `StatisticsGen`."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(StatisticsGenExecutor)
