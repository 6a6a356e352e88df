"""Grafana's files that are made from code: which they are, what stands in them, and writing them."""

from pathlib import Path

from lakeloop.atomic_file import write_text
from monitoring.dashboard.alert_rules import grafana_rules
from monitoring.dashboard.grafana import dashboard_json

NOTE = "# Written by `lakeloop dashboards` from deploy/prometheus/rules.yml; change the rules there.\n"
PROMETHEUS_RULES = Path("prometheus") / "rules.yml"


def grafana_files(deploy: Path) -> dict[Path, str]:
    """Path below the deploy folder -> text."""
    rules = (deploy / PROMETHEUS_RULES).read_text(encoding="utf-8")
    return {
        Path("grafana") / "dashboards" / "monitoring.json": dashboard_json(),
        Path("grafana") / "provisioning" / "alerting" / "rules.yaml": NOTE + grafana_rules(rules),
    }


def write_grafana_files(deploy: Path) -> list[Path]:
    """Write them all; the paths written."""
    return [write_text(deploy / path, text) for path, text in grafana_files(deploy).items()]
