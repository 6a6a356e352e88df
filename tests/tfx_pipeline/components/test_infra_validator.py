"""InfraValidator on small SavedModels, each in a real model server."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from lakeloop.settings import load_settings
from lakeloop.warm_process import start_warm, wait_for_server
from tests.waiting import eventually

CLIENT = {"name": "small", "columns": {"x": "float", "n": "int", "s": "string"}, "class_names": ["low", "high"]}


def save(folder: Path, classify_differs: bool = False) -> None:
    """A model with the pipeline's signatures whose answer depends on all three columns."""
    import tensorflow as tf

    features = {name: tf.io.FixedLenFeature([], kind) for name, kind in zip("xns", _types(tf), strict=True)}

    class Small(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable(0.5)

        def probabilities(self, x: Any, n: Any, s: Any) -> Any:
            length = tf.cast(tf.strings.length(s), tf.float32)
            high = tf.sigmoid(self.weight * x - tf.cast(n, tf.float32) + length)
            return tf.stack([1 - high, high], axis=1)

        @tf.function
        def serve(self, x: Any, n: Any, s: Any) -> dict[str, Any]:
            given = self.probabilities(x, n, s)
            return {"probabilities": given, "class_id": tf.argmax(given, 1)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def classify(self, inputs: Any) -> dict[str, Any]:
            scores = self.probabilities(**tf.io.parse_example(inputs, features))
            scores = tf.reverse(scores, [1]) if classify_differs else scores
            return {"classes": tf.broadcast_to(tf.constant([["low", "high"]]), tf.shape(scores)), "scores": scores}

    model = Small()
    specs = {name: tf.TensorSpec([None], kind, name=name) for name, kind in zip("xns", _types(tf), strict=True)}
    signatures = {"serving_default": model.serve.get_concrete_function(**specs), "classify": model.classify}
    tf.saved_model.save(model, str(folder), signatures=signatures)


def _types(tf: Any) -> tuple[Any, ...]:
    return tf.float32, tf.int64, tf.string


@pytest.fixture
def validate(tmp_path: Path) -> Callable[[Path], Any]:
    """Runs the executor on ten eval rows and gives the blessing."""
    import tensorflow as tf
    from tfx.types import standard_artifacts

    from tfx_pipeline.components.infra_validator import InfraValidatorExecutor

    split = tmp_path / "examples" / "Split-eval"
    split.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(split / "data.gz"), "GZIP") as writer:
        for number in range(10):
            example = tf.train.Example()
            example.features.feature["x"].float_list.value.append(number)
            example.features.feature["n"].int64_list.value.append(number % 3)
            example.features.feature["s"].bytes_list.value.append("ü".encode() * (number % 2))
            writer.write(example.SerializeToString())

    def run(model_folder: Path) -> Any:
        examples, model = standard_artifacts.Examples(), standard_artifacts.Model()
        blessing = standard_artifacts.InfraBlessing()
        examples.uri, examples.split_names = str(split.parent), '["eval"]'
        model.uri, blessing.uri = str(model_folder), str(tmp_path / "blessing")
        given = {"examples": [examples], "model": [model]}
        InfraValidatorExecutor().Do(given, {"blessing": [blessing]}, {"client": json.dumps(CLIENT)})
        return blessing

    return run


def test_model_that_answers_alike_both_ways_is_blessed_by_a_server_of_its_own(
    validate: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tfx_pipeline.runs.results import describe

    monkeypatch.setattr("tfx_pipeline.evaluation.model_server.start_warm", start_warm)  # there is no warm one
    save(tmp_path / "model" / "Format-Serving")
    blessing = validate(tmp_path / "model")
    assert blessing.get_int_custom_property("blessed") == 1
    assert (Path(blessing.uri) / "INFRA_BLESSED").is_file()
    assert describe("InfraValidator", {"blessing": [blessing]}) == ("the model server answered 10 rows", {})


@pytest.fixture(scope="module")
def warm_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home has a warm server, whose forks are ready in no time; what it logs."""
    home = tmp_path_factory.mktemp("warm")
    log = home / "warm.log"
    with pytest.MonkeyPatch.context() as patch, log.open("w") as output:
        patch.setenv("LAKELOOP_HOME", str(home / "home"))
        patch.setattr("tfx_pipeline.evaluation.model_server.start_warm", partial(start_warm, patience=240))
        warm = subprocess.Popen([sys.executable, "-m", "console.cli.warm_server"], stdout=output, stderr=output)
        try:
            assert wait_for_server(load_settings(), 240)
            yield log
        finally:
            warm.kill()
            warm.wait()


def test_the_model_server_is_a_fork_of_the_homes_warm_one_where_that_is_ready(
    warm_log: Path, validate: Callable[[Path], Any], tmp_path: Path
) -> None:
    save(tmp_path / "model" / "Format-Serving")
    assert validate(tmp_path / "model").get_int_custom_property("blessed") == 1
    (started,) = [line for line in warm_log.read_text().splitlines() if "event=started" in line]
    assert "what='serving.model_server --model small=" in started
    pid = int(started.partition("pid=")[2].split()[0])
    eventually(lambda: f"event=ended pid={pid} code=-9" in warm_log.read_text())  # nobody asks it any more
    assert not psutil.pid_exists(pid)


def test_model_that_answers_otherwise_for_examples_is_not_blessed_and_stops_the_run(
    warm_log: Path, validate: Callable[[Path], Any], tmp_path: Path
) -> None:
    from tfx_pipeline.exceptions import InfraRefusedError
    from tfx_pipeline.runs.results import describe

    save(tmp_path / "model" / "Format-Serving", classify_differs=True)
    blessing = validate(tmp_path / "model")
    assert blessing.get_int_custom_property("blessed") == 0
    assert (Path(blessing.uri) / "INFRA_NOT_BLESSED").is_file() and not (Path(blessing.uri) / "INFRA_BLESSED").exists()
    with pytest.raises(InfraRefusedError, match="classify and predict gave the same rows different probabilities"):
        describe("InfraValidator", {"blessing": [blessing]})


def test_model_that_cannot_be_loaded_is_not_blessed(
    warm_log: Path, validate: Callable[[Path], Any], tmp_path: Path
) -> None:
    save(tmp_path / "model" / "Format-Serving")
    for file in (tmp_path / "model" / "Format-Serving" / "variables").iterdir():
        file.unlink()
    blessing = validate(tmp_path / "model")
    assert blessing.get_int_custom_property("blessed") == 0
    assert blessing.get_string_custom_property("reason").startswith("the model could not be loaded: ")
