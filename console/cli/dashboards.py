"""`lakeloop dashboards`: Grafana's files from code."""

from pathlib import Path
from typing import Annotated

import typer

from console.cli.render import console
from lakeloop.exceptions import NotFoundError
from lakeloop.settings import PROJECT
from monitoring.dashboard.grafana_files import PROMETHEUS_RULES, write_grafana_files


def dashboards_command(
    deploy: Annotated[Path, typer.Option(help="The project's deploy folder.")] = PROJECT / "deploy",
) -> None:
    """Write Grafana's dashboard from the panels of monitoring/dashboard, and its alert rules from Prometheus'."""
    if not (deploy / PROMETHEUS_RULES).is_file():
        raise NotFoundError(f"there is no {deploy / PROMETHEUS_RULES}; --deploy names the folder that has it")
    for path in write_grafana_files(deploy):
        console.print(str(path), soft_wrap=True)
