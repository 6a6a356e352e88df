"""docker-compose.yml as compose itself understands it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from lakeloop.settings import PROJECT

TOOLS = PROJECT / ".venv-deploy" / "bin"
FILE = PROJECT / "docker-compose.yml"

Service = dict[str, Any]


def read_compose(file: Path = FILE, **variables: str) -> dict[str, Any]:
    """The whole model, anchors and defaults resolved. No `.env` of this machine is read, only the variables given."""
    command = [TOOLS / "docker-compose", "--file", file, "--project-directory", PROJECT, "--env-file", os.devnull]
    done = subprocess.run(
        [*map(str, command), "config", "--format", "json"],
        env={"PATH": os.environ["PATH"], **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.replace("$$", "$"))  # it prints a compose file, where `$$` stands for a dollar


def words(service: Service) -> list[str]:
    """Every text a service is started or asked with: program, arguments, values of variables, health check."""
    return [
        *(service.get("entrypoint") or []),
        *(service.get("command") or []),
        *(str(value) for value in service.get("environment", {}).values()),
        *service.get("healthcheck", {}).get("test", []),
    ]


def is_one_shot(service: Service) -> bool:
    """Whether it is meant to end."""
    return service.get("restart") == "no"
