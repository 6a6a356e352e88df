"""Translates a service of docker-compose.yml to this machine: paths to a folder, hosts and ports to free loopback ones.

What a container would see is put together below one folder: its mounts as copies, its volumes, the secrets. Nothing of
a command line or a variable is changed but paths, hosts and ports.
"""

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.platform.container_secrets import ensure_container_secrets
from console.platform.marked_processes import MARK
from lakeloop.settings import PROJECT, load_settings
from tests.deploy.compose_file import TOOLS, Service
from tests.ports import free_ports
from tests.postgresql_server import PROGRAMS

LISTENS = {
    "postgresql": (5432,), "spark-master": (7077, 8090), "spark-worker": (7078, 8091),
    "s3": (8333, 18333, 9333, 19333, 9340, 19340, 9350, 19350),
}  # fmt: skip
"""Ports that are published to nobody."""
ALERTMANAGER = "/usr/bin/prometheus-alertmanager" if shutil.which("prometheus-alertmanager") else "alertmanager"
IMAGES_PROGRAMS = {"/bin/prometheus": "prometheus", "/bin/alertmanager": ALERTMANAGER, "/usr/bin/weed": TOOLS / "weed"}
"""Programs whose place in their image is not their place here."""


@dataclass(frozen=True)
class Started:
    """What a service would be started and asked with on this machine."""

    command: list[str]
    environment: dict[str, str]
    health: list[str]
    workplace: Path
    """An empty folder to start it in: in the container that place cannot be written to."""


class ThisMachine:
    """One folder of this machine in which all services of a compose file can be started."""

    def __init__(self, compose: dict[str, Any], folder: Path) -> None:
        self._services: dict[str, Service] = compose["services"]
        self.folder = folder.resolve()
        self.secrets = ensure_container_secrets(load_settings(home=self.folder))
        wanted = [(name, port) for name, service in self._services.items() for port in _listens(name, service)]
        self.ports = dict(zip(wanted, free_ports(len(wanted)), strict=True))

    def started(self, name: str) -> Started:
        """The service's own command, variables and health check, translated."""
        service = self._services[name]
        mounts = self._mounts(name, service)
        told = {key: self._text(name, value, mounts) for key, value in service.get("environment", {}).items()}
        words = [*(service.get("entrypoint") or []), *(service.get("command") or [])]
        temporary, workplace = self.folder / "tmp" / name, self.folder / "workplaces" / name
        for folder in (temporary, workplace):
            folder.mkdir(parents=True, exist_ok=True)
        return Started(
            self._words(name, words, mounts),
            {
                "PATH": f"{Path(sys.executable).parent}:{PROGRAMS}:{os.environ['PATH']}",
                "HOME": str(temporary), "TMPDIR": str(temporary), "LANG": "C.UTF-8",
                "SPARK_LOCAL_IP": "127.0.0.1",  # its web pages would listen on every address
                MARK: str(self.folder),  # by which all processes are found again, and ended
                **told,
            },
            self._words(name, service.get("healthcheck", {}).get("test", [])[1:], mounts),
            workplace,
        )  # fmt: skip

    def port(self, name: str, port: int) -> int:
        """The loopback port that stands for a container's port."""
        return self.ports[name, port]

    def _mounts(self, name: str, service: Service) -> dict[str, str]:
        """Container path -> path here, longest first; mounted files are copied and translated."""
        found = {"/opt/lakeloop": str(PROJECT), "/run/secrets": str(self.secrets), "/tmp": str(self.folder / "tmp")}
        found |= {path: str(program) for path, program in IMAGES_PROGRAMS.items()}
        for volume in service.get("volumes", []):
            target = volume["target"]
            if target.startswith("/run/secrets/"):
                continue
            if volume["type"] == "volume":
                place = self.folder / "volumes" / volume["source"]
                place.mkdir(parents=True, exist_ok=True)
            else:
                place = self.folder / "mounts" / name / target.lstrip("/")
                self._copy(name, Path(volume["source"]), place)
            found[target] = str(place)
        return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))

    def _copy(self, name: str, source: Path, target: Path) -> None:
        for path in [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file()):
            place = target / path.relative_to(source) if path != source else target
            place.parent.mkdir(parents=True, exist_ok=True)
            told = self._addresses(name, path.read_text(encoding="utf-8"))
            place.write_text(told.replace("/run/secrets/", f"{self.secrets}/"), encoding="utf-8")

    def _words(self, name: str, words: list[str], mounts: dict[str, str]) -> list[str]:
        """A command line; a service's name is an address only after `--host`, and may be a subcommand elsewhere."""
        told = [self._text(name, word, mounts) for word in words]
        follows_host = [False, *(word == "--host" for word in words)]
        return ["127.0.0.1" if asked else word for asked, word in zip(follows_host, told, strict=False)]

    def _text(self, name: str, text: str, mounts: dict[str, str]) -> str:
        paths = "|".join(re.escape(path) for path in mounts)
        text = re.sub(rf"(?<![\w.-])({paths})(?![\w.-])", lambda found: mounts[found[1]], text)
        return self._addresses(name, text)

    def _addresses(self, name: str, text: str) -> str:
        """`host:port` of any service, a port alone if it is one of this service's, and addresses to listen on."""
        hosts = "|".join(map(re.escape, self._services))

        def address(found: re.Match[str]) -> str:
            owner = found[1] if found[1] in self._services else name
            return f"127.0.0.1:{self.ports.get((owner, int(found[2])), found[2])}"

        def port(found: re.Match[str]) -> str:
            return f"{found[1]}{self.ports.get((name, int(found[2])), found[2])}"

        text = re.sub(rf"(?<![\w.-])({hosts}|127\.0\.0\.1|0\.0\.0\.0):(\d+)", address, text)
        text = re.sub(r"(^|=)(\d{4,5})$", port, text)
        return re.sub(rf"(^|=)0\.0\.0\.0$|(=)(?:{hosts})$", r"\1\g<2>127.0.0.1", text)


def _listens(name: str, service: Service) -> list[int]:
    return [*LISTENS.get(name, ()), *(port["target"] for port in service.get("ports", []))]
