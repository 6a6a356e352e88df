"""docker-compose.yml keeps the rules, and each rule finds it where one is broken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lakeloop.access.generated import GENERATED
from tests.deploy import compose_rules as rules
from tests.deploy.compose_file import FILE, read_compose
from tests.deploy.compose_rules import RULES, Rule

Compose = dict[str, Any]
SERVICES = {
    "postgresql", "prepare", "api-server", "scheduler", "dag-processor", "triggerer", "spark-master", "spark-worker",
    "models", "gateway", "monitor", "prometheus", "alertmanager", "grafana", "tensorboard", "s3", "notebooks",
}  # fmt: skip


def test_the_whole_platform_is_there(compose: Compose) -> None:
    assert set(compose["services"]) == SERVICES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_service_breaks_the_rule(rule: Rule, compose: Compose) -> None:
    assert list(rule(compose)) == []


def changed(service: str, **values: Any) -> Callable[[Compose], None]:
    return lambda compose: compose["services"][service].update(values)


def told(service: str, **variables: str) -> Callable[[Compose], None]:
    return lambda compose: compose["services"][service]["environment"].update(variables)


def published(service: str, **port: Any) -> Callable[[Compose], None]:
    return lambda compose: compose["services"][service]["ports"][0].update(port)


def mounted(service: str, source: str) -> Callable[[Compose], None]:
    volume = {"type": "bind", "source": source, "target": "/x"}
    return lambda compose: compose["services"][service].setdefault("volumes", []).append(volume)


BREACHES: list[tuple[Rule, Callable[[Compose], None], str]] = [
    (rules.image_is_pinned, changed("grafana", image="grafana/grafana:latest"), "grafana: image"),
    (rules.image_is_pinned, changed("postgresql", image="postgres:17"), "no exact tag"),
    (rules.image_is_pinned, changed("models", image="tensorflow/serving"), "no exact tag"),
    (rules.user_is_not_root, changed("gateway", user="0:0"), "gateway: user"),
    (rules.user_is_not_root, lambda c: c["services"]["s3"].pop("user"), "s3: user"),
    (rules.can_do_little, changed("monitor", read_only=False), "can be written to"),
    (rules.can_do_little, changed("monitor", cap_add=["NET_ADMIN"]), "capabilities"),
    (rules.can_do_little, changed("monitor", security_opt=[]), "privileges"),
    (rules.can_do_little, changed("monitor", network_mode="host"), "network"),
    (rules.is_limited, changed("scheduler", deploy={"resources": {"limits": {"cpus": 1, "memory": "1"}}}), "pids"),
    (rules.is_limited, lambda c: c["services"]["scheduler"].pop("deploy"), "memory has no limit"),
    (rules.health_is_asked, lambda c: c["services"]["triggerer"].pop("healthcheck"), "triggerer: its health check"),
    (rules.health_is_asked, changed("triggerer", healthcheck={"disable": True}), "triggerer: its health check"),
    (rules.starts_again, lambda c: c["services"]["gateway"].pop("restart"), "gateway: restart"),
    (
        rules.waits_for_what_works,
        changed("monitor", depends_on={"prepare": {"condition": "service_started"}}),
        "monitor: waits for prepare",
    ),
    (rules.ports_are_as_listed, published("gateway", host_ip="0.0.0.0"), "beyond loopback"),
    (rules.ports_are_as_listed, published("gateway", published="8001"), "published as 8001"),
    (rules.ports_are_as_listed, lambda c: c["services"]["gateway"].pop("ports"), "wanted"),
    (rules.holds_no_secret, told("grafana", GF_SECURITY_ADMIN_PASSWORD="admin"), "GF_SECURITY_ADMIN_PASSWORD"),
    (rules.holds_no_secret, told("gateway", LAKELOOP_DATABASE_URL="postgresql://a:b@postgresql:5432/x"), "a URL holds"),
    (
        rules.secrets_come_from_the_ignored_folder,
        lambda c: c["secrets"].update({"mine": {"file": "/home/me/token"}}),
        "secret mine",
    ),
    (rules.named_paths_are_mounted, changed("grafana", secrets=[]), "/run/secrets/grafana-password"),
    (rules.named_paths_are_mounted, told("gateway", SPARK_CONF_DIR="/etc/spark"), "/etc/spark is named"),
    (rules.mounted_paths_exist, mounted("gateway", "/opt/nothing/there"), "does not exist"),
    (rules.named_project_paths_exist, told("scheduler", DAGS="/opt/lakeloop/dag"), "the project has no dag"),
    (rules.named_hosts_are_services, told("gateway", LAKELOOP_MODEL_SERVER_URL="http://model:8501"), "model is not"),
]


@pytest.mark.parametrize(("rule", "break_it", "said"), BREACHES, ids=[f"{r.__name__}-{s}" for r, _, s in BREACHES])
def test_a_breach_is_found(rule: Rule, break_it: Callable[[Compose], None], said: str, compose: Compose) -> None:
    break_it(compose)
    assert any(said in breach for breach in rule(compose)), list(rule(compose))


def test_every_rule_is_seen_to_find_a_breach() -> None:
    assert {rule for rule, _, _ in BREACHES} == set(RULES)


def test_compose_refuses_what_is_no_compose_file(tmp_path: Path, compose: Compose) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(FILE.read_text().replace("condition: service_healthy", "condition: service_well", 1))
    with pytest.raises(AssertionError, match=r"service_well|depends_on"):
        read_compose(broken)


def test_services_ask_who_acts_unless_that_is_switched_off(compose: Compose) -> None:
    asked = {name for name, s in compose["services"].items() if s.get("environment", {}).get("LAKELOOP_AUTH") == "on"}
    assert asked >= {"gateway", "monitor", "scheduler", "notebooks"}
    assert read_compose(LAKELOOP_AUTH="off")["services"]["gateway"]["environment"]["LAKELOOP_AUTH"] == "off"
    registered = {secret["source"] for secret in compose["services"]["prepare"]["secrets"]}
    assert registered >= {f"token-{name}" for name in GENERATED}


def test_the_user_and_the_use_case_are_the_variables_that_can_be_set(compose: Compose) -> None:
    other = read_compose(LAKELOOP_UID="1234", LAKELOOP_GID="1235", LAKELOOP_USE_CASE="churn")["services"]
    assert other["gateway"]["user"] == "1234:1235" == other["postgresql"]["user"]
    assert other["gateway"]["build"]["args"]["UID"] == "1234"
    assert other["gateway"]["environment"]["LAKELOOP_USE_CASE"] == "churn"
    assert {s["user"] for s in compose["services"].values()} == {"1000:1000", "65534:65534"}


def test_no_container_wants_more_cores_than_the_machine_has(compose: Compose) -> None:
    def most(services: Compose) -> float:
        return max(float(s["deploy"]["resources"]["limits"]["cpus"]) for s in services.values())

    assert most(compose["services"]) == 4
    assert most(read_compose(LAKELOOP_CORES="2")["services"]) == 2
