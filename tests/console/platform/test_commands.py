"""`lakeloop up`, `down`, `status` and `logs` where nothing runs."""

import json
import socket
from pathlib import Path

import pytest

from console.platform.airflow_environment import AIRFLOW
from console.platform.marked_processes import marked_processes
from console.platform.paths import home_of, log_folder
from lakeloop.settings import PROJECT, Settings
from tests.command_line import Run

needs_airflow = pytest.mark.skipif(not AIRFLOW.exists(), reason="Airflow's environment is not there (`make airflow`)")


@needs_airflow
def test_status_of_a_stopped_platform_is_a_table_and_json(lakeloop: Run) -> None:
    shown = lakeloop("status")
    assert shown.returncode == 1 and shown.stdout.count("stopped") >= 7
    told = lakeloop("status", "--json")
    content = json.loads(told.stdout)
    rows = {row["name"]: row for row in content["services"]}
    assert told.returncode == 1 and rows["gateway"]["state"] == "stopped" and rows["gateway"]["pid"] is None
    assert rows["api-server"]["url"].startswith("http://127.0.0.1:")
    assert ("insurance", "stopped") in [(one["name"], one["state"]) for one in content["use_cases"]]
    assert {one["name"] for one in content["use_cases"]} == {
        path.parent.name for path in (PROJECT / "data").glob("*/contract.yaml")
    }


def test_down_of_a_stopped_platform_says_so(lakeloop: Run) -> None:
    done = lakeloop("down")
    assert done.returncode == 0 and "nothing was running" in done.stdout


@needs_airflow
def test_a_taken_port_is_named_before_anything_starts(lakeloop: Run, settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", settings.gateway_port))
        taken.listen()
        refused = lakeloop("up")
    assert refused.returncode == 1 and f"port {settings.gateway_port} (gateway) is taken by pid" in refused.stderr
    assert "nothing was started" in refused.stderr and "Traceback" not in refused.stderr
    assert not marked_processes(home_of(settings)) and not (settings.home / "secrets").exists()


@needs_airflow
def test_a_use_case_that_cannot_be_served_is_named_before_anything_starts(
    lakeloop: Run, settings: Settings, tmp_path: Path
) -> None:
    refused = lakeloop("up", "--only", "claims")
    assert refused.returncode == 2 and "there is no use case 'claims'" in refused.stderr
    (tmp_path / "data" / "half").mkdir(parents=True)
    (tmp_path / "data" / "half" / "contract.yaml").write_text("use_case: half\nfeetures: {}\n")
    broken = lakeloop("up", LAKELOOP_USE_CASES=str(tmp_path / "data"))
    assert broken.returncode == 2 and "did you mean `features`?" in broken.stderr
    assert not marked_processes(home_of(settings)) and not settings.home.exists()
    stopped = lakeloop("down", LAKELOOP_USE_CASES=str(tmp_path / "data"))  # a bad contract keeps nobody from stopping
    assert stopped.returncode == 0, stopped.stderr


def test_logs_are_shown_by_service_and_an_unknown_one_is_refused(lakeloop: Run, settings: Settings) -> None:
    missing = lakeloop("logs")
    assert missing.returncode == 1 and "there are no logs" in missing.stderr
    folder: Path = log_folder(settings)
    folder.mkdir(parents=True)
    (folder / "gateway.log").write_text("".join(f"line {n}\n" for n in range(100)))
    (folder / "monitor.log").write_text("window measured\n")
    one = lakeloop("logs", "gateway", "-n", "3")
    assert one.stdout.split() == ["line", "97", "line", "98", "line", "99"]
    everything = lakeloop("logs").stdout
    assert "gateway.log" in everything and "window measured" in everything
    unknown = lakeloop("logs", "gatway")
    assert unknown.returncode == 2 and "logs: gateway, monitor" in unknown.stderr
