"""Gaps, transformed numbers and learnt categories: what the model gets, by Beam and in one process alike."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from lakeloop.contract import Contract, Vocabulary
from lakeloop.contract_file import load_contract
from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import LakeloopError
from lakeloop.model_input import model_columns
from lakeloop.use_case import UseCase
from tests.exports import settings_in
from tests.tfx_pipeline.nodes import FLOAT32, SPLITS, sorted_rows, transformed_both_ways
from tests.use_case_copies import USE_CASES
from tfx_pipeline.data_checks.schema import schema_of
from tfx_pipeline.training import vocabularies
from tfx_pipeline.training.columns import Columns, columns_from, custom_config
from tfx_pipeline.training.encoding import category_columns, width
from tfx_pipeline.training.local_transform import LocalTransform
from tfx_pipeline.training.raw_features import example_spec
from tfx_pipeline.training.time_parts import RowTime
from tfx_pipeline.training.vocabularies import (
    MOST_COUNTED,
    LearntVocabulary,
    checked,
    features_to_learn,
    learn_in_process,
    read_vocabularies,
)

pytestmark = pytest.mark.long

WAYS = ("here", "beam")
Ways = dict[str, dict[str, np.ndarray]]


@pytest.fixture(scope="module")
def parcels() -> Contract:
    return load_contract(USE_CASES["parcels"] / "parcels" / "contract.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parcels")


@pytest.fixture(scope="module")
def made(parcels: Contract, folder: Path) -> dict[str, tuple[Path, Path]]:
    return transformed_both_ways(UseCase(settings_in(folder, "parcels"), parcels), folder)


@pytest.fixture(scope="module")
def train(made: Any, parcels: Contract, folder: Path) -> pd.DataFrame:
    """The rows the graphs were learnt from."""
    rows = sample_period(UseCase(settings_in(folder, "parcels"), parcels), 0)
    return rows[~rows["parcel"].map(parcels.split.is_eval)]


@pytest.fixture(scope="module")
def encoded(made: dict[str, tuple[Path, Path]], parcels: Contract, train: pd.DataFrame) -> Ways:
    """The training rows' model inputs, by the way the graph was made."""
    return {way: asked(graph, parcels, train) for way, (graph, _) in made.items()}


def asked(graph: Path, contract: Contract, rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """What a transform graph makes of rows."""
    raw = {name: tf.constant(values) for name, values in model_columns(contract.features, rows).items()}
    raw[contract.label.name] = tf.zeros(len(rows), tf.int64)
    found = tft.TFTransformOutput(str(graph)).transform_features_layer()(raw)
    return {name: np.asarray(values) for name, values in found.items()}


def test_both_ways_make_the_same_columns_and_the_same_values(
    made: dict[str, tuple[Path, Path]], encoded: Ways, parcels: Contract
) -> None:
    here, beam = (tft.TFTransformOutput(str(made[way][0])) for way in WAYS)
    assert here.transformed_metadata.schema == beam.transformed_metadata.schema
    for name in parcels.features:
        one, other = (encoded[way][f"{name}_x"] for way in WAYS)
        assert np.isfinite(one).all(), name
        np.testing.assert_allclose(one, other, rtol=FLOAT32, atol=FLOAT32, err_msg=name)
    spec = here.transformed_feature_spec()
    for split in SPLITS:
        one, other = (sorted_rows(made[way][1] / f"Split-{split}", spec) for way in WAYS)
        np.testing.assert_allclose(one, other, rtol=FLOAT32, atol=FLOAT32)


def scaled(values: pd.Series, filled: float, change: Any = lambda values: values) -> np.ndarray:
    """(n,) z-scored by the values that are there, the gaps filled."""
    numbers = values.astype(float)
    known = change(numbers.dropna())
    return np.asarray((change(numbers.fillna(filled)) - known.mean()) / known.std(ddof=0))


@pytest.mark.parametrize("way", WAYS)
def test_a_gap_becomes_median_mean_or_zero_and_scaling_goes_by_the_values_that_are_there(
    encoded: Ways, train: pd.DataFrame, way: str
) -> None:
    found = encoded[way]
    weight = train["weight"]
    middle = float(weight.dropna().quantile(0.5, interpolation="higher"))
    np.testing.assert_allclose(found["weight_x"][:, 0], scaled(weight, middle, np.log1p), rtol=1e-5, atol=1e-6)
    floor = scaled(train["floor"], 0.0)
    np.testing.assert_allclose(found["floor_x"][:, 0], floor, rtol=1e-5, atol=1e-6)
    low, high = (train["distance"].dropna().quantile(q, interpolation="lower") for q in (0.01, 0.99))
    clipped = scaled(train["distance"], train["distance"].mean(), lambda values: values.clip(low, high))
    np.testing.assert_allclose(found["distance_x"][:, 0], clipped, rtol=0.03, atol=0.03)
    assert found["distance_x"].max() < clipped.max() + 0.1 and found["distance_x"].min() > clipped.min() - 0.1


@pytest.mark.parametrize("way", WAYS)
def test_a_flag_tells_the_model_of_a_gap(encoded: Ways, train: pd.DataFrame, way: str) -> None:
    for name in ("weight", "floor", "fragile"):
        assert encoded[way][f"{name}_x"].shape[1] == 2
        np.testing.assert_array_equal(encoded[way][f"{name}_x"][:, 1], train[name].isna())
    assert encoded[way]["distance_x"].shape[1] == encoded[way]["express_x"].shape[1] == 1


@pytest.mark.parametrize("way", WAYS)
def test_buckets_hold_a_tenth_of_the_rows_each(encoded: Ways, train: pd.DataFrame, way: str) -> None:
    known = encoded[way]["value_x"][train["value"].notna().to_numpy()]
    assert known.shape[1] == 10 and (known.sum(axis=1) == 1).all()
    np.testing.assert_allclose(known.mean(axis=0), 0.1, atol=0.02)
    gone = encoded[way]["value_x"][train["value"].isna().to_numpy()]
    assert (gone == gone[0]).all() and gone[0, 4:6].sum() == 1, "the median is in the middle"


@pytest.mark.parametrize("way", WAYS)
def test_a_vocabulary_is_of_the_commonest_values_and_others_share_places_by_their_hash(
    made: dict[str, tuple[Path, Path]], encoded: Ways, train: pd.DataFrame, parcels: Contract, way: str
) -> None:
    commonest = train["city"].value_counts().index[:4].tolist()
    for place, city in enumerate(commonest):
        wanted = np.eye(7)[place]
        assert (encoded[way]["city_x"][(train["city"] == city).to_numpy()] == wanted).all(), city
    gone = encoded[way]["city_x"][train["city"].isna().to_numpy()]
    assert len(gone) and (gone == np.eye(7)[6]).all(), "a gap is a category of its own"
    odd = train.head(3).assign(city=["Hof", "nowhere", "Hof"])
    places = asked(made[way][0], parcels, odd)["city_x"].argmax(axis=1)
    assert set(places) <= {4, 5} and places[0] == places[2]


def test_what_was_learnt_is_kept_beside_the_graph(made: dict[str, tuple[Path, Path]]) -> None:
    here, beam = (read_vocabularies(made[way][0]) for way in WAYS)
    assert here == beam and list(here) == ["city", "zone", "note"] and len(here["city"]) == 4


@pytest.mark.parametrize("way", WAYS)
def test_hash_buckets_learn_nothing_and_put_a_value_where_it_always_is(encoded: Ways, train: Any, way: str) -> None:
    wanted = tf.strings.to_hash_bucket_fast(train["courier"].tolist(), 8).numpy()
    np.testing.assert_array_equal(encoded[way]["courier_x"], np.eye(8)[wanted])


@pytest.mark.parametrize("way", WAYS)
def test_numbers_are_categories_too_and_listed_values_have_a_gap_beside_them(
    encoded: Ways, train: pd.DataFrame, way: str
) -> None:
    zones = train["zone"].value_counts().sort_index(ascending=True)
    order = sorted(zones.index, key=lambda zone: (-zones[zone], str(zone)))
    places = train["zone"].map({zone: place for place, zone in enumerate(order)}).fillna(4).astype(int)
    np.testing.assert_array_equal(encoded[way]["zone_x"], np.eye(5)[places])
    sizes = train["size"].map({"S": 0, "M": 1, "L": 2}).fillna(3).astype(int)
    np.testing.assert_array_equal(encoded[way]["size_x"], np.eye(4)[sizes])


@pytest.mark.parametrize("way", WAYS)
def test_a_text_is_the_words_that_are_in_it_in_any_case_and_whatever_stands_between(
    made: dict[str, tuple[Path, Path]], encoded: Ways, train: pd.DataFrame, parcels: Contract, way: str
) -> None:
    counts = train["note"].str.lower().str.findall(r"\w+").explode().value_counts()
    commonest = sorted(counts.index, key=lambda word: (-counts[word], word.encode()))[:6]
    bitte, klingel = (commonest.index(word) for word in ("bitte", "klingel"))
    told = ["Bitte, BITTE\tbitte", "klingel-bitte (2 x)", "unheard of", "…", None]
    found = asked(made[way][0], parcels, train.head(5).assign(note=told))["note_x"]
    wanted = np.zeros((5, 8))
    wanted[0, bitte] = wanted[1, bitte] = wanted[1, klingel] = wanted[4, 7] = 1
    wanted[1, 6] = wanted[2, 6] = 1  # words that are not among the six
    np.testing.assert_array_equal(found, wanted)
    assert encoded[way]["note_x"][train["note"].isna().to_numpy()].tolist() == [[0.0] * 7 + [1.0]] * int(
        train["note"].isna().sum()
    )


def test_equally_common_values_stand_in_their_own_order(tmp_path: Path, parcels: Contract) -> None:
    city = parcels.features["city"].model_copy(update={"vocabulary": Vocabulary(top=2)})
    for name, order in (("one", ["b", "a", "c", "a", "b", "c"]), ("other", ["c", "c", "b", "b", "a", "a"])):
        learnt = learn_in_process(with_features(parcels, city=city), [cities(tmp_path / name, order)])["city"]
        assert learnt.values == ("a", "b") and str(learnt) == "2 of 3"


def test_of_very_many_values_the_rarest_are_forgotten_on_the_way_and_the_commonest_are_found(
    tmp_path: Path, parcels: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabularies, "MOST_COUNTED", 1000)
    city = parcels.features["city"].model_copy(update={"vocabulary": Vocabulary(top=3, min_count=100)})
    texts = [["x", "y", "z"][number % 3] if number % 10 == 0 else f"only once {number}" for number in range(30_000)]
    learnt = learn_in_process(with_features(parcels, city=city), [cities(tmp_path / "many", texts)])["city"]
    assert sorted(learnt.values) == ["x", "y", "z"] and str(learnt) == "3 of 1,000 or more"


def cities(file: Path, texts: list[str]) -> str:
    """Examples that have a city alone."""
    with tf.io.TFRecordWriter(str(file), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for text in texts:
            example = tf.train.Example()
            example.features.feature["city"].bytes_list.value.append(text.encode())
            writer.write(example.SerializeToString())
    return str(file)


def with_features(contract: Contract, **features: Any) -> Columns:
    """The contract's columns with these features alone, each checked again."""
    checked_again = {name: type(feature).model_validate(feature.model_dump()) for name, feature in features.items()}
    return columns_from(custom_config(contract)).model_copy(update={"features": checked_again})


def test_a_vocabulary_without_a_place_is_refused_and_one_too_large_is_told(parcels: Contract) -> None:
    alone = {"missing": "reject", "vocabulary": Vocabulary(out_of_vocabulary=0)}
    rare = parcels.features["zone"].model_copy(update=alone)
    features = features_to_learn(with_features(parcels, zone=rare))
    with pytest.raises(LakeloopError, match=r"no value of `zone` stands in 1 training rows.*min_count"):
        checked(features, {"zone": LearntVocabulary(values=(), different=0)})
    assert str(LearntVocabulary(values=("a",), different=MOST_COUNTED)) == "1 of 1,000,000 or more"


def test_a_column_of_gaps_alone_gives_zeros_and_never_nan(parcels: Contract, tmp_path: Path) -> None:
    empty = tmp_path / "train.gz"
    with tf.io.TFRecordWriter(str(empty), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for _ in range(3):
            writer.write(tf.train.Example().SerializeToString())
    optional = {n: f for n, f in parcels.features.items() if f.optional}
    columns = with_features(parcels, **optional)
    local = LocalTransform(columns, schema_of(parcels), {"city": (), "zone": (), "note": ()})
    analyser = local.analysed([str(empty)])
    from tfx_pipeline.training.encoding import encoded as encode

    for name, values in tf.io.parse_example([b"", b""], example_spec(columns.features)).items():
        found = encode(name, columns.features[name], values, (), analyser, RowTime()).numpy()
        assert np.isfinite(found).all() and found.shape[1] == width(columns.features[name], ()), name


def test_what_smote_must_not_mix_are_categories_flags_and_buckets(parcels: Contract) -> None:
    found = {name: category_columns(feature, width(feature, ("a", "b"))) for name, feature in parcels.features.items()}
    assert found == {
        "weight": [(1, 2)], "distance": [], "floor": [(1, 2)], "value": [(0, 10)], "express": [(0, 1)],
        "fragile": [(0, 2)], "city": [(0, 5)], "courier": [(0, 8)], "zone": [(0, 4)], "size": [(0, 4)],
        "note": [],
    }  # fmt: skip


def test_examples_are_parsed_with_the_same_stand_ins_in_training_and_in_the_served_model(parcels: Contract) -> None:
    from tensorflow_transform.tf_metadata import schema_utils

    spec = schema_utils.schema_as_feature_spec(schema_of(parcels)).feature_spec
    served = example_spec(parcels.features)
    for name, feature in served.items():
        assert (spec[name].dtype, list(spec[name].shape)) == (feature.dtype, [])
        np.testing.assert_array_equal(spec[name].default_value, feature.default_value)
