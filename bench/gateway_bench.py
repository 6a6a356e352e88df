"""The gateway's whole path with three use cases live, client on the same cores: latency at one connection, throughput
and CPU time at sixteen, spread over all three, beside a bare FastAPI route and beside a small gateway that calls Keras'
`model.predict` for each request."""

import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from bench.figure import Figure
from bench.model_server_bench import ask
from lakeloop.use_case import CONTRACT_FILE, UseCase
from serving.gateway.process import running_gateway
from serving.model_server.process import running_server, stop

WARM_UP, COUNTED = 500, 3_000
CONNECTIONS, SECONDS = 16, 6.0
PLAIN_SECONDS = 10.0
OTHERS = ("second", "third")
"""Use cases like the one that is asked, each with a model of its own, beside it."""
ALONE = ("/predict/",)


def measure(use_case: UseCase, request: Mapping[str, object]) -> list[Figure]:
    """Figures for the newest pushed model of the settings' use case, asked with this body."""
    body = json.dumps(request).encode()
    names = (use_case.name, *OTHERS)
    paths = [f"/{name}/predict/" for name in names]
    with (
        running_server(dict.fromkeys(names, use_case.folder("models"))) as server,
        tempfile.TemporaryDirectory() as home,
        _started("bench.bare_route") as bare_url,
    ):
        cases = copied(use_case, Path(home) / "cases", names)
        changes = {"home": Path(home), "use_cases": cases, "model_server_url": server.url}
        with running_gateway(use_case.settings.model_copy(update=changes)) as gateway:
            for path in paths:
                refuse_rules(gateway.url, body, path)
            milliseconds = one_by_one(gateway.url, body)
            bare_milliseconds = one_by_one(bare_url, body)
            processes = [psutil.Process(running.process.pid) for running in (gateway, server)]
            before = [cpu_seconds(process) for process in processes]
            rate = connections_rate(gateway.url, body, SECONDS, paths)
            used = [cpu_seconds(process) - began for process, began in zip(processes, before, strict=True)]
            bare_rate = connections_rate(bare_url, body, SECONDS)
    with _started("bench.plain_gateway", str(len(_row(request)))) as plain_url:
        plain = connections_rate(plain_url, body, PLAIN_SECONDS)
    median, bare = statistics.median(milliseconds), statistics.median(bare_milliseconds)
    thousands = rate * SECONDS / 1000
    return [
        Figure("gateway, one connection, median", median, "ms", 1.0),
        Figure("gateway, one connection, 99th percentile", milliseconds[int(0.99 * COUNTED)], "ms", None),
        Figure("a bare FastAPI route against it, one connection", bare / median, "times", None),
        Figure("gateway, 16 connections", rate, "requests/s", 3500.0, at_least=True),
        Figure("… CPU of the gateway for 1,000 requests", used[0] / thousands, "s", None),
        Figure("… CPU of the model server for 1,000 requests", used[1] / thousands, "s", None),
        Figure("gateway against a bare FastAPI route, 16 connections", rate / bare_rate, "times", None),
        Figure("a gateway with model.predict per request", plain, "requests/s", None),
        Figure("gateway against model.predict per request", rate / plain, "times", 25.0, at_least=True),
    ]


def _row(request: Mapping[str, object]) -> list[object]:
    return [value for group in request.values() for value in (group.values() if isinstance(group, dict) else [group])]


def request_to(url: str, body: bytes, path: str = ALONE[0]) -> tuple[tuple[str, int], bytes]:
    """Where a server listens, and a whole request with that body."""
    address = urlsplit(url)
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return (address.hostname or "", address.port or 80), head.encode() + b"\r\n\r\n" + body


def _connect(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def one_by_one(url: str, body: bytes, counted: int = COUNTED) -> list[float]:
    """The milliseconds of so many answers over one connection, sorted, after some that are not counted."""
    address, request = request_to(url, body)
    with _connect(address) as connection:
        for _ in range(WARM_UP):
            ask(connection, request)
        return sorted(ask(connection, request) for _ in range(counted))


def connections_rate(url: str, body: bytes, seconds: float, paths: Sequence[str] = ALONE) -> float:
    """Answers a second with every connection asking its path again as soon as it has its answer."""
    counts = [0] * CONNECTIONS
    ready = threading.Barrier(CONNECTIONS + 1)

    def client(number: int, until: Callable[[], float]) -> None:
        address, request = request_to(url, body, paths[number % len(paths)])
        with _connect(address) as connection:
            ask(connection, request)
            ready.wait()
            while time.perf_counter() < until():
                ask(connection, request)
                counts[number] += 1

    end = [float("inf")]
    threads = [threading.Thread(target=client, args=(number, lambda: end[0])) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    end[0] = began + seconds
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def copied(use_case: UseCase, folder: Path, names: Iterable[str]) -> Path:
    """A folder with use cases that differ from this one by their names."""
    for name in names:
        copy = Path(shutil.copytree(use_case.own_folder, folder / name))
        text = (copy / CONTRACT_FILE).read_text()
        (copy / CONTRACT_FILE).write_text(text.replace(f"use_case: {use_case.name}", f"use_case: {name}"))
    return folder


def refuse_rules(url: str, body: bytes, path: str = ALONE[0]) -> None:
    """The figures are about the model; an answer by rules would flatter them."""
    address, request = request_to(url, body, path)
    deadline = time.monotonic() + 20
    while True:
        with _connect(address) as connection:
            connection.sendall(request)
            answer = connection.recv(65536)
        if b'"predictor_type":"model"' in answer or b"low confidence" in answer:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"the gateway does not ask the model: {answer[-300:].decode()}")
        time.sleep(0.2)


def cpu_seconds(process: psutil.Process) -> float:
    """What a process has used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _started(module: str, *arguments: str) -> Iterator[str]:
    """A server of the benchmark's own, which prints its URL."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        stop(process)
