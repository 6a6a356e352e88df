"""The health checks themselves: what they say of a service that works, one that does not, and one that is not there."""

import subprocess
from pathlib import Path

import pytest
from fastapi import FastAPI

from console.platform.container_health import main, problem
from lakeloop.access.generated import token_file
from lakeloop.access.guard import guarded
from lakeloop.served_models import config_path, write_config
from lakeloop.settings import PROJECT, Settings
from tests.http_answers import answering
from tests.monitoring.running_service import running
from tests.ports import free_port

HEALTHY_SH = PROJECT / "deploy" / "serving" / "healthy.sh"
AIRFLOW = {"metadatabase": {"status": "healthy"}, "scheduler": {"status": "healthy"}, "triggerer": {"status": None}}
AVAILABLE = {"model_version_status": [{"version": "1", "state": "AVAILABLE"}]}


def test_a_service_is_well_if_it_answers_and_ill_if_not(capsys: pytest.CaptureFixture[str]) -> None:
    with answering({"/health": (200, {}), "/ill": (503, {})}) as url:
        assert main([f"{url}/health"]) == 0
        assert main([f"{url}/ill"]) == 1
        assert capsys.readouterr().err == f"{url}/ill answers 503\n"
    assert main([f"{url}/health"]) == 1 and "does not answer" in capsys.readouterr().err
    assert main([]) == 2


def test_a_service_that_asks_who_acts_is_shown_a_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asking = Settings(home=tmp_path / "home", auth="on")
    with running(guarded(FastAPI(), asking, "127.0.0.1", "test", writes="ask")) as client:
        url, token = f"{client.base_url}/docs", str(token_file(asking, "read"))
        assert main([url]) == 1 and "answers 401" in capsys.readouterr().err
        assert main([url, "--token", token]) == 0
        assert main([url, "--token", f"{token}-gone"]) == 1 and "cannot be read" in capsys.readouterr().err
    assert main([url, "--token"]) == main([url, "x", "y"]) == 2


def test_a_component_of_airflow_is_as_the_api_server_says() -> None:
    with answering({"/api": (200, AIRFLOW), "/list": (200, [])}) as url:
        assert problem(f"{url}/api", "scheduler") == ""
        assert problem(f"{url}/api", "triggerer") == "triggerer is not running"
        assert "says nothing about dag_processor" in problem(f"{url}/api", "dag_processor")
        assert "says nothing" in problem(f"{url}/list", "scheduler")


def ask_models(url: str, config: Path | str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["bash", HEALTHY_SH, url, config], capture_output=True, text=True, check=False, timeout=240)


def test_the_model_server_is_well_if_it_serves_what_is_pushed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, use_cases=tmp_path / "data")
    dead = f"http://127.0.0.1:{free_port()}"
    assert ask_models(dead, config_path(settings)).returncode != 0  # nobody has written it
    assert ask_models(dead, write_config(settings)).returncode == 0  # nothing is pushed yet: it waits
    for name in ("risk", "stays"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "contract.yaml").touch()
        (tmp_path / "models" / name / "1").mkdir(parents=True)
        (tmp_path / "models" / name / "1" / "saved_model.pb").touch()
    config = write_config(settings)
    assert ask_models(dead, config).returncode == 1
    with answering({"/v1/models/risk": (200, AVAILABLE), "/v1/models/stays": (200, AVAILABLE)}) as url:
        served = ask_models(url, config)
        assert served.returncode == 0, served.stderr
    with answering({"/v1/models/risk": (200, AVAILABLE)}) as url:
        refused = ask_models(url, config)
        assert refused.returncode == 1 and "stays is not served" in refused.stderr


def test_the_model_image_asks_for_its_one_model_by_name() -> None:
    with answering({"/v1/models/risk": (200, AVAILABLE)}) as url:
        assert ask_models(url, "risk").returncode == 0
        assert ask_models(url, "stays").returncode == 1
