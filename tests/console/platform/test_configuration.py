"""What the services are started with: loopback only, no secret in a file or environment, this home's ports."""

import configparser
import json
import shlex
from pathlib import Path

import pytest
import yaml

from console.platform.airflow_environment import airflow_environment
from console.platform.alerting_files import with_ports, write_alerting_files
from console.platform.environment import service_environment
from console.platform.generated_secrets import ensure_secrets, remove_airflow_user, secret_files
from console.platform.paths import control_socket, platform_folder
from console.platform.services import Service, platform_services
from console.platform.supervisor import Supervisor, config_text
from lakeloop.access.generated import ensure_tokens, token_file
from lakeloop.access.tokens import create_token
from lakeloop.secret_files import secrets_folder
from lakeloop.settings import Settings


@pytest.fixture
def services(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Service, ...]:
    """All nine, whatever is installed here."""
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("console.platform.services.airflow_program", lambda: tmp_path / "airflow")
    return platform_services(settings)


def test_there_are_nine_services_and_each_has_its_ports(services: tuple[Service, ...], settings: Settings) -> None:
    assert [service.name for service in services] == [
        "models", "gateway", "monitor", "prometheus", "alertmanager",
        "api-server", "scheduler", "dag-processor", "triggerer",
    ]  # fmt: skip
    ports = {variable: port for service in services for variable, port in service.ports.items()}
    assert len(set(ports.values())) == 7
    assert all(getattr(settings, name.removeprefix("LAKELOOP_").lower()) == port for name, port in ports.items())


def test_airflow_listens_on_loopback_and_starts_no_log_servers(
    services: tuple[Service, ...], settings: Settings
) -> None:
    environment = airflow_environment(settings)
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert environment["AIRFLOW__API__PORT"] == str(settings.airflow_port)
    commands = {service.name: service.command for service in services}
    assert "--skip-serve-logs" in commands["scheduler"] and "--skip-serve-logs" in commands["triggerer"]
    listening = [part for command in commands.values() for part in command if "listen-address=" in part]
    assert all(
        part.split("=")[1].startswith("127.0.0.1:") or part.endswith("cluster.listen-address=") for part in listening
    )


def test_no_generated_secret_stands_in_the_environment_or_the_supervisors_file(
    services: tuple[Service, ...], settings: Settings
) -> None:
    ensure_secrets(settings)
    told = "\n".join([config_text(settings, services), *service_environment(settings).values()])
    for path in secrets_folder(settings).iterdir():
        for secret in path.read_text().replace('"', " ").split():
            if len(secret) > 20:
                assert secret not in told, path
    command = airflow_environment(settings)["AIRFLOW__API_AUTH__JWT_SECRET_CMD"]
    assert shlex.split(command) == ["cat", str(secret_files(settings).jwt_secret)]


def test_everything_a_service_runs_knows_whose_it_is(settings: Settings, tmp_path: Path) -> None:
    environment = service_environment(settings)
    assert environment["LAKELOOP_PLATFORM"] == environment["LAKELOOP_HOME"] == str((tmp_path / "home").resolve())
    assert environment["LAKELOOP_AIRFLOW_URL"] == f"http://127.0.0.1:{settings.airflow_port}"


def test_a_preference_can_be_set_from_outside_and_what_ties_airflow_to_the_home_cannot(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "7")
    monkeypatch.setenv("AIRFLOW_HOME", "/somewhere/else")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite:////somewhere/else.db")
    environment = service_environment(settings)
    assert environment["AIRFLOW__CORE__PARALLELISM"] == "7"
    assert environment["AIRFLOW_HOME"].startswith(str(settings.home.resolve()))
    assert str(settings.home.resolve()) in environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]


def test_postgresql_gives_airflow_a_database_of_its_own(settings: Settings) -> None:
    moved = settings.model_copy(update={"database_url": "postgresql+psycopg://ann:secret@db.example/Lakeloop"})
    environment = airflow_environment(moved)
    wanted = "postgresql+psycopg://ann:secret@db.example/lakeloop_airflow"
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == wanted
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"] == wanted


def test_the_supervisors_file_ties_each_program_to_it(services: tuple[Service, ...], settings: Settings) -> None:
    config = configparser.RawConfigParser()
    config.read_string(config_text(settings, services))
    programs = [name for name in config.sections() if name.startswith("program:")]
    assert len(programs) == len(services)
    for program in programs:
        assert "--pdeathsig TERM" in config[program]["command"] and config[program]["killasgroup"] == "true"
    assert config["unix_http_server"]["chmod"] == "0700"
    waiting = [name for name in programs if config[name]["autostart"] == "false"]
    assert waiting == ["program:api-server", "program:scheduler", "program:dag-processor", "program:triggerer"]


def test_a_percent_sign_in_the_home_stays_one(settings: Settings, tmp_path: Path) -> None:
    odd = settings.model_copy(update={"home": tmp_path / "100% mine"})
    text = config_text(odd, [Service("x", ("echo", "50%"))])
    assert "100%% mine" in text and "50%%" in text


def test_the_socket_of_a_deep_home_is_short_and_its_own(settings: Settings, tmp_path: Path) -> None:
    deep = settings.model_copy(update={"home": tmp_path / ("d" * 120)})
    other = settings.model_copy(update={"home": tmp_path / ("e" * 120)})
    assert len(str(control_socket(deep))) < 100 and control_socket(deep) != control_socket(other)
    near = settings.model_copy(update={"home": Path("/tmp/h")})
    assert control_socket(near) == Path("/tmp/h/platform/supervisor.sock")


def test_prometheus_watches_this_homes_ports(services: tuple[Service, ...], settings: Settings) -> None:
    Supervisor(settings).write_config(services)
    write_alerting_files(settings)
    prometheus = yaml.safe_load((platform_folder(settings) / "prometheus.yml").read_text())
    targets = [job["static_configs"][0]["targets"][0] for job in prometheus["scrape_configs"]]
    assert targets == [
        f"127.0.0.1:{p}" for p in (settings.monitor_port, settings.gateway_port, settings.model_server_port)
    ]
    assert f"127.0.0.1:{settings.alertmanager_port}" in str(prometheus["alerting"])
    routes = (platform_folder(settings) / "alertmanager.yml").read_text()
    assert f"http://127.0.0.1:{settings.monitor_port}/alerts" in routes
    assert (platform_folder(settings) / "rules.yml").is_file()


def test_ports_that_swap_places_are_each_replaced_once() -> None:
    assert with_ports("127.0.0.1:8000 127.0.0.1:8085 127.0.0.1:7", {8000: 8085, 8085: 8000}) == (
        "127.0.0.1:8085 127.0.0.1:8000 127.0.0.1:7"
    )


def test_with_tokens_on_prometheus_and_alertmanager_show_theirs_and_services_have_a_file(
    services: tuple[Service, ...], settings: Settings
) -> None:
    asking = settings.model_copy(update={"auth": "on"})
    ensure_tokens(asking)
    Supervisor(asking).write_config(services)
    write_alerting_files(asking)
    prometheus = yaml.safe_load((platform_folder(asking) / "prometheus.yml").read_text())
    shown = {job["job_name"]: job.get("authorization") for job in prometheus["scrape_configs"]}
    own = {"type": "Bearer", "credentials_file": str(token_file(asking, "prometheus"))}
    assert shown == {"lakeloop-monitor": own, "lakeloop-gateway": own, "lakeloop-models": None}
    alertmanager = yaml.safe_load((platform_folder(asking) / "alertmanager.yml").read_text())
    (webhook,) = alertmanager["receivers"][0]["webhook_configs"]
    assert webhook["http_config"]["authorization"]["credentials_file"] == str(token_file(asking, "alertmanager"))
    environment = service_environment(asking)
    assert environment["LAKELOOP_AUTH"] == "on"
    assert environment["LAKELOOP_TOKEN_FILE"] == str(token_file(asking, "lakeloop"))
    token = token_file(asking, "lakeloop").read_text().strip()
    assert not any(token in value for value in environment.values())


def test_who_has_a_token_is_a_user_of_airflow_with_the_same_role(settings: Settings) -> None:
    asking = settings.model_copy(update={"auth": "on"})
    ensure_tokens(asking)
    create_token(asking, "ann", "decide", "me")
    create_token(asking, "rita", "read", "me")
    files = ensure_secrets(asking)
    users = airflow_environment(asking)["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]
    assert set(users.split(",")) == {"admin:admin", "demo:user", "lakeloop:op", "ann:user", "rita:viewer"}
    assert set(json.loads(files.passwords.read_text())) == {"admin", "demo", "lakeloop", "ann", "rita"}
    assert "ann" not in airflow_environment(settings)["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]
    for name in ("ann", "admin", "nobody"):
        remove_airflow_user(settings, name)
    assert set(json.loads(files.passwords.read_text())) == {"admin", "demo", "lakeloop", "rita"}
