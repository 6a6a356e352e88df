"""What the open internet sends: thousands of generated requests, and thousands of connections that send nothing."""

import contextlib
import json
import resource
import socket
import time
from collections import Counter
from datetime import datetime
from urllib.parse import urlsplit

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import datetimes
from schemathesis.specs.openapi import checks

from serving.gateway.process import RunningGateway
from tests.serving.gateway.conftest import body

pytestmark = pytest.mark.long

CASES = 700
FEW = 20
"""Of explanations, each of which takes a hundred answers of the model and more."""
"""For each of two ways to predict, with valid and with invalid requests."""
SLOW_CONNECTIONS = 2_000
EARLIEST, LATEST = datetime(1970, 1, 1), datetime(2199, 12, 31)
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]


def send_many(
    operation: schemathesis.APIOperation,
    mode: schemathesis.GenerationMode,
    session: requests.Session,
    statuses: Counter[tuple[str, int]],
) -> None:
    """Send generated requests, valid or invalid ones, and check each answer against the document."""

    @settings(
        max_examples=FEW if operation.path == "/explain/" else CASES if operation.method == "post" else 1,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(mode))
    def send(case: schemathesis.Case) -> None:
        response = case.call(session=session, timeout=60)  # its own ten seconds are few for an explanation
        statuses[operation.path, response.status_code] += 1
        case.validate_response(response, checks=CHECKS)
        if mode == schemathesis.GenerationMode.POSITIVE and operation.method == "post":
            assert "detail" not in response.json(), "valid by the document, and refused"

    send()


def test_generated_requests_are_answered_or_refused_as_documented(gateway: RunningGateway) -> None:
    statuses: Counter[tuple[str, int]] = Counter()
    schemathesis.openapi.format("date-time", datetimes(EARLIEST, LATEST).map(lambda time: f"{time.isoformat()}Z"))
    schema = schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")
    with requests.Session() as session:
        for result in schema.get_all_operations():
            operation = result.ok()
            both = schemathesis.GenerationMode if operation.method == "post" else ["positive"]
            for mode in both:
                send_many(operation, schemathesis.GenerationMode(mode), session, statuses)
    told = dict(statuses)
    assert sum(told.values()) >= 2_000, told
    assert all(status < 500 for _, status in told), told
    assert any(status == 200 and path == "/predict/" for path, status in told), told
    assert httpx.get(f"{gateway.url}/health", timeout=60).json()["status"] == "ok"


def test_two_thousand_slow_connections_do_not_stop_answers(gateway: RunningGateway) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], SLOW_CONNECTIONS + 500), before[1]))
    address = urlsplit(gateway.url)
    content = json.dumps(body()).encode()
    head = f"POST /predict/ HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    begun = [b"", b"POST /pre", head.encode() + b"\r\n\r\n", head.encode() + b"\r\n\r\n" + content[:20]]
    with contextlib.ExitStack() as stack, httpx.Client(base_url=gateway.url, timeout=60) as client:
        slow = []
        for number in range(SLOW_CONNECTIONS):
            connection = stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=60))
            connection.sendall(begun[number % len(begun)])
            slow.append(connection)
        for _ in range(60):
            time.sleep(0.05)
            for connection in slow[3::200]:
                connection.sendall(b" ")  # they drip
            assert client.post("/predict/", json=body()).json()["reason"] == "ok"
        slow[2].sendall(content)
        assert slow[2].recv(65536).startswith(b"HTTP/1.1 200 OK"), "slow is not refused"
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_body_that_never_ends_is_refused_early(gateway: RunningGateway) -> None:
    def endless() -> object:
        for _ in range(100):
            yield b" " * 1024 * 1024

    with httpx.Client(base_url=gateway.url, timeout=60) as client:
        headers = {"Content-Type": "application/json"}
        with contextlib.suppress(httpx.WriteError, httpx.ReadError):  # it may hang up while we still send
            assert client.post("/predict/", content=endless(), headers=headers).status_code == 413
        assert client.get("/ping").status_code == 200
