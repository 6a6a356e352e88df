"""The containers run what `lakeloop up` runs: the same commands, the same variables, the same health URLs."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.platform.airflow_environment import PREFERENCES, airflow_environment
from console.platform.alerting_files import with_token
from console.platform.environment import service_environment
from console.platform.marked_processes import MARK
from console.platform.services import Service, platform_services
from lakeloop.databases import airflow_database
from lakeloop.served_models import config_path
from lakeloop.settings import PROJECT, Settings

AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer", "prepare")
DATABASE = "postgresql+psycopg://lakeloop@postgresql:5432/lakeloop"
CONTAINER_NAMES = {8085: "monitor", 8000: "gateway", 8501: "models", 9093: "alertmanager"}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> dict[str, Service]:
    """What `lakeloop up` would start on the containers' home."""
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    return {service.name: service for service in platform_services(settings())}


def settings() -> Settings:
    home = Path("/var/lib/lakeloop")
    return Settings(home=home, use_case="insurance", database_url=DATABASE)


def in_container(text: str) -> str:
    """A path or address of one machine as the containers name it."""
    text = text.replace(str(Path(sys.executable).parent), "/opt/lakeloop/.venv/bin")
    return text.replace(str(PROJECT), "/opt/lakeloop").replace("/var/lib/lakeloop/secrets/", "/run/secrets/")


def flags(command: list[str]) -> dict[str, str]:
    return dict(part.removeprefix("--").split("=", 1) for part in command if part.startswith("--"))


def test_every_service_of_lakeloop_up_is_a_container_of_the_same_name(
    services: dict[str, Service], compose: dict[str, Any]
) -> None:
    assert services.keys() <= compose["services"].keys()


@pytest.mark.parametrize("name", ["gateway", "monitor", "api-server", "scheduler", "dag-processor", "triggerer"])
def test_the_command_is_the_same_but_for_the_address_it_listens_on(
    name: str, services: dict[str, Service], compose: dict[str, Any]
) -> None:
    wanted = [in_container(part) for part in services[name].command]
    wanted += ["--host", "0.0.0.0"] if name in ("gateway", "monitor") else []
    assert compose["services"][name]["command"] == wanted


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_the_alerting_programs_have_the_same_flags(
    name: str, services: dict[str, Service], compose: dict[str, Any]
) -> None:
    here, there = flags(list(services[name].command)), flags(compose["services"][name]["command"])
    assert here.keys() == there.keys()
    assert there["web.listen-address"] == here["web.listen-address"].replace("127.0.0.1", "0.0.0.0")


@pytest.mark.parametrize("name", ["gateway", "monitor", "prometheus", "alertmanager", "api-server"])
def test_health_is_asked_at_the_same_url(name: str, services: dict[str, Service], compose: dict[str, Any]) -> None:
    assert services[name].health in compose["services"][name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", AIRFLOW)
def test_airflow_has_the_same_environment(name: str, compose: dict[str, Any]) -> None:
    wanted = {key: in_container(value) for key, value in {**PREFERENCES, **airflow_environment(settings())}.items()}
    wanted |= {  # its parts are on different hosts
        "AIRFLOW__API__HOST": "0.0.0.0",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://api-server:8080/execution/",
    }
    told = compose["services"][name]["environment"]
    assert {key: told.get(key) for key in wanted} == wanted
    assert {key for key in told if key.startswith("AIRFLOW")} <= wanted.keys()


def test_the_models_are_those_of_the_file_that_the_monitor_keeps(compose: dict[str, Any]) -> None:
    told = compose["services"]["models"]
    file = flags(told["command"])["model_config_file"]
    assert file == str(config_path(settings())) == told["healthcheck"]["test"][-1]


def test_airflows_database_is_the_one_lakeloop_makes(compose: dict[str, Any]) -> None:
    told = compose["services"]["scheduler"]["environment"]
    assert told["LAKELOOP_DATABASE_URL"] == DATABASE
    assert told["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == airflow_database(settings())


def test_a_task_is_told_all_that_lakeloop_up_tells_it(compose: dict[str, Any]) -> None:
    told = {name for name in service_environment(settings()) if name.startswith(("LAKELOOP_", "PYTHONUNBUFFERED"))}
    assert told - {MARK} <= compose["services"]["scheduler"]["environment"].keys()  # containers need no mark


def test_every_setting_that_is_given_is_a_setting(compose: dict[str, Any]) -> None:
    given = {n for s in compose["services"].values() for n in s.get("environment", {}) if n.startswith("LAKELOOP_")}
    assert given and {name.removeprefix("LAKELOOP_").lower() for name in given} <= Settings.model_fields.keys()


@pytest.mark.parametrize("name", ["prometheus/prometheus.yml", "alertmanager/alertmanager.yml"])
def test_the_containers_alerting_files_are_the_shipped_ones_with_the_containers_names(name: str) -> None:
    shipped = (PROJECT / "deploy" / name).read_text()
    wanted = re.sub(r"127\.0\.0\.1:(\d+)", lambda found: f"{CONTAINER_NAMES[int(found[1])]}:{found[1]}", shipped)
    given = (PROJECT / "deploy" / "compose" / Path(name).name).read_text()
    token = Path("/run/secrets") / f"token-{Path(name).stem}"
    assert yaml.safe_load(given) == yaml.safe_load(with_token(wanted, token))
    told = [line for line in wanted.splitlines() if line not in given.splitlines()]
    assert told == []  # comments are the same, too


def test_the_images_carry_the_projects_version(compose: dict[str, Any]) -> None:
    project = re.search(r'^version = "(.+)"', (PROJECT / "pyproject.toml").read_text(), re.MULTILINE)
    own = {s["image"] for s in compose["services"].values() if s["image"].startswith("lakeloop/")}
    assert project and {image.split(":")[1] for image in own} == {project[1]}
