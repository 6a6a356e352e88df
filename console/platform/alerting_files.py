"""Prometheus' and Alertmanager's files for this home: the shipped ones with this home's ports."""

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from console.platform.paths import platform_folder
from lakeloop.access.generated import token_file
from lakeloop.atomic_file import write_text
from lakeloop.settings import PROJECT, Settings

_SHIPPED = PROJECT / "deploy"
MODELS = "lakeloop-models"
"""The job of the model server, which asks nobody who asks."""


def write_alerting_files(settings: Settings) -> None:
    """Write prometheus.yml, rules.yml and alertmanager.yml into the platform's folder; with LAKELOOP_AUTH=on both show
    their token.
    """
    folder = platform_folder(settings)
    ports = _ports(settings)
    for name in ("prometheus", "alertmanager"):
        path = _SHIPPED / name / f"{name}.yml"
        text = with_ports(path.read_text(encoding="utf-8"), ports)
        write_text(folder / path.name, with_token(text, token_file(settings, name)) if settings.asks_who else text)
    shutil.copyfile(_SHIPPED / "prometheus" / "rules.yml", folder / "rules.yml")


def with_ports(text: str, ports: dict[int, int]) -> str:
    """A text whose loopback addresses have other ports: `{8085: 18085}`."""

    def replace(found: re.Match[str]) -> str:
        return f"127.0.0.1:{ports.get(int(found[1]), int(found[1]))}"

    return re.sub(r"127\.0\.0\.1:(\d+)", replace, text)


def with_token(text: str, token: Path) -> str:
    """Prometheus' or Alertmanager's configuration, which then shows our services the token in that file."""
    configuration: dict[str, Any] = yaml.safe_load(text)
    shown = {"authorization": {"type": "Bearer", "credentials_file": str(token)}}
    for job in configuration.get("scrape_configs", []):
        if job["job_name"] != MODELS:
            job.update(shown)
    for receiver in configuration.get("receivers", []):
        for webhook in receiver.get("webhook_configs", []):
            webhook["http_config"] = shown
    return yaml.safe_dump(configuration, sort_keys=False)


def _ports(settings: Settings) -> dict[int, int]:
    """Shipped port → this home's."""
    names = ("monitor_port", "gateway_port", "model_server_port", "alertmanager_port")
    return {Settings.model_fields[name].default: getattr(settings, name) for name in names}
