"""A use case's own model inputs: the same on Beam and in this process, and told of where they are wrong."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import OwnCodeError
from lakeloop.own_files import PREPROCESSING, own_files
from lakeloop.use_case import UseCase
from tests.exports import settings_in
from tests.tfx_pipeline.nodes import FLOAT32, SPLITS, sorted_rows, transformed_both_ways
from tests.use_case_copies import USE_CASES
from tfx_pipeline.training.columns import OwnInput, columns_from, custom_config, model_inputs_of
from tfx_pipeline.training.own_preprocessing import OWN_KEY, own_inputs, own_outputs, read_own_inputs
from tfx_pipeline.training.preprocessing import BeamAnalyser

RIDES = USE_CASES["rides"] / "rides"


@pytest.fixture(scope="module")
def rides() -> Contract:
    return load_contract(RIDES / "contract.yaml")


def test_both_ways_of_transforming_give_the_same_inputs_and_say_what_they_are(rides: Contract, tmp_path: Path) -> None:
    own = own_files(RIDES)[PREPROCESSING]
    use_case = UseCase(settings_in(tmp_path, "rides"), rides)
    made = transformed_both_ways(use_case, tmp_path, {OWN_KEY: own.model_dump_json()})
    outputs = {way: tft.TFTransformOutput(str(graph)) for way, (graph, _) in made.items()}
    raw = {
        "miles": tf.constant([1.0, 0.0, 30.0]),
        "fare": tf.constant([40.0, 3.0, 60.0]),
        "paid": tf.constant(["card", "cash", "card"]),
        "tip": tf.constant([0, 1, 0], tf.int64),
    }
    found = {way: output.transform_features_layer()(dict(raw)) for way, output in outputs.items()}
    for name, values in found["here"].items():
        np.testing.assert_allclose(values, found["beam"][name], rtol=FLOAT32, atol=FLOAT32, err_msg=name)
    assert found["here"]["dear_by_card_x"].numpy().tolist() == [[1.0], [0.0], [0.0]]
    assert found["here"]["price_a_mile_x"].numpy()[0] > 1, "forty dollars a mile are far from the mean"
    spec = outputs["here"].transformed_feature_spec()
    for split in SPLITS:
        here, beam = (sorted_rows(folder / f"Split-{split}", spec) for _, folder in made.values())
        np.testing.assert_allclose(here, beam, rtol=FLOAT32, atol=FLOAT32)
    inputs = read_own_inputs(made["here"][0])
    assert inputs == read_own_inputs(made["beam"][0])
    assert [(one.name, one.width, one.made_of) for one in inputs] == [
        ("price_a_mile", 1, ("miles", "fare")),
        ("dear_by_card", 1, ("miles", "fare", "paid")),
    ]
    columns = columns_from(custom_config(rides))
    whole = model_inputs_of(columns, [], spec, inputs)
    assert whole.used == ("miles", "fare", "paid", "price_a_mile", "dear_by_card") and whole.width == 6
    assert model_inputs_of(columns, ["paid"], spec, inputs).used == ("miles", "fare", "price_a_mile")


def test_an_input_of_a_features_name_stands_in_its_place_and_goes_with_what_it_is_made_of(rides: Contract) -> None:
    columns = columns_from(custom_config(rides))
    own = (OwnInput(name="fare", width=2, made_of=("fare", "miles")),)
    assert columns.inputs_without([], own) == ["miles", "fare", "paid"]
    assert columns.inputs_without(["miles"], own) == ["paid"]
    assert columns.inputs_without(["fare"], own) == ["miles", "paid"]


def test_a_missing_number_is_nan_and_one_that_is_left_is_zero(rides: Contract, tmp_path: Path) -> None:
    (tmp_path / PREPROCESSING).write_text(
        "def preprocess(inputs, learn):\n    return {'twice': inputs['fare'] * 2, 'seats_x': inputs['seats']}\n"
    )
    fare = rides.features["fare"].model_copy(update={"missing": "mean"})
    seats = fare.model_copy(update={"type": "int", "role": "numeric"})
    features = {"fare": fare, "seats": seats}
    raw = {"fare": tf.constant([float("nan"), 4.0]), "seats": tf.constant([seats.stand_in, 3], tf.int64)}
    found = own_outputs(own_files(tmp_path)[PREPROCESSING], features, raw, BeamAnalyser())
    assert {name: values.numpy().tolist() for name, values in found.items()} == {
        "twice": [[0.0], [8.0]],
        "seats_x": [[0.0], [3.0]],
    }


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("return {'far': inputs['mile']}", 2, "KeyError: 'mile'"),
        ("return {'far': inputs['paid'] * 2}", 2, "TypeError|InvalidArgument|ValueError"),
        ("if inputs['miles'] > 2:\n        return {}", 2, "a symbolic `tf.Tensor` as a Python `bool`"),
        ("pass", 1, r"`preprocess` gave NoneType; return \{"),
        ("return {}", 1, "gave no input"),
        ("return {'paid by': inputs['miles']}", 1, "gave 'paid by', which is no name"),
        ("return {'far': 7}", 1, "gave `far`, which is int, not a tensor"),
        ("return {'far': inputs['paid']}", 1, "gave `far` of string, not of numbers"),
        ("return {'far': learn.mean(inputs['miles'])}", 1, r"gave `far` of shape \(\), not \(batch,\)"),
        ("return {'tip': inputs['miles']}", 1, "gives `tip`, the name of another column"),
    ],
)
def test_what_is_wrong_in_it_names_file_and_line(
    rides: Contract, tmp_path: Path, body: str, line: int, words: str
) -> None:
    (tmp_path / PREPROCESSING).write_text(f"def preprocess(inputs, learn):\n    {body}\n")
    with pytest.raises(OwnCodeError, match=words) as told:
        own_inputs(own_files(tmp_path)[PREPROCESSING], rides.features, ["tip"])
    assert str(told.value).startswith(f"{tmp_path / PREPROCESSING}, line {line}: ")
