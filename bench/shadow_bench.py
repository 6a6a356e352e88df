"""What a challenger in the shadow costs clients: one gateway, asked by turns with a challenger beside the champion and
without, so that what else the machine does falls on both. The challenger is the champion's own copy."""

import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import psutil

from bench.figure import Figure
from bench.gateway_bench import connections_rate, cpu_seconds, one_by_one, refuse_rules
from lakeloop.model_folders import models_folder
from lakeloop.releases import WHO, challenge, decide
from lakeloop.settings import Settings
from lakeloop.use_case import CONTRACT_FILE, UseCase
from serving.gateway.process import running_gateway
from serving.model_server.process import running_server, wait_until_available

ROUNDS, COUNTED = 6, 1_500
SECONDS = 3.0
BOUND = 1.05


def measure(use_case: UseCase, request: Mapping[str, object]) -> list[Figure]:
    """Figures for the champion's own copy as its challenger, asked with this body."""
    body = json.dumps(request).encode()
    with tempfile.TemporaryDirectory() as folder:
        settings = _home(use_case, Path(folder))
        models = models_folder(settings, use_case.name)
        config = Path(folder) / "models.config"
        served = f'name: "{use_case.name}" base_path: "{models}" model_platform: "tensorflow"'
        policy = "model_version_policy { specific { versions: 1 versions: 2 } }"
        config.write_text(f"model_config_list {{ config {{ {served} {policy} }} }}")
        with running_server(model_config=config) as server:
            wait_until_available(server.url, use_case.name, 60, server.process, 2)
            own = settings.model_copy(update={"model_server_url": server.url})
            with running_gateway(own) as gateway:
                refuse_rules(gateway.url, body)
                processes = [psutil.Process(running.process.pid) for running in (gateway, server)]
                return _by_turns(own, use_case.name, gateway.url, body, processes)


def _by_turns(
    settings: Settings, name: str, url: str, body: bytes, processes: Sequence[psutil.Process]
) -> list[Figure]:
    alone: list[float] = []
    beside: list[float] = []
    rates: tuple[list[float], list[float]] = ([], [])
    cpu: tuple[list[float], list[float]] = ([], [])

    def many(turn: int) -> None:
        before = sum(cpu_seconds(process) for process in processes)
        rates[turn].append(connections_rate(url, body, SECONDS))
        cpu[turn].append((sum(cpu_seconds(process) for process in processes) - before) / rates[turn][-1] / SECONDS)

    one_by_one(url, body, 500)
    for _ in range(ROUNDS):
        _until_challenged_by(url, None)
        alone += one_by_one(url, body, COUNTED)
        many(0)
        decide(settings, name, "challenge", "2", WHO, "a measurement")
        _until_challenged_by(url, "2")
        beside += one_by_one(url, body, COUNTED)
        many(1)
        decide(settings, name, "abort", "2", WHO, "a measurement")
    answered = _shadowed(url)
    medians = statistics.median(alone), statistics.median(beside)
    tails = _percentile(alone), _percentile(beside)
    rate, used = (tuple(map(statistics.median, both)) for both in (rates, cpu))
    return [
        Figure("gateway without a challenger, one connection, median", medians[0], "ms", None),
        Figure("… with one in the shadow, over that", medians[1] / medians[0], "times", BOUND),
        Figure("gateway without a challenger, 99th percentile", tails[0], "ms", None),
        Figure("… with one in the shadow, over that", tails[1] / tails[0], "times", None),
        Figure("gateway without a challenger, 16 connections", rate[0], "requests/s", None),
        Figure("… over that with one in the shadow", rate[0] / rate[1], "times", BOUND),
        Figure("… CPU of gateway and model server for a request, over that without", used[1] / used[0], "times", None),
        Figure("… rows that the challenger answered meanwhile", answered, "rows", None),
        Figure("load of the machine, average of a minute", os.getloadavg()[0], "", None),
    ]


def _home(use_case: UseCase, folder: Path) -> Settings:
    """A home of its own with two copies of the model, of which the older one serves, and a contract with a release."""
    use_cases = folder / "use_cases"
    copy = shutil.copytree(use_case.own_folder, use_cases / use_case.name)
    with (copy / CONTRACT_FILE).open("a") as contract:
        contract.write("\nrelease: {shadow: 7 d}\n")
    settings = use_case.settings.model_copy(
        update={"home": folder / "home", "use_cases": use_cases, "use_case": use_case.name, "models": ""}
    )
    newest = max(use_case.folder("models").glob("[0-9]*"), key=lambda path: int(path.name))
    models = models_folder(settings, use_case.name)
    shutil.copytree(newest, models / "1")
    challenge(settings, use_case.name, "2", "a measurement")
    shutil.copytree(newest, models / "2")
    decide(settings, use_case.name, "abort", "2", WHO, "not yet")
    return settings


def _until_challenged_by(url: str, version: str | None) -> None:
    deadline = time.monotonic() + 30
    while httpx.get(f"{url}/health", trust_env=False).json()["challenger"] != version:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the gateway has no challenger {version}")
        time.sleep(0.1)


def _shadowed(url: str) -> float:
    lines = httpx.get(f"{url}/metrics", trust_env=False).text.splitlines()
    wanted = [line for line in lines if "challenger_rows_total{" in line and 'outcome="answered"' in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in wanted)


def _percentile(milliseconds: list[float]) -> float:
    return sorted(milliseconds)[int(0.99 * len(milliseconds))]
