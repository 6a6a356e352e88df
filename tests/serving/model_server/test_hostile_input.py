"""Requests no well-meaning client sends: every one is answered 4xx or dropped, and the server lives on."""

import http.client
import json
import select
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from serving.model_server.process import RunningServer

FLOATS = "/v1/models/echo_float:predict"
POST = b"POST /v1/models/echo_float:predict HTTP/1.1\r\nHost: x\r\n"
INTS = "/v1/models/echo_int32:predict"
LARGE, ENOUGH = 150_000, 5


def raw(server: RunningServer, data: bytes, silence: float = 1.0) -> bytes:
    """What the server answers to these bytes before it closes, or is silent for so many seconds."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as connection:
        connection.sendall(data)
        connection.settimeout(silence)
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except TimeoutError:
            pass
        return received


def is_alive(client: httpx.Client) -> bool:
    return client.post(FLOATS, json={"instances": [1.5]}).json() == {"predictions": [1.5]}


def test_deep_nesting_beside_the_instances_is_read(client: httpx.Client) -> None:
    """tensorflow/serving tensorflow_serving/util/json_tensor_test.cc (DeeplyNestedWellFormed) @ 9d981c5."""
    body = '{"instances":[1], "nested":' + "[" * 500_000 + "]" * 500_000 + "}"
    answer = client.post(INTS, content=body)
    assert (answer.status_code, answer.json()) == (200, {"predictions": [1]})


def test_deep_nesting_as_signature_name_is_refused(client: httpx.Client) -> None:
    """tensorflow/serving tensorflow_serving/util/json_tensor_test.cc (DeeplyNestedMalformed) @ 9d981c5."""
    body = '{"signature_name":' + "[" * 500_000 + "]" * 500_000 + "}"
    answer = client.post(INTS, content=body)
    assert answer.status_code == 400
    assert "key must be a string value" in answer.json()["error"]


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_deep_nesting_as_tensor_is_refused(client: httpx.Client, key: str) -> None:
    body = f'{{"{key}":' + "[" * 100_000 + "1" + "]" * 100_000 + "}"
    answer = client.post(INTS, content=body)
    assert answer.status_code == 400
    assert "nested too deeply" in answer.json()["error"]
    assert is_alive(client)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe\x00", b"\x00", b'{"instances": ["\xff\xfe"]}', b'{"\xff": 1}',
        b'{"instances": [\xc3\x28]}',
        b'{"instances": "\\ud800"}', b'{"signature_name": "\xff", "instances": [1]}', b"[" * 1_000_000,
        b"[" * 20_000_000,
        b'{"a":' * 200_000, b'{"instances": [' + b"9" * 5000 + b"]}", b'{"instances": [-]}', b"nul",
        b'"', b"{",
        b'{"instances": [1.]}', b'{"instances": [1e]}', b'{"instances": [.5]}', b'{"instances": [01]}',
        b'{"instances": [1 2]}', b'{"instances": {"b64": "AA=="}}', b'{"inputs": {}}', b'{"inputs": null}',
    ],
)  # fmt: skip
def test_wrong_bodies_are_the_clients_mistake(client: httpx.Client, body: bytes) -> None:
    answer = client.post(FLOATS, content=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert "Traceback" not in error
    assert len(error) < 1000
    assert is_alive(client)


def test_bytes_that_are_not_utf8_reach_a_string_input_and_come_back(client: httpx.Client) -> None:
    answer = client.post("/v1/models/echo_string:predict", content=b'{"instances": ["a\xffb", "\xc3\xbc"]}')
    assert answer.status_code == 200
    assert answer.content == b'{"predictions":["a\xffb","\xc3\xbc"]}'


def test_body_that_says_it_is_too_large_is_refused_unread(server: RunningServer, client: httpx.Client) -> None:
    head = b"POST " + FLOATS.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 268435457\r\n\r\n"
    answer = raw(server, head, silence=60)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert "at most 268435456 are allowed" in json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]
    assert is_alive(client)


@pytest.mark.parametrize(
    "data",
    [
        POST + b'Content-Length: 5\r\n\r\n{"instances": [1.5]}',
        POST + b"Content-Length: 500\r\n\r\n{}",
        POST + b"Content-Length: -1\r\n\r\n{}",
        POST + b"Content-Length: many\r\n\r\n{}",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET " + b"/v1/" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models/%ff%00%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_broken_http_is_answered_4xx_or_dropped(server: RunningServer, client: httpx.Client, data: bytes) -> None:
    answer = raw(server, data)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert is_alive(client)


def test_model_name_that_is_not_utf8_is_an_unknown_model(client: httpx.Client) -> None:
    answer = client.get("/v1/models/%ff%fe")
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("Could not find any versions of model ")


def test_small_requests_are_answered_while_a_large_one_runs(server: RunningServer, client: httpx.Client) -> None:
    """By order alone: a large request is begun, then small ones are asked in turn; they must overtake it.

    A server that does one thing at a time answers one of them at most before the large one, as it may come first.
    """
    features = ("training", "age", "emergency_braking", "braking_distance", "power", "miles")
    body = json.dumps({"instances": [dict.fromkeys(features, 1.5)] * LARGE}).encode()
    head = f"POST /v1/models/drivers:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=120) as large:
        large.sendall(head + body[:-1])
        for _ in range(100):  # by then the server has read all of it that there is
            assert is_alive(client)
        large.sendall(body[-1:])
        overtook = 0
        while overtook < 2 * ENOUGH and is_alive(client) and not select.select([large], [], [], 0)[0]:
            overtook += 1
        answer = http.client.HTTPResponse(large)
        answer.begin()
        assert len(json.load(answer)["predictions"]) == LARGE
        print("overtook", overtook)
    assert overtook >= ENOUGH, "small requests waited for the large one"
