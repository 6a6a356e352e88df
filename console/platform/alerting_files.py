"""Prometheus' and Alertmanager's files for this home: the shipped ones with this home's ports."""

import re
import shutil

from console.platform.paths import platform_folder
from lakeloop.atomic_file import write_text
from lakeloop.settings import PROJECT, Settings

_SHIPPED = PROJECT / "deploy"


def write_alerting_files(settings: Settings) -> None:
    """Write prometheus.yml, rules.yml and alertmanager.yml into the platform's folder."""
    folder = platform_folder(settings)
    ports = _ports(settings)
    for path in (_SHIPPED / "prometheus" / "prometheus.yml", _SHIPPED / "alertmanager" / "alertmanager.yml"):
        write_text(folder / path.name, with_ports(path.read_text(encoding="utf-8"), ports))
    shutil.copyfile(_SHIPPED / "prometheus" / "rules.yml", folder / "rules.yml")


def with_ports(text: str, ports: dict[int, int]) -> str:
    """A text whose loopback addresses have other ports: `{8085: 18085}`."""

    def replace(found: re.Match[str]) -> str:
        return f"127.0.0.1:{ports.get(int(found[1]), int(found[1]))}"

    return re.sub(r"127\.0\.0\.1:(\d+)", replace, text)


def _ports(settings: Settings) -> dict[int, int]:
    """Shipped port → this home's."""
    names = ("monitor_port", "gateway_port", "model_server_port", "alertmanager_port")
    return {Settings.model_fields[name].default: getattr(settings, name) for name in names}
