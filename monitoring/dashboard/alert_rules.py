"""Prometheus' alert rules as Grafana provisions them, for those who let Grafana alert; written once, in Prometheus'."""

from typing import Any

import yaml

from monitoring.dashboard.grafana import DATASOURCE_UID

FOLDER, EVERY = "Lakeloop", "1m"
LOOK_BACK_SECONDS = 600
QUERY, CONDITION = "A", "B"


def grafana_rules(prometheus_rules: str) -> str:
    """The text of a Prometheus rules file -> that of a Grafana provisioning file with the same alerts."""
    groups = [
        {
            "orgId": 1,
            "name": group["name"],
            "folder": FOLDER,
            "interval": EVERY,
            "rules": [_provisioned(rule) for rule in group["rules"] if "alert" in rule],
        }
        for group in yaml.safe_load(prometheus_rules)["groups"]
    ]
    return yaml.safe_dump({"apiVersion": 1, "groups": groups}, sort_keys=False, allow_unicode=True, width=120)


def _provisioned(rule: dict[str, Any]) -> dict[str, Any]:
    query = {"refId": QUERY, "expr": rule["expr"], "instant": True, "range": False}
    # The expression has a value only where it fires, so any number, 0 too, is an alert.
    condition = {"refId": CONDITION, "type": "math", "expression": f"is_number(${QUERY})"}
    return {
        "uid": rule["alert"].lower(),
        "title": rule["alert"],
        "condition": CONDITION,
        "data": [
            {"refId": QUERY, "relativeTimeRange": _span(), "datasourceUid": DATASOURCE_UID, "model": query},
            {"refId": CONDITION, "relativeTimeRange": _span(), "datasourceUid": "__expr__", "model": condition},
        ],
        "for": rule.get("for", "0s"),
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": rule.get("labels", {}),
        "annotations": {
            name: text.replace("$value ", f"$values.{QUERY}.Value ")
            for name, text in rule.get("annotations", {}).items()
        },
    }


def _span() -> dict[str, int]:
    return {"from": LOOK_BACK_SECONDS, "to": 0}
