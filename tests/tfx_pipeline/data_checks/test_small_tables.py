"""What a small table's nodes make in one process is what TFX makes of it through Beam."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_transform as tft
from google.protobuf import json_format
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import artifact_utils, standard_artifacts

from lakeloop.contract import Contract
from lakeloop.exported import column_types
from lakeloop.use_case import UseCase, sample_month, with_label
from tests.exports import settings_in
from tfx_pipeline.components.example_gen import write_examples
from tfx_pipeline.components.statistics_gen import StatisticsGenExecutor
from tfx_pipeline.components.transform import TransformExecutor
from tfx_pipeline.data_checks import small_tables
from tfx_pipeline.data_checks.schema import save_schema
from tfx_pipeline.data_checks.statistics import FILE_NAME
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
    rows = with_label(contract, sample_month(use_case, 0))
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


def test_statistics_are_those_that_beam_counts(
    churn: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = examples_of(UseCase(settings_in(tmp_path, "churn"), churn), tmp_path)
    options = tfdv.StatsOptions(feature_allowlist=[*churn.features, churn.label.name])
    found = {}
    for way, most in (("here", small_tables.SMALL_BYTES), ("beam", 0)):
        monkeypatch.setattr(small_tables, "SMALL_BYTES", most)
        made = artifact(standard_artifacts.ExampleStatistics, tmp_path / way)
        properties = {"stats_options_json": options.to_json(), "exclude_splits": "[]"}
        done(StatisticsGenExecutor, {"examples": [examples]}, {"statistics": [made]}, properties, tmp_path / "tmp")
        files = {split: Path(made.uri) / f"Split-{split}" / FILE_NAME for split in SPLITS}
        read = statistics_pb2.DatasetFeatureStatisticsList.FromString
        counted = {split: json_format.MessageToDict(read(path.read_bytes())) for split, path in files.items()}
        told = {name: made.get_json_value_custom_property(name) for name in ("sample_rate_by_split",)}
        found[way] = (counted, told, made.split_names, made.span)
    assert_close(found["here"], found["beam"], 1e-12)
    assert len(found["here"][0]["train"]["datasets"][0]["features"]) == len(churn.features) + 1


def assert_close(here: Any, there: Any, tolerance: float, where: str = "") -> None:
    """Equal, but for the last digits of floats."""
    if isinstance(here, dict):
        assert here.keys() == there.keys(), where
        for key in here:
            assert_close(here[key], there[key], tolerance, f"{where}.{key}")
    elif isinstance(here, list | tuple):
        assert len(here) == len(there), where
        for number, (a, b) in enumerate(zip(here, there, strict=True)):
            assert_close(a, b, tolerance, f"{where}[{number}]")
    elif isinstance(here, float):
        assert here == pytest.approx(there, rel=tolerance), where
    else:
        assert here == there, where


@pytest.fixture(scope="module")
def transformed(tmp_path_factory: pytest.TempPathFactory, contract: Contract) -> dict[str, tuple[Path, Path]]:
    """Graph and transformed examples of one month, by the way they were made; one feature is one-hot."""
    folder = tmp_path_factory.mktemp("transform")
    categorical = contract.features["training"].model_copy(update={"role": "categorical"})
    one_hot = contract.model_copy(update={"features": {**contract.features, "training": categorical}})
    examples = examples_of(UseCase(settings_in(folder, "insurance"), one_hot), folder)
    schema = artifact(standard_artifacts.Schema, folder / "schema")
    save_schema(one_hot, folder).rename(folder / "schema" / "schema.pbtxt")
    properties = {
        "preprocessing_fn": PREPROCESSING_FN,
        "custom_config": json.dumps(custom_config(one_hot)),
        "disable_statistics": 1,
        "force_tf_compat_v1": 0,
    }
    made = {}
    for way, most in (("here", small_tables.SMALL_BYTES), ("beam", 0)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(small_tables, "SMALL_BYTES", most)
            graph = artifact(standard_artifacts.TransformGraph, folder / way / "graph")
            rows = artifact(standard_artifacts.Examples, folder / way / "rows")
            inputs = {"examples": [examples], "schema": [schema]}
            outputs = {"transform_graph": [graph], "transformed_examples": [rows]}
            done(TransformExecutor, inputs, outputs, properties, folder / way / "tmp")
        assert sorted(artifact_utils.decode_split_names(rows.split_names)) == sorted(SPLITS)
        made[way] = (Path(graph.uri), Path(rows.uri))
    return made


def test_a_transform_graph_has_the_same_columns_and_gives_the_same_values(
    transformed: dict[str, tuple[Path, Path]],
) -> None:
    outputs = {way: tft.TFTransformOutput(str(graph)) for way, (graph, _) in transformed.items()}
    here, beam = outputs["here"], outputs["beam"]
    assert here.transformed_metadata.schema == beam.transformed_metadata.schema
    assert here.raw_metadata.schema == beam.raw_metadata.schema
    raw = {
        "training": tf.constant([0, 1, 7], tf.int64),
        "emergency_braking": tf.constant([1, 0, 0], tf.int64),
        "group": tf.constant([0, 1, 2], tf.int64),
        **{name: tf.constant([0.0, 33.3, 1e6]) for name in ("age", "braking_distance", "power", "miles")},
    }
    values = {way: output.transform_features_layer()(dict(raw)) for way, output in outputs.items()}
    assert values["here"].keys() == values["beam"].keys()
    for name, found in values["here"].items():
        np.testing.assert_allclose(found, values["beam"][name], rtol=FLOAT32, atol=FLOAT32, err_msg=name)
    assert values["here"]["training_x"].numpy().tolist() == [[1, 0], [0, 1], [0, 0]]


def test_transformed_examples_are_the_same(transformed: dict[str, tuple[Path, Path]]) -> None:
    spec = tft.TFTransformOutput(str(transformed["here"][0])).transformed_feature_spec()
    for split in SPLITS:
        rows = {way: sorted_rows(folder / f"Split-{split}", spec) for way, (_, folder) in transformed.items()}
        assert rows["here"].shape == rows["beam"].shape and len(rows["here"])
        np.testing.assert_allclose(rows["here"], rows["beam"], rtol=FLOAT32, atol=FLOAT32)


def sorted_rows(folder: Path, spec: dict[str, Any]) -> np.ndarray:
    """(rows, values), rows in the order of their values."""
    records = tf.data.TFRecordDataset([str(path) for path in folder.iterdir()], compression_type="GZIP")
    parsed = tf.io.parse_example(list(records.as_numpy_iterator()), spec)
    columns = [np.reshape(parsed[name], (len(parsed[name]), -1)).astype(np.float64) for name in sorted(parsed)]
    rows = np.concatenate(columns, axis=1)
    return rows[np.lexsort(np.round(rows, 3).T)]
