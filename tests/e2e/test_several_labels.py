"""Tickets with several topics each go from files to answers, and from their truth to how right those were."""

import json
import os
from pathlib import Path

import httpx
import pytest
from deltalake import DeltaTable

from lakeloop.settings import PROJECT, load_settings
from lakeloop.use_case import open_use_case
from tests.command_line import run_ready
from tests.use_case_copies import USE_CASES
from tests.waiting import eventually
from tests.warm_programs import running_gateway, running_server
from tests.warm_spark import warm_spark
from tfx_pipeline.runs.run_record import load_runs

pytestmark = pytest.mark.long
ROW = {"channel": "phone", "plan": "basic", "amounts": 5, "failures": 0, "words": 70}


def test_tickets_go_from_files_to_answers_and_their_truth_tells_how_right_they_were(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "LAKELOOP_HOME": str(tmp_path),
        "LAKELOOP_USE_CASE": "tickets",
        "LAKELOOP_USE_CASES": str(PROJECT / "tests" / "use_cases"),
    }

    def run(*words: str) -> str:
        done = run_ready(*words, environment={**environment, "COLUMNS": "200"})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    settings = load_settings(home=tmp_path, use_case="tickets", use_cases=USE_CASES["tickets"])
    use_case = open_use_case(settings)
    warm_spark().serve(use_case)
    assert "good" in run("contract", "check") and "3 labels of `topics`" in run("contract", "check")
    run("data", "generate", "--periods", "0")
    assert "1,600 rows added" in run("lake", "ingest")
    trained = run("train", "--periods", "0")
    assert "f1_micro on eval" in trained and "hamming_loss on eval" in trained
    version = load_runs(use_case)[-1].pushed_version
    with running_server({"tickets": use_case.folder("models")}) as models:
        served = settings.model_copy(update={"model_server_url": models.url})
        with running_gateway(served) as gateway:
            eventually(lambda: httpx.get(f"{gateway.url}/health").json()["model_answers"])
            answer = httpx.post(f"{gateway.url}/predict/", json=ROW, timeout=60).json()
            assert answer["labels"] == ["billing"] and answer["model_version"] == version
            asked = run("simulate", "--periods", "1", "--until", "3", "--batch", "100", "--url", gateway.url)
            assert "1,600 requests" in asked and "ground truth delivered" in asked
    run("lake", "stream")
    run("lake", "ingest")
    told = run("performance")
    assert f"version {version} calibrated" in told
    found = DeltaTable(tmp_path / "lake" / "gold" / "tickets" / "performance").to_pandas()
    (row,) = found[(found["month"] == "2024-02") & (found["model_version"] == version)].to_dict("records")
    assert row["model_with_truth"] > 1_500 and 0.6 < row["model_accuracy"] < 0.95, "exactly the right labels"
    assert row["estimated_accuracy"] == pytest.approx(row["model_accuracy"], abs=0.08)
    weak = json.loads(run("analyse", "--period", "1", "--segments", "--json"))
    assert weak["accuracy"] == pytest.approx(row["model_accuracy"], abs=0.03)
    drift = run("drift", "--periods", "1")
    assert "prediction" in drift
