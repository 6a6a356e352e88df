"""The main job by command line: the gate exercise, its report, the lake, and retraining without any drift."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from lakeloop.model_card import CARD_PAGE
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from tests.command_line import lakeloop_in
from tfx_pipeline.metadata.store import artifacts_of, open_store
from tfx_pipeline.runs.graph import TUNER
from tfx_pipeline.runs.run_record import load_run

pytestmark = pytest.mark.long


def lakeloop(home: Path, *args: str) -> "subprocess.CompletedProcess[str]":
    return lakeloop_in(home)(*args)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exercise")


@pytest.fixture(scope="module")
def first(home: Path) -> "subprocess.CompletedProcess[str]":
    return lakeloop(home, "exercise")


def test_the_gate_exercise_refuses_50_units_and_passes_100(
    first: "subprocess.CompletedProcess[str]", home: Path
) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    assert "50 units: the model is refused and not pushed" in first.stdout
    assert re.search(r"100 units: the model passes, version \d+", first.stdout)
    (version,) = (home / "models" / "insurance").iterdir()
    assert f"model card: {version / CARD_PAGE}" in first.stdout and (version / CARD_PAGE).is_file()


def test_a_models_lineage_leads_to_its_card(first: object, home: Path) -> None:
    shown = json.loads(lakeloop(home, "lineage", "model", "--json").stdout)
    (card,) = [item for item in shown["items"] if item["kind"] == "card"]
    (version,) = (home / "models" / "insurance").iterdir()
    assert card["facts"]["where"] == str(version / CARD_PAGE)
    assert {"source": f"version {version.name}", "target": card["id"]} in shown["links"]


def test_the_report_tells_what_the_model_is_worth_also_of_one_that_no_longer_serves(first: object, home: Path) -> None:
    (version,) = (home / "models" / "insurance").iterdir()
    newer = Path(shutil.copytree(version, version.with_name(str(int(version.name) + 1))))
    told = lakeloop(home, "report", "--version", version.name)
    assert told.returncode == 0, told.stdout + told.stderr
    shutil.rmtree(newer)
    beside = (
        r"random 0\.333 \(\+0\.\d{3}\), majority 0\.440 \(\+0\.\d{3}\), rules 0\.587 \(\+0\.\d{3}\), trees 0\.8\d\d"
    )
    assert re.search(beside, " ".join(told.stdout.split()))
    assert "On the same rows the gate refused run " in told.stdout and "accuracy_train 0.8" in told.stdout
    assert (home / "reports" / "index.html").stat().st_size > 1_000_000
    nobody = lakeloop(home, "report", "--version", "7")
    assert nobody.returncode == 1 and "no run of insurance pushed version 7" in nobody.stderr


def test_a_refused_model_exits_3_and_is_not_pushed(first: object, home: Path) -> None:
    refused = lakeloop(home, "train", "--set", "units=1", "--set", "epochs=1")
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert "accuracy_eval" in refused.stdout and "FAIL" in refused.stdout
    assert "it looks at: " in refused.stdout, "one sees what it lacks"
    assert "nothing was pushed" in refused.stderr
    assert len(list((home / "models" / "insurance").iterdir())) == 1


def test_ingesting_again_changes_no_table(first: object, home: Path) -> None:
    before = lakeloop(home, "lake", "tables").stdout
    again = lakeloop(home, "lake", "ingest")
    assert again.returncode == 0 and "nothing new: no table changed" in again.stdout
    after = lakeloop(home, "lake", "tables").stdout
    assert [line.split()[:3] for line in before.splitlines()] == [line.split()[:3] for line in after.splitlines()]


def test_the_lake_commands_look_and_keep_house(first: object, home: Path) -> None:
    assert re.search(r"1\s+.*WRITE\s+numOutputRows 1,500", lakeloop(home, "lake", "history", "gold/training").stdout)
    assert "3 of 1,500 rows" in lakeloop(home, "lake", "show", "training", "-n", "3").stdout
    for command in ("optimize", "vacuum"):
        answer = lakeloop(home, "lake", command)
        assert answer.returncode == 0 and "gold/training" in answer.stdout, answer.stderr


@pytest.fixture(scope="module")
def tuned(first: object, home: Path) -> "subprocess.CompletedProcess[str]":
    return lakeloop(home, "retrain", "--strategy", "tune", "--trials", "2", "--no-promote", "--by", "the exercise")


@pytest.fixture(scope="module")
def kept(tuned: object, home: Path) -> "subprocess.CompletedProcess[str]":
    return lakeloop(home, "retrain", "--strategy", "keep", "--by", "the exercise")


def decision(home: Path, strategy: str) -> dict[str, Any]:
    rows = DeltaTable(home / "lake" / "gold" / "insurance" / "decisions").to_pyarrow_table().to_pylist()
    (found,) = [row for row in rows if row["strategy"] == strategy]
    return dict(found)


def test_tuning_is_scored_like_any_candidate_and_pushes_nothing_unless_told(
    tuned: "subprocess.CompletedProcess[str]", home: Path
) -> None:
    found = decision(home, "tune")
    assert tuned.returncode == (3 if found["outcome"] == "none passed" else 0), tuned.stdout + tuned.stderr
    assert found["outcome"] in ("recommended", "kept", "none passed") and found["version"] == ""
    assert (found["with_truth"], found["decided_by"], found["judged_rows"]) == (False, "the exercise", 293)
    assert found["judged_version"] == 1 and found["judged_on"].startswith("293 eval rows")
    (candidate,) = found["candidates"]
    assert candidate["what"].startswith("the best of 2 trials of the Tuner, on the champion's own rows: units ")
    assert candidate["error"] == "" and candidate["score"] > 0.8
    assert {"accuracy_train", "accuracy_eval"} <= {check["name"] for check in candidate["checks"]}


def test_what_the_tuner_found_is_in_ml_metadata_and_is_what_the_model_was_trained_with(
    tuned: object, home: Path
) -> None:
    settings = load_settings(home=home, use_case="insurance")
    (candidate,) = decision(home, "tune")["candidates"]
    run = load_run(open_use_case(settings), candidate["run_id"])
    node = run.node(TUNER)
    assert node is not None and node.state == "ran"
    with open_store(settings) as store:
        outputs = {event.artifact_id for event in store.get_events_by_execution_ids([node.execution_id or 0])}
        (best,) = artifacts_of(store, "insurance", "HyperParameters")
        (trials,) = artifacts_of(store, "insurance", "TunerResults")
        (model,) = [a for a in artifacts_of(store, "insurance", "Model") if a.uri == run.model_uri]
    assert {best.id, trials.id} <= outputs
    values = json.loads((Path(best.uri) / "best_hyperparameters.txt").read_text())["values"]
    assert values == run.tuned and set(values) == {"units", "dropout", "learning_rate"}
    trained = json.loads(model.custom_properties["trained_settings"].string_value)
    assert {name: trained[name] for name in values} == values


def test_keeping_the_champion_is_a_decision_on_record(kept: "subprocess.CompletedProcess[str]", home: Path) -> None:
    assert kept.returncode == 0, kept.stdout + kept.stderr
    assert "kept: the champion stays" in kept.stdout
    found = decision(home, "keep")
    assert (found["outcome"], found["candidates"], found["winner"], found["version"]) == ("kept", [], "", "")
    champion = decision(home, "tune")["champion"]
    assert found["champion"] == champion != ""
    assert (home / "reports" / "decisions" / f"{found['decision_id']}.html").is_file()
    listed = lakeloop(home, "decisions", "list").stdout.splitlines()
    assert [line.split()[0] for line in listed[1:]] == [decision(home, s)["decision_id"] for s in ("tune", "keep")]


def test_corrected_truth_is_new_truth(kept: object, home: Path) -> None:
    """No month is newer, but rows the champion was trained on have another class now."""
    claims = home / "landing" / "insurance" / "claims"
    head, *rows = (claims / "claims-2023-01.csv").read_text().splitlines()
    keys, risks = zip(*(row.split(";") for row in rows), strict=True)
    corrected = [f"{key};{risk}" for key, risk in zip(keys, risks[:900] + risks[:899:-1], strict=True)]
    (claims / "claims-2023-01.corrected.csv").write_text("\n".join([head, *corrected]) + "\n")
    taken = lakeloop(home, "lake", "ingest")
    assert taken.returncode == 0 and "600 updated" in taken.stdout, taken.stdout + taken.stderr
    told = lakeloop(home, "retrain", "--no-promote", "--by", "the exercise")
    found = decision(home, "auto")
    assert told.returncode == (3 if found["outcome"] == "none passed" else 0), told.stdout + told.stderr
    changed = re.search(r"(\d+) rows of the champion's periods were corrected, added or withdrawn since", told.stdout)
    assert changed is not None and 300 < int(changed[1]) < 600, "those whose class is another"
    assert (found["with_truth"], found["trigger"]) == (True, "ground_truth")
    assert found["judged_version"] > decision(home, "tune")["judged_version"] == 1
    assert [candidate["name"] for candidate in found["candidates"]] == ["newest"]
    assert found["champion_checks"], "on the eval rows of the month, with the truth of now"
    shown = json.loads(lakeloop(home, "lineage", "table", f"gold/training@{found['judged_version']}", "--json").stdout)
    assert f"decision {found['decision_id']}" in [item["id"] for item in shown["items"]]
    (touched,) = json.loads(lakeloop(home, "lineage", "affected-by", "claims-2023-01.csv", "--json").stdout)
    by_version: dict[int, set[tuple[int, int]]] = {}
    for model in touched["models"]:
        by_version.setdefault(model["delta_version"], set()).add((model["rows"], model["corrected"]))
    assert by_version == {1: {(1500, 600)}, found["judged_version"]: {(900, 0)}}, "what was wrong in it is gone"
