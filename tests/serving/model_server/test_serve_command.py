"""`lakeloop serve models`: what a person types, with a config file and both ports."""

import os
import re
import subprocess
from pathlib import Path

import httpx

from lakeloop.settings import PROJECT
from serving.model_server.process import stop, wait_until_available
from tests.command_line import COMMAND

SERVE = [*COMMAND, "serve", "models"]


def test_config_file_names_what_is_served_and_both_ports_are_told(saved_models: Path, tmp_path: Path) -> None:
    file = tmp_path / "models.config"
    listed = "".join(
        f'config {{ name: "{name}" base_path: "{saved_models}/half_plus" model_platform: "tensorflow" {more} }}\n'
        for name, more in (("one", ""), ("two words", "model_version_policy { specific { versions: 1 } }"))
    )
    file.write_text(f"model_config_list {{ {listed} }}")
    environment = {**os.environ, "LAKELOOP_HOME": str(tmp_path), "COLUMNS": "200"}
    command = [*SERVE, "--model-config", str(file), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=PROJECT)
    try:
        assert server.stdout is not None
        lines = []
        while not lines or not lines[-1].startswith("gRPC"):
            lines.append(server.stdout.readline())
            assert lines[-1], "ended before it told where it listens"
        told = "".join(lines)
        assert "/v1/models/two%20words" in told and "/v1/models/two words" not in told
        (url,) = set(re.findall(r": (http://127\.0\.0\.1:\d+)/v1/models/", told))
        assert re.search(r"^gRPC: 127\.0\.0\.1:[1-9]\d+ ", told, re.MULTILINE)
        for name, version, answer in (("one", 3, 4.0), ("two words", 1, 2.0)):
            wait_until_available(url, name, 240, server, version)
            body = {"instances": [2.0]}
            assert httpx.post(f"{url}/v1/models/{name}:predict", json=body, timeout=60).json() == {
                "predictions": [answer]
            }
    finally:
        stop(server)


def test_missing_config_file_is_one_sentence(tmp_path: Path) -> None:
    environment = {**os.environ, "LAKELOOP_HOME": str(tmp_path), "COLUMNS": "200"}
    command = [*SERVE, "--model-config", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=PROJECT, timeout=240)
    assert done.returncode == 1
    assert "cannot be read: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr
