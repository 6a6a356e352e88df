"""Single nodes of the pipeline on examples of a generated month, in this process or through Beam."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import artifact_utils, standard_artifacts

from lakeloop.added_columns import with_label
from lakeloop.drawn_rows import sample_period
from lakeloop.exported import column_types
from lakeloop.use_case import UseCase
from tests.exports import as_exported
from tfx_pipeline import example_files
from tfx_pipeline.components.example_gen import write_examples
from tfx_pipeline.components.transform import TransformExecutor
from tfx_pipeline.data_checks.schema import save_schema
from tfx_pipeline.pipeline import BEAM_FLAGS, PREPROCESSING_FN
from tfx_pipeline.training.columns import custom_config

SPLITS = ("train", "eval")
FLOAT32 = 2e-6
"""Some units in a 32-bit float's last place: by so much Beam's own sums differ with the order of their batches."""


def artifact(kind: Any, uri: Path) -> Any:
    made = kind()
    made.uri = str(uri)
    uri.mkdir(parents=True, exist_ok=True)
    return made


def examples_of(use_case: UseCase, folder: Path) -> Any:
    """A generated month as an Examples artifact."""
    contract = use_case.contract
    examples = artifact(standard_artifacts.Examples, folder / "examples")
    examples.split_names, examples.span = artifact_utils.encode_split_names(list(SPLITS)), 0
    rows = as_exported(contract, with_label(contract, sample_period(use_case, 0)))
    for split in SPLITS:
        held_out = rows[contract.key.column].map(contract.split.is_eval) == (split == "eval")
        shard = folder / f"{split}.csv"
        rows[held_out][list(column_types(contract))].to_csv(shard, index=False)
        write_examples(shard, folder / "examples" / f"Split-{split}" / "data.gz", column_types(contract))
    return examples


def done(executor: type[BaseBeamExecutor], inputs: Any, outputs: Any, properties: Any, temporary: Path) -> None:
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=list(BEAM_FLAGS), tmp_dir=str(temporary), unique_id="1", executor_output_uri=""
    )
    executor(context).Do(inputs, outputs, properties)


def transformed_both_ways(
    use_case: UseCase, folder: Path, config: dict[str, str] | None = None
) -> dict[str, tuple[Path, Path]]:
    """Graph and transformed examples of a month, by the way they were made: `here` and `beam`."""
    contract, examples = use_case.contract, examples_of(use_case, folder)
    schema = artifact(standard_artifacts.Schema, folder / "schema")
    save_schema(contract, folder).rename(folder / "schema" / "schema.pbtxt")
    properties = {
        "preprocessing_fn": PREPROCESSING_FN,
        "custom_config": json.dumps(custom_config(contract) | (config or {})),
        "disable_statistics": 1,
        "force_tf_compat_v1": 0,
    }
    made = {}
    for way, most in (("here", example_files.SMALL_BYTES), ("beam", 0)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(example_files, "SMALL_BYTES", most)
            graph = artifact(standard_artifacts.TransformGraph, folder / way / "graph")
            rows = artifact(standard_artifacts.Examples, folder / way / "rows")
            inputs = {"examples": [examples], "schema": [schema]}
            outputs = {"transform_graph": [graph], "transformed_examples": [rows]}
            done(TransformExecutor, inputs, outputs, properties, folder / way / "tmp")
        assert sorted(artifact_utils.decode_split_names(rows.split_names)) == sorted(SPLITS)
        made[way] = (Path(graph.uri), Path(rows.uri))
    return made


def sorted_rows(folder: Path, spec: dict[str, Any]) -> np.ndarray:
    """(rows, values), rows in the order of their values."""
    records = tf.data.TFRecordDataset([str(path) for path in folder.iterdir()], compression_type="GZIP")
    parsed = tf.io.parse_example(list(records.as_numpy_iterator()), spec)
    columns = [np.reshape(parsed[name], (len(parsed[name]), -1)).astype(np.float64) for name in sorted(parsed)]
    rows = np.concatenate(columns, axis=1)
    return rows[np.lexsort(np.round(rows, 3).T)]
