"""The DAG of a retrain: its tasks come from the compiled pipeline, and its form refuses what cannot be."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.dags.conftest import InAirflow

NODES = {
    "GoldExport": [], "ExampleGen": ["GoldExport"], "Transform": ["ExampleGen"], "Trainer": ["GoldExport", "Transform"],
    "QualityGate": ["Trainer"], "InfraValidator": ["QualityGate", "Trainer"],
    "Pusher": ["InfraValidator", "QualityGate"],
}  # fmt: skip


def compiled(home: Path, nodes: dict[str, list[str]]) -> None:
    path = home / "tfx" / "insurance" / "graph.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"nodes": [{"id": name, "upstream": before} for name, before in nodes.items()]}))


LOOKED_AT: dict[str, Any] = {}  # the DAG is made once for all tests that only look at it


@pytest.fixture
def found(in_airflow: InAirflow, tmp_path: Path) -> dict[str, Any]:
    if not LOOKED_AT:
        compiled(tmp_path / "var", NODES)
        LOOKED_AT.update(in_airflow("retrain_dag", LAKELOOP_DECISION_HOURS="0.5"))
    return LOOKED_AT


def test_its_tasks_are_the_compiled_pipelines_nodes(found: dict[str, Any]) -> None:
    upstream = found["upstream"]
    assert set(upstream["candidate.Trainer"]) == {"candidate.GoldExport", "candidate.Transform", "plan"}
    assert set(upstream["candidate.ExampleGen"]) == {"candidate.GoldExport", "plan"}
    assert "candidate.QualityGate" in upstream["candidate.score"]
    assert upstream["push.Pusher"] == ["push.InfraValidator"]
    assert "candidate.Pusher" not in upstream
    assert upstream["plan"] == ["why"]
    # A candidate that failed is scored too, and does not keep the others from being compared.
    assert found["rules"]["candidate.score"] == "all_done"
    assert found["rules"]["compare"] == "none_failed"
    # One retrain at a time, one task at a time where ML Metadata is SQLite.
    assert (found["max_active_runs"], found["max_active_tasks"]) == (1, 1)
    assert "insurance/drift" in found["schedule"] and "insurance/ground_truth" in found["schedule"]
    assert found["modules"] == []


def test_the_form_says_what_is_wrong(found: dict[str, Any]) -> None:
    forms = found["forms"]
    assert forms.pop("as it is") == forms.pop("periods and units") == forms.pop("trees") == ""
    for name, reason in {
        "no strategy": "'hope' is not one of", "no periods": "does not match", "too few units": "minimum of 1",
        "no kind": "'forest' is not one of", "too few leaves": "minimum of 2",
        "a text": "'many' is not of type", "too many trials": "maximum of 100",
    }.items():  # fmt: skip
        assert reason in forms.pop(name), name
    assert not forms


def test_what_may_stay_empty_is_null_for_the_ui_takes_an_empty_text_for_a_missing_one(found: dict[str, Any]) -> None:
    assert found["empty"] == []
    assert found["ask"]["empty"] == []


def test_a_person_is_asked_for_as_long_as_the_setting_says_and_then_the_champion_stays(found: dict[str, Any]) -> None:
    ask = found["ask"]
    assert ask["options"] == [
        "promote anyway", "change the requirement", "keep the champion", "fall back for a segment",
    ]  # fmt: skip
    assert ask["defaults"] == ["keep the champion"] and ask["hours"] == 0.5
    assert {"why", "candidate", "segment", "require accuracy.above"} <= set(ask["params"])
    assert ask["a field alone"] == ""
    assert ask["another field"].startswith("the answer has no field whim; there are why, candidate, segment, ")
    answer = found["answer"]
    assert answer == {
        "choice": "change", "by": "demo", "nobody": "nobody within 24 h", "why": "fair",
        "gate": "class_share_tolerance=0.3",
    }  # fmt: skip


def test_a_run_knows_which_events_of_the_ledger_woke_it(found: dict[str, Any]) -> None:
    by_hand, by_the_ledger, by_somebody_else = found["numbers"]
    assert (by_hand, by_the_ledger, by_somebody_else) == ("", "3,4,5", "")


def test_before_anything_is_compiled_there_is_one_task_that_compiles(in_airflow: InAirflow) -> None:
    found = in_airflow("retrain_dag")
    assert list(found["upstream"]) == ["compile_the_pipeline"]
