"""A use case with nothing in common with the first goes from files to answers through the command line alone.

Its label is binary and inside the same CSV, one feature is a categorical string, the separator is a comma, there are no
rules, and its classes are evened out by SMOTE: whatever the core knew of the first use case would break here.
"""

import json
import os
import subprocess
from functools import partial
from pathlib import Path

import httpx
import pytest
from deltalake import DeltaTable

from lakeloop.manifest import read_manifest
from lakeloop.settings import PROJECT, load_settings
from lakeloop.use_case import open_use_case
from serving.model_server.process import stop, wait_until_available
from tests.command_line import COMMAND, Run, run_ready
from tests.use_case_copies import USE_CASES
from tests.warm_spark import warm_spark
from tfx_pipeline.metadata.store import artifacts_of, open_store
from tfx_pipeline.runs.run_record import load_runs

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("churn")
    warm_spark().serve(open_use_case(load_settings(home=home, use_case="churn", use_cases=USE_CASES["churn"])))
    return home


@pytest.fixture(scope="module")
def environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "LAKELOOP_HOME": str(home),
        "LAKELOOP_USE_CASE": "churn",
        "LAKELOOP_USE_CASES": str(PROJECT / "tests" / "use_cases"),
    }


@pytest.fixture(scope="module")
def run(environment: dict[str, str]) -> Run:
    return partial(run_ready, environment=environment)


@pytest.fixture(scope="module")
def ingested(run: Run, home: Path) -> "subprocess.CompletedProcess[str]":
    """600 generated customers of month 0, and five rows that are wrong."""
    generated = run("data", "generate")
    assert generated.returncode == 0, generated.stderr
    wrong = home / "landing" / "churn" / "customers" / "customers-2024-01.late.csv"
    wrong.write_text(
        "customer,period,plan,usage,left\n"
        "x1,2024-01,gold,10,no\n"
        "x2,2024-01,basic,-1,no\n"
        'x3,2024-01,"pro, annual",10,maybe\n'
        "x4,January,basic,10,no\n"
        "x5,2024-01,basic,10\n"
        'x6,2024-01,"pro, annual",10,no\n'
    )
    return run("lake", "ingest")


@pytest.fixture(scope="module")
def trained(run: Run, ingested: object) -> "subprocess.CompletedProcess[str]":
    return run("train", "--periods", "0")


def test_good_rows_are_kept_and_wrong_ones_named(ingested: "subprocess.CompletedProcess[str]", home: Path) -> None:
    assert ingested.returncode == 0, ingested.stderr
    assert "601 rows added" in ingested.stdout
    rejects = DeltaTable(home / "lake" / "silver" / "churn" / "rejects").to_pandas()
    assert set(rejects["file"]) == {"customers-2024-01.late.csv"}
    assert sorted(rejects["line"]) == [2, 3, 4, 5, 6]


def test_the_model_passes_and_is_pushed(trained: "subprocess.CompletedProcess[str]", home: Path) -> None:
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert len(list((home / "models" / "churn").iterdir())) == 1


def test_the_classes_were_evened_out_by_rows_that_smote_made(trained: object, home: Path) -> None:
    settings = load_settings(home=home, use_case="churn", use_cases=USE_CASES["churn"])
    record = load_runs(open_use_case(settings))[-1]
    assert record.trained is not None and record.trained.balance == "smote"
    manifest = read_manifest(record.parameters.manifest)
    stays, leaves = record.trained.class_weights
    assert stays == leaves and record.trained.rows == stays + leaves > manifest.rows_of("train")
    with open_store(settings) as store:
        model = artifacts_of(store, "churn", "Model")[-1]
    assert model.uri == record.model_uri
    assert model.custom_properties["balance"].string_value == "smote"
    assert model.custom_properties["trained_rows"].int_value == record.trained.rows
    assert json.loads(model.custom_properties["class_weights"].string_value) == [stays, leaves]


def test_the_model_answers_over_rest(trained: object, environment: dict[str, str], run: Run) -> None:
    server = subprocess.Popen(
        [*COMMAND, "serve", "models", "--port", "0"], stdout=subprocess.PIPE, text=True, env=environment, cwd=PROJECT
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        url = line.split()[1].removesuffix("/v1/models/churn")
        wait_until_available(url, "churn", 240, server)
        instances = [{"plan": "basic", "usage": 1.0}, {"plan": "pro, annual", "usage": 199.0}]
        answer = httpx.post(f"{url}/v1/models/churn:predict", json={"instances": instances}, timeout=60)
        assert answer.status_code == 200, answer.text
        leaves, stays = answer.json()["predictions"]
        assert leaves["class_id"] == 1 and leaves["probabilities"][1] > 0.8
        assert stays["class_id"] == 0 and stays["probabilities"][0] > 0.8
        wrong = httpx.post(
            f"{url}/v1/models/churn:predict", json={"instances": [{"plan": 1, "usage": 1.0}]}, timeout=60
        )
        assert wrong.status_code == 400 and "error" in wrong.json()
        second = run("serve", "models", "--port", url.rpartition(":")[2])
        assert second.returncode == 1 and "is taken by another process" in second.stderr
    finally:
        assert stop(server) == 0


def test_the_model_is_evaluated_on_later_months(trained: object, run: Run) -> None:
    evaluated = run("validate", "--period", "3", "--oracle")
    assert evaluated.returncode == 0, evaluated.stderr
    assert "on month 3 (2024-04)" in evaluated.stdout and "generator's own labels" in evaluated.stdout
    assert "was made from" not in evaluated.stdout
    known = run("validate", "--period", "0")
    assert "Evaluated by the truth in gold" in known.stdout and "the figures show what it remembers" in known.stdout
    missing = run("validate", "--period", "3", "--oracle", "--model", "7")
    assert missing.returncode == 1 and "7" in missing.stderr
