"""What a small table's nodes make in one process is what TFX makes of it through Beam."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_transform as tft
from google.protobuf import json_format
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.types import standard_artifacts

from lakeloop.contract import Contract
from lakeloop.use_case import UseCase
from tests.exports import settings_in
from tests.tfx_pipeline.nodes import FLOAT32, SPLITS, artifact, done, examples_of, sorted_rows, transformed_both_ways
from tfx_pipeline import example_files
from tfx_pipeline.components.statistics_gen import StatisticsGenExecutor
from tfx_pipeline.data_checks.statistics import FILE_NAME


def test_statistics_are_those_that_beam_counts(
    churn: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = examples_of(UseCase(settings_in(tmp_path, "churn"), churn), tmp_path)
    options = tfdv.StatsOptions(feature_allowlist=[*churn.features, churn.label.name])
    found = {}
    for way, most in (("here", example_files.SMALL_BYTES), ("beam", 0)):
        monkeypatch.setattr(example_files, "SMALL_BYTES", most)
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
    return transformed_both_ways(UseCase(settings_in(folder, "insurance"), one_hot), folder)


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
