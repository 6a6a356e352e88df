"""Dates, times and crosses: what the model gets, by Beam and in one process, from exports and requests alike."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from lakeloop.contract import Contract
from lakeloop.contract.time_features import DAY_SECONDS
from lakeloop.contract_file import load_contract
from lakeloop.drawn_rows import sample_period
from lakeloop.model_input import model_columns, request_rows
from lakeloop.time_parts import part_columns
from lakeloop.use_case import UseCase
from serving.gateway.request_model import RequestModel
from tests.exports import settings_in
from tests.tfx_pipeline.nodes import FLOAT32, SPLITS, sorted_rows, transformed_both_ways
from tests.use_case_copies import USE_CASES
from tfx_pipeline.data_checks.anomalies import read_anomalies
from tfx_pipeline.data_checks.schema import schema_of
from tfx_pipeline.data_checks.schema_history import described
from tfx_pipeline.data_checks.statistics import read_statistics
from tfx_pipeline.data_checks.window_statistics import write_window_statistics
from tfx_pipeline.pipeline import _distribution_config
from tfx_pipeline.training.columns import columns_from, custom_config
from tfx_pipeline.training.encoding import category_columns, width
from tfx_pipeline.training.time_parts import calendar, local_seconds

pytestmark = pytest.mark.long

WAYS = ("here", "beam")
ZONES = ("UTC", "Europe/Berlin", "America/Chicago", "Australia/Lord_Howe")


@pytest.fixture(scope="module")
def orders() -> Contract:
    return load_contract(USE_CASES["orders"] / "orders" / "contract.yaml")


@pytest.fixture(scope="module")
def made(orders: Contract, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("orders")
    return transformed_both_ways(UseCase(settings_in(folder, "orders"), orders), folder)


@pytest.fixture(scope="module")
def train(orders: Contract, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The rows the graphs were learnt from."""
    rows = sample_period(UseCase(settings_in(tmp_path_factory.mktemp("home"), "orders"), orders), 0)
    return rows[~rows["order"].map(orders.split.is_eval)].reset_index(drop=True)


@pytest.fixture(scope="module")
def encoded(made: dict[str, tuple[Path, Path]], orders: Contract, train: pd.DataFrame) -> dict[str, Any]:
    return {way: asked(made[way][0], orders, model_columns(orders.features, train)) for way in WAYS}


def asked(graph: Path, contract: Contract, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a transform graph makes of rows, given as the model's signature takes them."""
    raw = {name: tf.constant(values) for name, values in columns.items()}
    raw[contract.label.name] = tf.zeros(len(next(iter(columns.values()))), tf.int64)
    found = tft.TFTransformOutput(str(graph)).transform_features_layer()(raw)
    return {name: np.asarray(values) for name, values in found.items()}


@pytest.mark.parametrize("zone", ZONES)
def test_parts_are_those_of_the_clock_and_the_calendar(zone: str) -> None:
    random = np.random.default_rng(0)
    seconds = random.integers(-2_200_000_000, 4_100_000_000, 3000)
    if zone == "UTC":
        seconds = random.integers(-12_212_553_600, 253_402_300_799, 3000)
    found = {part: values.numpy() for part, values in calendar(local_seconds(tf.constant(seconds), zone)).items()}
    for place, second in enumerate(seconds.tolist()):
        shown = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).astimezone(ZoneInfo(zone))
        assert [found[part][place] for part in ("hour", "weekday", "day", "month", "quarter", "year")] == [
            shown.hour, shown.weekday(), shown.day, shown.month, (shown.month + 2) // 3, shown.year
        ], (zone, shown)  # fmt: skip


def test_both_ways_make_the_same_columns_and_the_same_values(
    made: dict[str, tuple[Path, Path]], encoded: dict[str, Any], orders: Contract
) -> None:
    here, beam = (tft.TFTransformOutput(str(made[way][0])) for way in WAYS)
    assert here.transformed_metadata.schema == beam.transformed_metadata.schema
    for name in (*orders.features, *(cross.name for cross in orders.crosses)):
        one, other = (encoded[way][f"{name}_x"] for way in WAYS)
        assert np.isfinite(one).all(), name
        np.testing.assert_allclose(one, other, rtol=FLOAT32, atol=1e-5, err_msg=name)
        assert name not in orders.features or one.shape[1] == width(orders.features[name], "abc"), name
    spec = here.transformed_feature_spec()
    for split in SPLITS:
        one, other = (sorted_rows(made[way][1] / f"Split-{split}", spec) for way in WAYS)
        np.testing.assert_allclose(one, other, rtol=FLOAT32, atol=1e-5)


def test_a_time_is_its_parts_and_a_gap_is_told(encoded: dict[str, Any], orders: Contract, train: pd.DataFrame) -> None:
    found, parts = encoded["here"], part_columns(orders, train)
    angle = 2 * np.pi * parts["ordered hour"] / 24
    np.testing.assert_allclose(found["ordered_x"][:, 0], np.sin(angle), atol=1e-5)
    np.testing.assert_allclose(found["ordered_x"][:, 1], np.cos(angle), atol=1e-5)
    assert found["ordered_x"].shape[1] == 6
    there, booked = train["booked"].notna().to_numpy(), found["booked_x"]
    assert (booked[there, :24].argmax(axis=1) == parts["booked hour"][there]).all()
    assert (booked[there, 24:55].argmax(axis=1) == parts["booked day"][there] - 1).all()
    assert (booked[there, 55:59].argmax(axis=1) == parts["booked quarter"][there] - 1).all()
    age = parts["booked age_days"]
    np.testing.assert_allclose(booked[there, 59], ((age - age.mean()) / age.std(ddof=0))[there], rtol=1e-4, atol=1e-4)
    assert (booked[~there, :60] == 0).all() and (booked[:, 60] == ~there).all(), "a category of its own"


def test_ages_are_days_to_the_event_time_and_a_gap_has_the_median_moments(
    encoded: dict[str, Any], train: pd.DataFrame
) -> None:
    age = (train["ordered"] - train["born"]) / DAY_SECONDS
    instead = (train["ordered"] - np.nanquantile(train["born"], 0.5, method="higher")) / DAY_SECONDS
    scaled = (age.fillna(instead) - age.mean()) / age.std(ddof=0)
    np.testing.assert_allclose(encoded["here"]["born_x"][:, 0], scaled, rtol=1e-3, atol=2e-3)
    np.testing.assert_array_equal(encoded["here"]["born_x"][:, 2], train["born"].isna())


def test_a_cross_tells_every_pair_apart_and_a_gap_is_a_category(
    encoded: dict[str, Any], orders: Contract, train: pd.DataFrame
) -> None:
    found = encoded["here"]["shop_by_express_x"]
    assert found.shape[1] == 32 and (found.sum(axis=1) == 1).all()
    pairs = train["shop"].fillna("") + train["express"].astype(int).astype(str)
    places = pd.Series(found.argmax(axis=1)).groupby(pairs).nunique()
    assert (places == 1).all() and len(set(found.argmax(axis=1))) >= len(places) - 3
    tenths = encoded["here"]["amount_x"].argmax(axis=1)
    both = train["shop"].fillna("") + pd.Series(np.where(train["amount"].isna(), -1, tenths)).astype(str)
    crossed = pd.Series(encoded["here"]["amount_by_shop_x"].argmax(axis=1)).groupby(both).nunique()
    assert (crossed == 1).all() and encoded["here"]["amount_by_shop_x"].shape[1] == 100


def test_a_request_and_an_exported_row_are_the_same_to_the_model(
    made: dict[str, tuple[Path, Path]], encoded: dict[str, Any], orders: Contract, train: pd.DataFrame
) -> None:
    """From the JSON of a request, through the gateway's own reading, to what the model server is sent."""
    from lakeloop.model_input import predict_body
    from lakeloop.request_record import in_json

    reader = RequestModel(orders)
    rows = [
        reader.read_one(json.dumps(row, default=lambda v: in_json(v) if not hasattr(v, "isoformat") else v.isoformat())
                        .encode()).features
        for row in request_rows(orders.features, train)
    ]  # fmt: skip
    body = predict_body(orders.features, {name: [row[name] for row in rows] for name in orders.features})
    dtypes = {"float": np.float32, "int": np.int64, "string": object}
    sent = {
        name: np.array(values, dtypes[orders.features[name].carried_as])
        for name, values in json.loads(body)["inputs"].items()
    }
    found = asked(made["here"][0], orders, sent)
    for name, values in encoded["here"].items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_a_model_without_a_feature_is_without_its_crosses(orders: Contract) -> None:
    columns = columns_from(custom_config(orders))
    assert columns.inputs_without([]) == [*orders.features, "shop_by_express", "amount_by_shop"]
    assert columns.inputs_without(["express"])[-1:] == ["amount_by_shop"]
    assert "amount_by_shop" not in columns.inputs_without(["shop"])
    assert (columns.timezone, columns.event_time) == ("Europe/Berlin", "ordered")


def test_what_smote_must_not_mix_are_parts_that_come_round(orders: Contract) -> None:
    found = {name: category_columns(f, width(f, "abc")) for name, f in orders.features.items() if f.role == "time"}
    assert found == {
        "ordered": [(0, 2), (2, 4), (4, 6)], "born": [(2, 3)], "booked": [(0, 24), (24, 55), (55, 59), (60, 61)],
        "opened": [(1, 13)],
    }  # fmt: skip


def test_a_contract_without_the_new_words_says_the_same_to_transform(contract: Contract) -> None:
    config = json.loads(custom_config(contract)["columns"])
    assert list(config) == ["key", "features", "label", "class_names", "balance"]
    assert not {"format", "parts", "cyclic"} & {word for feature in config["features"].values() for word in feature}


def test_that_time_goes_on_is_no_anomaly(orders: Contract) -> None:
    of = {feature.name: feature for feature in schema_of(orders).feature}
    times = {name for name, feature in orders.features.items() if feature.role == "time"}
    assert {name for name, feature in of.items() if feature.WhichOneof("domain_info") is None} >= times
    assert described(schema_of(orders))["born"] == "int, any date or time, or missing"
    compared = {feature.path.step[0] for feature in _distribution_config(orders).default_slice_config.feature}
    assert compared == orders.features.keys() - times


def test_a_window_of_years_later_is_no_anomaly(orders: Contract, train: pd.DataFrame, tmp_path: Path) -> None:
    seen, later = train[list(orders.features)], tmp_path / "later"
    times = [name for name, feature in orders.features.items() if feature.role == "time"]
    trained = read_statistics(str(write_window_statistics(seen, schema_of(orders), tmp_path / "seen")))["serving"]
    write_window_statistics(seen.assign(**seen[times] + 10_000 * DAY_SECONDS), schema_of(orders), later, trained)
    assert read_anomalies(later) == ()
    write_window_statistics(seen.assign(amount=seen["amount"] + 10_000), schema_of(orders), tmp_path / "many", trained)
    assert [anomaly.feature for anomaly in read_anomalies(tmp_path / "many")] == ["amount"], "numbers are told"
