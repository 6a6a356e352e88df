"""DAGs run for real, each task a real command."""

from pathlib import Path

import pytest

from lakeloop.events import all_events
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from operations.delivery import generate
from tests.dags.conftest import InAirflow


def test_a_look_at_a_request_log_without_news_starts_no_spark(in_airflow: InAirflow, tmp_path: Path) -> None:
    run = in_airflow("run_dag", "insurance_stream")
    assert run["tasks"] == {"stream": "success"} and run["values"]["stream"] == {"exit_code": 0}
    assert not (tmp_path / "var" / "lake").exists()


@pytest.mark.long
def test_landed_files_become_gold_and_an_event_that_the_ledger_knows(in_airflow: InAirflow, tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "var", use_case="insurance")
    generate(open_use_case(settings), [0])
    wrong = open_use_case(settings).folder("landing") / "claims" / "claims-2023-02.csv"
    wrong.write_text("what is this?\n")
    first = in_airflow("run_dag", "insurance_ingest")
    assert first["tasks"] == {
        "bronze": "success", "silver": "success", "gold": "success", "ground_truth": "success",
        "refused_files": "failed",
    }  # fmt: skip
    assert first["state"] == "failed"  # so that somebody looks
    assert sorted(first["values"]["bronze"]["taken"]) == ["claims/claims-2023-01.csv", "policies/policies-2023-01.csv"]
    gold, truth = first["events"]["insurance/gold"], first["events"]["insurance/ground_truth"]
    assert (gold["rows"], gold["rows_added"]) == (1500, 1500)
    (event,) = all_events(open_use_case(settings))
    assert truth == event.extra and event.payload["version"] == gold["version"]
    assert event.payload["months"] == ["2023-01"] and event.attempts == 1  # the outbox will look before it sends
