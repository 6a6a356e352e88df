"""A use case's own network: what it is told, that it is trained as the built-in one, and what it may not make."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from lakeloop.contract import NetworkSettings
from lakeloop.exceptions import OwnCodeError
from lakeloop.own_files import MODEL, OwnFile, own_files
from tests.use_case_copies import USE_CASES
from tfx_pipeline.training import network
from tfx_pipeline.training.fitted import TrainingData
from tfx_pipeline.training.own_model import ModelColumns, OwnNetwork
from tfx_pipeline.training.rows import Rows

COLUMNS = ModelColumns(("cars", "area"), (1, 3), 2, ("quiet", "loud"))
SETTINGS = NetworkSettings(layers=1, units=8, epochs=30, batch=32, learning_rate=0.02)


def data_of(rows: int = 400) -> TrainingData:
    """Loud is where many cars are; the area says nothing."""
    random = np.random.default_rng(1)
    features = np.concatenate([random.normal(size=(rows, 1)), np.eye(3)[random.integers(3, size=rows)]], axis=1)
    labels = (features[:, 0] > 0.3).astype(np.int64)
    values = features.astype(np.float32)
    validation = tf.data.Dataset.from_tensor_slices((values, labels)).batch(100)
    return TrainingData(Rows(values, labels), validation, 4, 2)


def write(folder: Path, body: str, head: str = "def build_model(columns, settings):") -> OwnFile:
    (folder / MODEL).write_text(f"import keras\n\n\n{head}\n    {body}\n")
    return own_files(folder)[MODEL]


def test_the_example_is_compiled_trained_and_gives_probabilities(tmp_path: Path) -> None:
    own = OwnNetwork(own_files(USE_CASES["noise"] / "noise")[MODEL], COLUMNS)
    data = data_of()
    fitted = network.fit(SETTINGS, data, str(tmp_path), own)
    assert isinstance(data.train, Rows)
    answers = np.asarray(fitted.predict(data.train.features))
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert (answers.argmax(axis=1) == data.train.labels).mean() > 0.9 and len(fitted.history["val_accuracy"]) == 30
    assert sum(int(np.prod(variable.shape)) for variable in fitted.variables) == 1 * 8 + 8 + 8 * 2 + 2 + 3 * 2 + 2


def test_it_is_told_where_each_input_stands() -> None:
    assert (COLUMNS.width, COLUMNS.slice_of("cars"), COLUMNS.slice_of("area")) == (4, slice(0, 1), slice(1, 4))


def test_one_that_compiles_itself_is_left_as_it_is(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "model = keras.Sequential([keras.Input((columns.width,)), keras.layers.Dense(2, activation='softmax')])\n"
        "    model.compile(keras.optimizers.SGD(0.5), 'sparse_categorical_crossentropy')\n    return model",
    )
    model = network.build_model(SETTINGS, 4, 2, 1, OwnNetwork(file, COLUMNS))
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    fitted = network.fit(SETTINGS, data_of(), str(tmp_path), OwnNetwork(file, COLUMNS))
    assert set(fitted.history) == {"loss", "val_loss"}


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("return columns.widths / 2", 5, "TypeError: unsupported operand"),
        ("return keras.layers.Dense(2)", 4, r"gave keras.*Dense, not a keras.Model"),
        ("pass", 4, "gave builtins.NoneType, not a keras.Model"),
        (
            "return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation='softmax')])",
            4,
            r"answers \(30, 4\) with \(30, 3\), wanted \(30, 2\): a probability for each of quiet, loud",
        ),
        (
            "return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])",
            4,
            'are no probabilities, such as .*; end it with `activation="softmax"`',
        ),
        (
            "return keras.Sequential([keras.Input((9,)), keras.layers.Dense(2)])",
            4,
            r"gave a model of \(9,\) columns a row, wanted one tensor of \(4,\): `keras.Input",
        ),
        (
            "return keras.Sequential([keras.layers.Reshape((9,)), keras.layers.Dense(2)])",
            0,
            "ValueError: ",
        ),
    ],
    ids=["error", "layer", "nothing", "outputs", "logits", "inputs", "no-inputs"],
)
def test_what_is_wrong_with_it_names_file_and_line(tmp_path: Path, body: str, line: int, words: str) -> None:
    own = OwnNetwork(write(tmp_path, body), COLUMNS)
    with pytest.raises(OwnCodeError, match=words) as told:
        network.build_model(SETTINGS, 4, 2, 1, own)
    place = f"{tmp_path / MODEL}, line {line}: " if line else f"{tmp_path / MODEL}: "
    assert str(told.value).startswith(place)


def test_one_of_counts_must_not_answer_below_0(tmp_path: Path) -> None:
    columns = ModelColumns(("cars", "area"), (1, 3), 1, ())
    body = "return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation={})])"
    linear = OwnNetwork(write(tmp_path, body.format(None)), columns, counts=True)
    with pytest.raises(OwnCodeError, match=r"answers below 0, and `label.loss` is poisson; end it with `activation="):
        network.build_model(SETTINGS, 4, 0, 1, linear, "poisson")
    network.build_model(SETTINGS, 4, 0, 1, OwnNetwork(linear.file, columns))
    exponential = OwnNetwork(write(tmp_path, body.format("'exponential'")), columns, counts=True)
    model = network.build_model(SETTINGS, 4, 0, 1, exponential, "poisson")
    assert isinstance(model.loss, keras.losses.Poisson)


def test_a_loss_that_does_not_fit_the_labels_is_told_as_its_own_mistake(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation='softmax')])\n"
        "    model.compile('adam', 'categorical_crossentropy')\n    return model",
    )
    with pytest.raises(OwnCodeError, match=r"model\.py: ValueError: "):
        network.fit(SETTINGS, data_of(), str(tmp_path), OwnNetwork(file, COLUMNS))
