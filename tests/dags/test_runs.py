"""DAGs run for real, each task a real command."""

from pathlib import Path

from tests.dags.conftest import InAirflow


def test_a_look_at_a_request_log_without_news_starts_no_spark(in_airflow: InAirflow, tmp_path: Path) -> None:
    run = in_airflow("run_dag", "insurance_stream")
    assert run["tasks"] == {"stream": "success"} and run["values"]["stream"] == {"exit_code": 0}
    assert not (tmp_path / "var" / "lake").exists()
