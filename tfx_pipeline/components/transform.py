"""TFX's Transform; a small table is analysed and transformed in this process (`local_transform`), without Beam."""

import json
from pathlib import Path
from typing import Any

from tfx.components.transform import component, executor, executor_utils
from tfx.dsl.components.base import executor_spec
from tfx.types import Artifact, artifact_utils, standard_component_specs

from tfx_pipeline.data_checks.schema_history import read_schema
from tfx_pipeline.evaluation.answers import EVAL, TRAIN
from tfx_pipeline.example_files import files_of, is_small
from tfx_pipeline.metadata.provenance import write_own_code
from tfx_pipeline.training.columns import Columns, columns_from
from tfx_pipeline.training.local_transform import LocalTransform
from tfx_pipeline.training.own_preprocessing import own_inputs, preprocessing_from, write_own_inputs
from tfx_pipeline.training.vocabularies import (
    VOCABULARIES_KEY,
    LearntVocabulary,
    features_to_learn,
    learn_in_process,
    learn_on_beam,
    learnt_in,
    write_vocabularies,
)

CONFIG = standard_component_specs.CUSTOM_CONFIG_KEY
LEARNT_PROPERTY = "learnt"
"""The custom property of the transform graph that says what vocabularies were learnt; empty where there is none."""
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
        config = json.loads(exec_properties[CONFIG])
        columns, own, small = columns_from(config), preprocessing_from(config), is_small(examples)
        taken = [columns.label, *(cross.name for cross in columns.crosses)]
        inputs = () if own is None else own_inputs(own, columns.features, taken)
        learnt = self._vocabularies(columns, files_of(examples, TRAIN), small)
        artifact = artifact_utils.get_single_instance(output_dict[standard_component_specs.TRANSFORM_GRAPH_KEY])
        artifact.set_string_custom_property(LEARNT_PROPERTY, ", ".join(f"{name} {one}" for name, one in learnt.items()))
        if own is not None:
            write_own_code(artifact, {own.name: own.sha256})
        vocabularies = {name: one.values for name, one in learnt.items()}
        if not small:
            known = json.dumps({**config, VOCABULARIES_KEY: json.dumps(vocabularies)})
            super().Do(input_dict, output_dict, {**exec_properties, CONFIG: known})
            write_vocabularies(vocabularies, Path(artifact.uri))
            write_own_inputs(inputs, Path(artifact.uri))
            return
        schema = read_schema(artifact_utils.get_single_uri(input_dict[standard_component_specs.SCHEMA_KEY]))
        transformed = output_dict[standard_component_specs.TRANSFORMED_EXAMPLES_KEY]
        executor_utils.SetSplitNames([TRAIN, EVAL], transformed)
        local = LocalTransform(columns, schema, vocabularies, own)
        preprocess = local.write_graph(files_of(examples, TRAIN), Path(artifact.uri))
        write_vocabularies(vocabularies, Path(artifact.uri))
        write_own_inputs(inputs, Path(artifact.uri))
        for split in (TRAIN, EVAL):
            target = Path(artifact_utils.get_split_uri(transformed, split)) / FILE_NAME
            local.write_examples(preprocess, files_of(examples, split), target)

    def _vocabularies(self, columns: Columns, train: list[str], small: bool) -> dict[str, LearntVocabulary]:
        if small or not features_to_learn(columns):
            return learn_in_process(columns, train)
        folder = Path(self._get_tmp_dir()) / "vocabularies"
        folder.mkdir(parents=True, exist_ok=True)
        with self._make_beam_pipeline() as pipeline:
            learn_on_beam(columns, train, pipeline, folder)
        return learnt_in(columns, folder)


class Transform(component.Transform):
    """The node; its id is `Transform`."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(TransformExecutor)
