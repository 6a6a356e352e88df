"""A table with gaps, truth values, whole numbers as 3.0, companies that no list names, money and times: from file to
answer.

The same rows go into training through the lake and to the gateway as JSON; the model must be told the same of them.
"""

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.gold.export import export
from lakehouse.requests.stream import open_stream
from lakeloop.exported import read_shards
from lakeloop.manifest import read_manifest
from lakeloop.model_input import request_rows
from lakeloop.request_record import in_json
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.batch_scoring.progress import score_wanted
from operations.batch_scoring.score import score
from operations.drift.periods import detect_windows
from operations.drift.windows import count_window, find_window
from operations.features.catalogue import describe_features
from operations.features.skew import measure_skew
from serving.gateway.process import running_gateway
from serving.model_server.process import running_server
from tests.lakes import OwnLake
from tests.trips import many_trips
from tests.use_case_copies import USE_CASES, with_changes
from tests.waiting import eventually
from tfx_pipeline.data_checks.anomalies import read_anomalies
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord
from tfx_pipeline.runs.runner import run_pipeline

pytestmark = pytest.mark.long
OPTIONAL = ("fare", "seconds", "seats", "night", "company", "toll", "booked")
CHANGES = {
    "column: month, description: Month of the trip,": "column: month, description: When it began, "
    'format: "%d.%m.%Y %H:%M", timezone: America/Chicago,',
    "company, tip]": "company, toll, booked, tip]",
    "label:\n": """  toll: {description: Toll, type: decimal, role: numeric, missing: zero, missing_flag: true}
  month: {description: When it began, type: timestamp, role: time, parts: [hour, weekday], cyclic: true}
  booked: {description: When it was booked, type: date, role: time, format: "%d.%m.%Y", parts: [weekday, age_days],
           missing: category}
crosses: [{columns: [company, zone]}]
label:
""",
}
"""Of the trips' contract: a decimal, a date, and the event time as a feature, to which an age is counted."""
ASKED = 150


@dataclass(frozen=True)
class Served:
    """What was trained, and what the gateway said of its rows: `rows` as exported, `answers` by key."""

    lake: OwnLake
    record: RunRecord
    rows: pd.DataFrame
    answers: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def served(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """900 trips ingested, trained on and asked about one by one, every other one with its gaps left out of the JSON."""
    home = tmp_path_factory.mktemp("trips")
    use_case = open_use_case(load_settings(home=home, use_case="trips", use_cases=changed_trips(home / "use_cases")))
    lake = OwnLake(use_case.settings, use_case.contract, lambda: spark)
    lake.deliver("trips", "trips-2024-01.csv", with_times(many_trips(900)))
    lake.ingest()
    manifest = export(lake)
    use_case = UseCase(lake.settings, lake.contract)
    record = run_pipeline(use_case, run_parameters(lake.contract, manifest))
    shards = [manifest.parent / file.path for file in read_manifest(manifest).files]
    rows = read_shards(lake.contract, shards).head(ASKED)
    with running_server({"trips": lake.folder("models")}) as server:
        settings = lake.settings.model_copy(update={"model_server_url": server.url})
        with running_gateway(settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
            answers = {
                key: client.post("/predict/", content=body(key, row, absent=bool(number % 2))).raise_for_status().json()
                for number, (key, row) in enumerate(
                    zip(rows["trip"], request_rows(lake.contract.features, rows), strict=True)
                )
            }
        yield Served(lake, record, rows, answers)
    shutil.rmtree(lake.settings.home, ignore_errors=True)


def changed_trips(folder: Path) -> Path:
    """A folder of use cases with the trips in it, their contract changed as above."""
    copy = shutil.copytree(USE_CASES["trips"] / "trips", folder / "trips")
    contract = copy / "contract.yaml"
    contract.write_text(with_changes(contract.read_text(), CHANGES))
    return folder


def with_times(trips: str) -> str:
    """The file with the time of day each trip began, when it was booked, and a toll; a fifth of the latter missing."""
    rows, random = pd.read_csv(io.StringIO(trips), dtype=str, keep_default_na=False), np.random.default_rng(1)
    began = pd.Timestamp("2024-01-02") + pd.to_timedelta(random.integers(0, 27 * 1440, len(rows)), "min")
    booked = began - pd.to_timedelta(random.integers(0, 40, len(rows)), "D")
    rows["month"] = began.strftime("%d.%m.%Y %H:%M")
    tip = rows.pop("tip")
    tolls = [f"{cents / 100:.2f}" for cents in random.integers(0, 2000, len(rows))]
    rows["toll"] = np.where(random.random(len(rows)) < 0.2, "", tolls)
    rows["booked"] = np.where(random.random(len(rows)) < 0.2, "", booked.strftime("%d.%m.%Y"))
    return rows.assign(tip=tip).to_csv(index=False)


def body(key: str, row: dict[str, Any], absent: bool) -> bytes:
    """A request about a trip; a gap is null, or where `absent` no field."""
    given = {name: value for name, value in row.items() if not (absent and value is None)}
    ride = {name: given.pop(name) for name in ("fare", "seconds") if name in given}
    return orjson.dumps({"ride": ride, **given, "key": key}, in_json)


def test_the_model_learns_from_the_table_as_it_is(served: Served) -> None:
    assert served.record.blessed and served.record.pushed_version, served.record
    assert served.rows[list(OPTIONAL)].isna().mean().between(0.1, 0.3).all()


def test_a_request_with_gaps_is_answered_by_the_model_as_the_training_row_is(served: Served) -> None:
    from operations.scoring import given_of

    expected = given_of(
        served.lake.contract, served.lake.folder("models").absolute() / served.record.pushed_version, served.rows
    )
    whose = [answer["predictor_type"] for answer in served.answers.values()]
    switched = (served.rows["seats"] == 3) & (served.rows["night"] == 1)
    assert whose == np.where(switched, "rules", "model").tolist()
    said = [list(answer["probabilities"].values()) for answer in served.answers.values() if answer["probabilities"]]
    assert np.allclose(said, expected[~switched.to_numpy()], atol=1e-6)


def test_the_table_is_scored_as_the_requests_were_answered(served: Served) -> None:
    score(served.lake, score_wanted(served.lake, "gold/training", None, ""))
    scores = served.lake.rows("gold/scores").set_index("trip")
    for key, answer in served.answers.items():
        row = scores.loc[key]
        assert (row["prediction"], row["predictor_type"]) == (answer["prediction"], answer["predictor_type"]), key


def test_what_was_served_is_what_training_saw_gaps_among_it(served: Served) -> None:
    streamed(served)
    predictions = served.lake.rows("silver/predictions").set_index("trip").loc[served.rows["trip"]]
    for name in OPTIONAL:
        assert predictions[name].isna().tolist() == served.rows[name].isna().tolist()
    assert predictions["shared"].dtype == bool
    report = measure_skew(served.lake)
    assert report.verdict == "no skew", report.skewed
    assert [join.source for join in report.joins] == ["gold/training"] and report.joins[0].rows == ASKED
    assert {check.compared for check in report.models} == {
        "served values and training's examples", "logged answers",
    }  # fmt: skip


def test_the_window_is_measured_by_values_and_by_gaps(served: Served) -> None:
    streamed(served)
    report = detect_windows(served.lake).reports[0]
    assert report.state == "stable" and len(report.features) == 10 and report.prediction is not None
    assert [column.column for column in report.missing] == list(OPTIONAL)
    assert not any(column.drifted for column in report.missing)
    kinds = served.lake.rows("gold/drift")["column_kind"].value_counts()
    assert kinds["missing share"] == 7 and kinds["feature"] == 10


def test_the_window_s_statistics_have_no_anomalies(served: Served) -> None:
    streamed(served)
    detect_windows(served.lake)
    folder = count_window(served.lake, find_window(served.lake, "2024-01"))
    assert [str(anomaly) for anomaly in read_anomalies(folder)] == []


def test_the_catalogue_knows_how_much_is_missing(served: Served) -> None:
    found = {one.name: one for one in describe_features(open_use_case(served.lake.settings), "")}
    assert 0.1 < (found["fare"].share_missing or 0) < 0.3 and found["zone"].share_missing == 0
    assert found["fare"].allowed == "any number, or missing" and found["shared"].allowed == "true or false"


def streamed(served: Served) -> None:
    """The request log in the lake, once; the gateway's last lines may still be on their way."""
    folder = served.lake.settings.home / "logs" / "requests" / "trips"
    lines = lambda: [line for path in Path(folder).glob("*.jsonl") for line in path.read_text().splitlines()]  # noqa: E731
    eventually(lambda: len(lines()) >= ASKED)
    assert all(set(json.loads(line)["features"]) == set(served.lake.contract.features) for line in lines())
    with open_stream(served.lake, lambda line: None) as take:
        take()
