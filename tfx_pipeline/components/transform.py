"""TFX's Transform; a small table is analysed and transformed in this process (`local_transform`), without Beam."""

import json
from pathlib import Path
from typing import Any

from tfx.components.transform import component, executor, executor_utils
from tfx.dsl.components.base import executor_spec
from tfx.types import Artifact, artifact_utils, standard_component_specs

from tfx_pipeline.data_checks.schema_history import read_schema
from tfx_pipeline.data_checks.small_tables import files_of, is_small
from tfx_pipeline.evaluation.gate import EVAL, TRAIN
from tfx_pipeline.training.columns import columns_from
from tfx_pipeline.training.local_transform import LocalTransform

FILE_NAME = "transformed_examples-00000-of-00001.gz"


class TransformExecutor(executor.Executor):
    """Analyses the train split and transforms both."""

    def Do(  # noqa: N802 TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write the graph and the transformed examples where TFX writes them."""
        examples = input_dict[standard_component_specs.EXAMPLES_KEY]
        if not is_small(examples):
            super().Do(input_dict, output_dict, exec_properties)
            return
        config = json.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        schema = read_schema(artifact_utils.get_single_uri(input_dict[standard_component_specs.SCHEMA_KEY]))
        graph = Path(artifact_utils.get_single_uri(output_dict[standard_component_specs.TRANSFORM_GRAPH_KEY]))
        transformed = output_dict[standard_component_specs.TRANSFORMED_EXAMPLES_KEY]
        executor_utils.SetSplitNames([TRAIN, EVAL], transformed)
        local = LocalTransform(columns_from(config), schema)
        preprocess = local.write_graph(files_of(examples, TRAIN), graph)
        for split in (TRAIN, EVAL):
            target = Path(artifact_utils.get_split_uri(transformed, split)) / FILE_NAME
            local.write_examples(preprocess, files_of(examples, split), target)


class Transform(component.Transform):
    """The node; its id is `Transform`."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(TransformExecutor)
