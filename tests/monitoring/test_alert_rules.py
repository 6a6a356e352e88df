"""The shipped Prometheus and Alertmanager files, checked by their own tools."""

import re
import shutil
import subprocess

import pytest
import yaml

from lakeloop.contract import Contract
from lakeloop.settings import PROJECT
from monitoring.exporter import GAUGES
from monitoring.service import PROMETHEUS

DEPLOY = PROJECT / "deploy"
NAMES = {gauge.name for gauge in GAUGES}
GATEWAY = ("answers_total", "request_log_failures_total", "contract_problem", "own_code_held_off")
ELSEWHERE = {"up", *(f"lakeloop_gateway_{name}" for name in GATEWAY)}
WORDS = {
    "on", "and", "or", "by", "group_left", "sum", "increase", "max_over_time", "label_replace", "use_case",
    "model_version", "job", "accuracy", "error", "metric",
}  # fmt: skip


def check(*command: object) -> str:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed (`make system`)")
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rules() -> list[dict[str, str]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_prometheus_takes_the_config() -> None:
    assert "SUCCESS" in check("promtool", "check", "config", DEPLOY / "prometheus" / "prometheus.yml")


def test_prometheus_takes_the_rules() -> None:
    assert f"{len(rules())} rules found" in check("promtool", "check", "rules", DEPLOY / "prometheus" / "rules.yml")


def test_the_rules_fire_when_they_should() -> None:
    assert "SUCCESS" in check("promtool", "test", "rules", DEPLOY / "prometheus" / "rules_test.yml")


def test_alertmanager_takes_its_config() -> None:
    assert "SUCCESS" in check("amtool", "check-config", DEPLOY / "alertmanager" / "alertmanager.yml")


def test_every_rule_has_a_test() -> None:
    tests = yaml.safe_load((DEPLOY / "prometheus" / "rules_test.yml").read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert fired == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_uses_metrics_that_exist_and_no_use_case(rule: dict[str, str]) -> None:
    expression = re.sub(r'"[^"]*"', "", rule["expr"])
    used = set(re.findall(r"[a-z_]{2,}", expression)) - WORDS
    assert used and used <= NAMES | ELSEWHERE
    assert "use_case=" not in rule["expr"]


def test_thresholds_stand_in_the_contract_not_in_the_rules() -> None:
    """What is compared with a number is a state: 0 or 1, or any at all."""
    for rule in rules():
        bare = re.sub(r"\[\w+\]", "", rule["expr"])
        assert set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?", bare)) <= {"0", "1"}, rule["alert"]


def test_every_metric_is_documented() -> None:
    text = (PROJECT / "docs" / "monitoring.md").read_text()
    assert {name for name in NAMES if f"`{name}`" not in text} == set()


def test_the_contract_sets_every_threshold(contract: Contract) -> None:
    from monitoring.exporter import Exporter
    from monitoring.live import Snapshot

    page = Exporter({contract.use_case: (contract, Snapshot)}).text().decode()
    assert 'silence_threshold_seconds{model_version="",use_case="insurance"} 3600.0' in page
    assert 'accuracy_bound{model_version="",use_case="insurance"} 0.85' in page
    for unknown in ("dataset_drift{", "realised_accuracy{", "model_available{"):  # no value, so no alarm
        assert unknown not in page
    assert PROMETHEUS.startswith("text/plain")
