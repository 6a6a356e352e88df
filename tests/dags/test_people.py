"""What Airflow has people told: runs that failed, and a question with its link, each once."""

import json
from pathlib import Path

from lakeloop.notifications import told_notifications
from lakeloop.settings import load_settings
from tests.dags.conftest import InAirflow


def test_failed_runs_and_questions_are_told_once_with_where_to_look(in_airflow: InAirflow, tmp_path: Path) -> None:
    graph = tmp_path / "var" / "tfx" / "insurance" / "graph.json"
    graph.parent.mkdir(parents=True)
    nodes = {"Trainer": [], "InfraValidator": ["Trainer"], "Pusher": ["InfraValidator"]}
    graph.write_text(json.dumps({"nodes": [{"id": name, "upstream": before} for name, before in nodes.items()]}))
    found = in_airflow("tell_people", AIRFLOW__API__BASE_URL="http://airflow.example.com:8080")
    assert [name for name in found["without"] if not name.endswith("_is_broken")] == []
    silver, first, second, maintenance, question = found["told"]
    assert silver["text"].startswith("The run manual__2 of insurance_ingest failed at task silver.")
    assert silver["link"] == "http://airflow.example.com:8080/dags/insurance_ingest/runs/manual__2"
    assert [("10:01" in first["text"]), ("11:00" in second["text"])] == [True, True]
    assert (maintenance["use_case"], maintenance["kind"]) == ("", "failed run") and "timed_out" in maintenance["text"]
    assert (question["use_case"], question["kind"]) == ("insurance", "question")
    assert question["text"].endswith("What is to be done? Without an answer within 24 h the champion is kept.")
    assert question["link"].startswith(
        "http://airflow.example.com:8080/dags/insurance_retrain/runs/asset__1/tasks/ask/required_actions"
    )


def test_a_run_that_fails_is_told_by_airflow(in_airflow: InAirflow, tmp_path: Path) -> None:
    run = in_airflow("run_dag", "insurance_simulate", '{"periods": "9-2"}')
    assert run["state"] == "failed"
    (told,) = told_notifications(load_settings(home=tmp_path / "var"))
    assert told.notification.text.startswith(f"The run {run['run']} of insurance_simulate failed at task simulate.")
