"""DAGs run for real, each task a real command."""

from pathlib import Path

import pytest

from lakeloop.events import all_events
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from operations.delivery import generate
from tests.dags.conftest import InAirflow
from tests.operations.batch_scoring.test_score import push_model
from tests.use_case_copies import copy_insurance


def test_a_look_at_a_request_log_without_news_starts_no_spark(in_airflow: InAirflow, tmp_path: Path) -> None:
    run = in_airflow("run_dag", "insurance_stream")
    assert run["tasks"] == {"stream": "success"} and run["values"]["stream"] == {"exit_code": 0}
    assert not (tmp_path / "var" / "lake").exists()


@pytest.mark.long
def test_a_scoring_before_the_first_model_does_nothing_and_is_no_failure(in_airflow: InAirflow, tmp_path: Path) -> None:
    run = in_airflow("run_dag", "insurance_score", LAKELOOP_USE_CASES=str(with_scoring(tmp_path)))
    assert run["tasks"] == {"score": "success", "scores": "skipped"} and run["state"] == "success"
    assert not (tmp_path / "var" / "lake").exists()


@pytest.mark.long
def test_a_table_is_scored_once_into_table_and_file_and_announced(in_airflow: InAirflow, tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "var", use_case="insurance")
    case = open_use_case(settings)
    generate(case, [0])
    in_airflow("run_dag", "insurance_ingest")
    push_model(case.contract, case.folder("models") / "1")
    use_cases = str(with_scoring(tmp_path))
    run = in_airflow("run_dag", "insurance_score", LAKELOOP_USE_CASES=use_cases)
    assert run["tasks"] == {"score": "success", "scores": "success"}
    told = run["events"]["insurance/scores"]
    assert (told["table"], told["model"], told["rows"]) == ("silver/policies", "1", 1500)
    assert told["airflow_run_id"] == run["run"] and told["airflow_dag_id"] == "insurance_score"
    assert len(Path(told["file"]).read_text().splitlines()) == 1501
    again = in_airflow("run_dag", "insurance_score", LAKELOOP_USE_CASES=use_cases)
    assert again["tasks"] == {"score": "success", "scores": "skipped"}


def with_scoring(folder: Path) -> Path:
    """A folder of use cases in which insurance is scored by itself."""
    copy = copy_insurance(folder / "use_cases")
    with (copy / "insurance" / "contract.yaml").open("a") as contract:
        contract.write("scoring: {after: gold}\n")
    return copy


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
