"""Derived features from files to a model's answers: trained on, asked with, logged, scored, watched, and no skew."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from pyspark.sql import SparkSession

from lakehouse.gold.export import export
from lakehouse.requests.stream import open_stream
from lakeloop.drawn_rows import sample_period
from lakeloop.drift_report import Window
from lakeloop.gateway_client import body
from lakeloop.live_use_cases import GivenUseCase
from lakeloop.model_card import read_model_card
from lakeloop.own_files import own_files
from lakeloop.request_record import in_json
from lakeloop.use_case import UseCase
from monitoring.drift.detector import detect_drift
from monitoring.drift.reference import Reference, export_features
from operations.batch_scoring.progress import score_wanted
from operations.batch_scoring.score import score
from operations.delivery import generate
from operations.features.catalogue import describe_column
from operations.features.skew import measure_skew
from operations.simulation import questions_of
from serving.gateway.app import make_app
from serving.model_server.process import running_server, wait_until_available
from tests.lakehouse.request_log import log_file
from tests.lakes import OwnLake, own_lake
from tests.serving.gateway.conftest import logged
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord
from tfx_pipeline.runs.runner import run_pipeline

pytestmark = pytest.mark.long
ASKED = 120


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> OwnLake:
    lake = own_lake(spark, tmp_path_factory.mktemp("stays"), "stays")
    generate(lake, [0])
    lake.ingest()
    return lake


@pytest.fixture(scope="module")
def trained(lake: OwnLake) -> RunRecord:
    record = run_pipeline(UseCase(lake.settings, lake.contract), run_parameters(lake.contract, export(lake), {}))
    assert record.blessed, record.gate
    return record


@pytest.fixture(scope="module")
def url(lake: OwnLake, trained: RunRecord) -> Iterator[str]:
    with running_server({"stays": lake.folder("models")}) as running:
        wait_until_available(running.url, "stays", 120, running.process)
        yield running.url


@pytest.fixture(scope="module")
def answered(lake: OwnLake, url: str) -> list[dict[str, object]]:
    """What the gateway answers to rows of month 0, which the lake then takes in."""
    settings = lake.settings.model_copy(update={"model_server_url": url})
    questions = questions_of(lake, 0, "derived")[:ASKED]
    with TestClient(make_app(GivenUseCase(UseCase(settings, lake.contract)))) as client:
        sent = orjson.dumps({"requests": [body(lake.contract, question) for question in questions]}, in_json)
        answers = client.post("/predict/batch", content=sent).json()["answers"]
    with open_stream(lake) as take:
        take()
    return list(answers)


def test_the_model_takes_them_and_its_card_names_the_code(lake: OwnLake, trained: RunRecord, url: str) -> None:
    metadata = httpx.get(f"{url}/v1/models/stays/metadata").json()["metadata"]["signature_def"]["signature_def"]
    assert set(metadata["serving_default"]["inputs"]) == set(lake.contract.features)
    code = own_files(lake.own_folder)["features.py"].sha256
    assert trained.own_code["features.py"] == code == read_model_card(lake).own_code["features.py"]


def test_who_asks_the_model_server_sends_them_as_inputs(lake: OwnLake, url: str) -> None:
    row = {"price": 300.0, "nights": 4, "booked": 1704067200, "arrival": 1706745600, "room": "single"}
    address = f"{url}/v1/models/stays:predict"
    whole = httpx.post(address, json={"instances": [row | {"price_a_night": 75.0, "days_ahead": 31}]})
    assert len(whole.json()["predictions"][0]["probabilities"]) == 2
    assert httpx.post(address, json={"instances": [row]}).status_code == 400


def test_the_gateway_asks_with_them_and_nothing_is_skewed(
    lake: OwnLake, trained: RunRecord, answered: list[dict[str, object]]
) -> None:
    assert len(answered) == ASKED
    by_model = [answer for answer in answered if answer["predictor_type"] == "model"]
    assert len(by_model) > ASKED / 2 and {answer["model_version"] for answer in by_model} == {trained.pushed_version}
    report = measure_skew(lake)
    assert (report.verdict, report.served) == ("no skew", ASKED)
    compared = {one.feature: one for join in report.joins for one in join.features}
    assert {"price_a_night", "days_ahead"} <= set(compared)
    assert not any(one.differing for join in report.joins for one in join.features)


def test_other_code_at_the_gateway_is_found_and_requests_from_before_it_get_what_is_made_of_them(
    lake: OwnLake, answered: list[dict[str, object]], tmp_path: Path
) -> None:
    other = own_lake(lake.spark, Path(shutil.copytree(lake.settings.home, tmp_path / "home")), "stays")
    known = [record for record in logged(other) if record["features"]["days_ahead"] is not None]
    for number, record in enumerate(known[:5]):
        record["request_id"] = f"again-{number}"
        record["features"]["days_ahead"] += 1
        if number >= 3:  # as an older gateway logged them
            del record["features"]["days_ahead"], record["features"]["price_a_night"]
    log_file(other, "again", [f"{json.dumps(record)}\n" for record in known[:5]])
    with open_stream(other) as take:
        take()
    report = measure_skew(other)
    assert (report.verdict, report.served) == ("skew", len(answered) + 5)
    differing = {one.feature: one.differing for join in report.joins for one in join.features if one.differing}
    assert differing == {"days_ahead": 3}
    rows = other.rows("silver/predictions").set_index("request_id")
    assert rows.loc[["again-3", "again-4"], "days_ahead"].notna().all()


def test_batch_scores_and_drift_and_the_catalogue_have_them(lake: OwnLake, trained: RunRecord) -> None:
    report = score(lake, score_wanted(lake, "gold/training", None, ""))
    assert report.rows == len(lake.rows("gold/training")) and report.rules < report.rows
    card = read_model_card(lake)
    reference = Reference(card.version, card.manifest_sha256, export_features(card, lake))
    rows = pd.concat([sample_period(lake, 0)] * 4, ignore_index=True)
    shifted = rows.assign(price_a_night=rows["price_a_night"] * 2)
    drift = detect_drift(reference, shifted, lake.contract, Window(kind="rolling", rows=len(rows)))
    assert drift.drifted == ("price_a_night",)
    found = describe_column(lake, "days_ahead")
    assert found.derived_from == "booked, arrival, by features.py"
    assert found.serves == trained.pushed_version and found.share_missing is not None and found.share_missing > 0.05
