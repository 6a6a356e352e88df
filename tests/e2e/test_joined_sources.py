"""Rides whose areas and weather other tables know go from files to answers through the commands and servers alone.

Whether there is a tip depends on what is joined: a model that was not told of it could not answer as this one does.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable

from lakeloop.model_input import request_rows
from lakeloop.use_case import UseCase
from tests.command_line import ready_lakeloop_in
from tests.lakes import OwnLake
from tests.waiting import eventually
from tests.warm_programs import running_gateway, running_server
from tests.warm_spark import warm_spark
from tests.weather_rides import deliver, weather_use_case

pytestmark = pytest.mark.long
BEGINS, RIDES, ASKED = pd.Timestamp("2024-01-01", tz="UTC"), 600, 60
FEATURES = ("miles", "kind", "people", "celsius", "rain")


def drawn_rides() -> pd.DataFrame:
    """Rides of the first two days with what they will meet; a tenth starts in an area that nobody knows yet."""
    random = np.random.default_rng(3)
    started = BEGINS + pd.to_timedelta(random.integers(180, 2 * 1440, RIDES), "min")
    pickup = random.choice(["08", "32", "40", "77"], RIDES, p=[0.4, 0.3, 0.2, 0.1])
    rides = pd.DataFrame({"ride": [f"r{n:03}" for n in range(RIDES)], "started": started, "pickup": pickup})
    rains = (started.hour // 3) % 2 == 0
    tip = np.where(random.random(RIDES) < 0.03, ~rains, rains)
    return rides.assign(miles=random.uniform(1, 20, RIDES).round(2), tip=np.where(tip, 2.5, 0))


def deliver_all(use_case: UseCase) -> None:
    lake = OwnLake(use_case.settings, use_case.contract, lambda: pytest.fail("the commands have a Spark of their own"))
    hours = [(BEGINS + pd.Timedelta(hours=hour), (hour // 3) % 2 == 0) for hour in range(48)]
    rides = list(drawn_rides().itertuples())
    deliver(lake, "areas", "1", "08,homes,1000", "32,shops,", "40,parks,7")
    deliver(lake, "weather", "1", *(f"{station},{int(at.timestamp())},{5 + at.hour / 10},{'yes' if rain else 'no'}"
                                    for station in ("08", "32", "77") for at, rain in hours))  # fmt: skip
    deliver(lake, "rides", "1", *(f"{r.ride},{r.started:%Y-%m-%dT%H:%M:%S},{r.pickup},{r.miles}" for r in rides))
    deliver(lake, "tips", "1", *(f"{r.ride},{r.tip}" for r in rides))


def questions(use_case: UseCase, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """What a client asks about rides: each one's own features and those of what it met."""
    features = request_rows(use_case.contract.features, rows)
    keys = zip(rows["ride"], rows["started"], strict=True)
    return [{"key": key, "at": at.isoformat(), **row} for (key, at), row in zip(keys, features, strict=True)]


def test_base_and_joined_features_go_from_files_to_an_answer(tmp_path: Path) -> None:
    use_case = weather_use_case(tmp_path / "home", "areas", "weather")
    deliver_all(use_case)
    warm_spark().serve(use_case)
    home = use_case.settings.home
    run = ready_lakeloop_in(home, LAKELOOP_USE_CASE="rides", LAKELOOP_USE_CASES=str(use_case.settings.use_cases))
    taken = run("lake", "ingest")
    assert taken.returncode == 0, taken.stderr
    rows = DeltaTable(use_case.table("silver/rides")).to_pandas()
    waiting = RIDES - len(rows)
    assert f"{waiting} rows wait for a row of areas" in taken.stdout and "found no row of weather" in taken.stdout
    assert set(rows["pickup"]) == {"08", "32", "40"} and rows.loc[rows["pickup"] == "40", "rain"].isna().all()

    trained = run("train")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    with running_server({"rides": use_case.folder("models")}) as server:
        settings = use_case.settings.model_copy(update={"model_server_url": server.url})
        with running_gateway(settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
            schema = json.dumps(client.get("/openapi.json").json())
            page = client.get("/").text
            for name in FEATURES:
                assert f'"{name}"' in schema and name in page, name
            asked = questions(use_case, rows[rows["rain"].notna()].head(ASKED))
            answers = [client.post("/predict/", json=one).raise_for_status().json() for one in asked]
            assert {answer["predictor_type"] for answer in answers} == {"model"}
            expected = ["some" if one["rain"] else "none" for one in asked]
            right = np.mean([answer["prediction"] == tip for answer, tip in zip(answers, expected, strict=True)])
            assert right > 0.9, "the weather is what the tip hangs on"
            one = asked[0] | {"key": None}
            dry, wet, unknown = (client.post("/predict/", json=one | {"rain": rain}) for rain in (False, True, None))
            assert wet.json()["probabilities"]["some"] - dry.json()["probabilities"]["some"] > 0.5
            assert unknown.status_code == 200, "what may be missing in the lake may be in a request"
            unmet = client.post("/predict/", json={name: value for name, value in one.items() if name != "kind"})
            assert unmet.status_code == 422 and "kind" in unmet.text
        log = home / "logs" / "requests" / "rides"
        eventually(lambda: sum(len(path.read_text().splitlines()) for path in log.glob("*.jsonl")) == ASKED + 3)
        streamed = run("lake", "stream")
        assert streamed.returncode == 0, streamed.stderr
    skew = run("features", "skew", "--json")
    assert skew.returncode == 0, skew.stderr
    found = json.loads(skew.stdout)
    assert found["verdict"] == "no skew"
    assert [(join["source"], join["rows"], join["corrected"]) for join in found["joins"]] == [
        ("gold/training", ASKED, 0)
    ]
