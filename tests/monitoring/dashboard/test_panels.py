"""Every expression parses and asks for metrics that exist; Grafana's committed files are what the code makes."""

import json
import re

import promql_parser
import pytest
import yaml
from prometheus_client import generate_latest

from lakeloop.contract import Contract
from lakeloop.fallback import Prediction
from lakeloop.settings import PROJECT
from monitoring.dashboard.alert_rules import grafana_rules
from monitoring.dashboard.grafana import DATASOURCE_UID, dashboard_json
from monitoring.dashboard.grafana_files import PROMETHEUS_RULES, grafana_files
from monitoring.dashboard.panels import PANELS
from monitoring.exporter import GAUGES
from serving.gateway.metrics import Metrics

DEPLOY = PROJECT / "deploy"
BY_PROMETHEUS_ITSELF = {"up"}
ELSEWHERE_IN_THE_GATEWAY = {"lakeloop_gateway_contract_problem", "lakeloop_gateway_own_code_held_off"}
WANTED = {
    "dataset_drift", "share", "drifted_columns", "scores", "prediction_drift", "fallback", "requests", "latency",
    "model_version", "accuracy", "confidence_drift", "error",
}  # fmt: skip


def exported(contract: Contract) -> set[str]:
    """Names of all samples the monitor and the gateway export."""
    gateway = Metrics(contract.use_case, 10)
    gateway.model_version("7")
    gateway.count(Prediction("low", 2, (0.1, 0.1, 0.8), "model", "ok"))
    gateway.seconds.labels(contract.use_case, "/predict").observe(0.01)
    lines = [line for line in generate_latest(gateway).decode().splitlines() if not line.startswith("#")]
    return {re.split(r"[{ ]", line)[0] for line in lines} | {gauge.name for gauge in GAUGES}


def asked_metrics(expression: str) -> set[str]:
    """Names of the metrics in a PromQL expression, as its parser sees them."""
    found: set[str] = set()

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector) and node.name:
            found.add(node.name)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


@pytest.mark.parametrize(
    "expression", [series.expression("any use case") for panel in PANELS for series in panel.series]
)
def test_each_panel_asks_in_promql_for_metrics_that_exist_of_one_use_case(expression: str, contract: Contract) -> None:
    asked = asked_metrics(expression)
    assert expression.count('{use_case="any use case"}') == 1
    assert len(asked) == 1
    assert asked <= exported(contract)


def test_no_wanted_panel_is_missing() -> None:
    assert {panel.key for panel in PANELS} >= WANTED


def test_the_committed_files_are_what_the_code_makes() -> None:
    for path, text in grafana_files(DEPLOY).items():
        assert (DEPLOY / path).read_text(encoding="utf-8") == text, f"{path} is old: run `lakeloop dashboards`"


def test_grafana_asks_exactly_the_panels_expressions_of_the_provisioned_source() -> None:
    drawn = json.loads(dashboard_json())["panels"]
    asked = [target["expr"] for panel in drawn for target in panel["targets"]]
    assert asked == [series.expression() for panel in PANELS for series in panel.series]
    assert {panel["datasource"]["uid"] for panel in drawn} == {DATASOURCE_UID}
    source = (DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(source)["datasources"][0]["uid"] == DATASOURCE_UID


def test_grafana_alerts_on_what_prometheus_alerts_on(contract: Contract) -> None:
    text = (DEPLOY / PROMETHEUS_RULES).read_text(encoding="utf-8")
    theirs = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    mine = yaml.safe_load(grafana_rules(text))["groups"][0]["rules"]
    assert [rule["title"] for rule in mine] == [rule["alert"] for rule in theirs]
    for rule, their in zip(mine, theirs, strict=True):
        expression = rule["data"][0]["model"]["expr"]
        assert expression == their["expr"]
        assert asked_metrics(expression) <= exported(contract) | BY_PROMETHEUS_ITSELF | ELSEWHERE_IN_THE_GATEWAY
        assert not any(re.search(r"\$value\b", note) for note in rule["annotations"].values())
