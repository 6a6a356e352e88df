"""The server under every service: what it says of an address it cannot have, and what becomes of slow clients."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lakeloop import http_server
from lakeloop.exceptions import AddressTakenError
from lakeloop.http_server import HttpServer, http_config, listen

PATIENCE = 0.75
SERVER_THREAD = "server under test"


async def application(scope: dict[str, Any], receive: Callable[[], Any], send: Callable[..., Awaitable[None]]) -> None:
    """Reads the body, except on /early; answers its length, on /late after three times the patience."""
    body = b""
    while scope["path"] != "/early":
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if scope["path"] == "/head-first":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await asyncio.sleep(3 * PATIENCE)
        await send({"type": "http.response.body", "body": b"1"})
        return
    if scope["path"] == "/late":
        await asyncio.sleep(3 * PATIENCE)
    text = str(len(body)).encode()
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with pytest.MonkeyPatch.context() as patch, listen("127.0.0.1", 0, "test server") as listener:
        patch.setattr(http_server, "PATIENCE_SECONDS", PATIENCE)
        ready = threading.Event()
        server = HttpServer(http_config(application, lifespan="off", grace_seconds=1), ready.set)
        where = listener.getsockname()
        thread = threading.Thread(target=server.run, args=([listener],), name=SERVER_THREAD)
        thread.start()
        assert ready.wait(240)
        yield where
        server.should_exit = True
        thread.join()


@pytest.fixture
def connection(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=60) as opened:
        yield opened


def closed_while_dripping(connection: socket.socket, drip: bytes) -> bytes:
    """Sends `drip` ten times a second until the server closes; gives what it said before. Fails after a minute."""
    said = b""
    connection.settimeout(0.1)
    for _ in range(600):
        try:
            connection.sendall(drip)
            received = connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return said
        if not received:
            return said
        said += received
    raise AssertionError("the connection stays open")


REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n"


@pytest.mark.parametrize(
    ("begun", "drip"),
    [
        (b"", b""),
        (b"", b"\r\n"),
        (b"GET / HTT", b""),
        (b"GET / HTTP/1.1\r\nX: ", b"x"),
        (REQUEST + b"a" * 40, b"\r\n"),
        (REQUEST + b"a" * 40 + b"GET /", b"x"),
        (REQUEST.replace(b"/", b"/early", 1), b"a"),
    ],
    ids=["silent", "empty lines", "half a line", "endless header", "empty lines after", "second request", "body after"],
)
def test_a_connection_that_never_finishes_its_headers_is_closed(
    connection: socket.socket, begun: bytes, drip: bytes
) -> None:
    connection.sendall(begun)
    said = closed_while_dripping(connection, drip)
    assert said.startswith(b"HTTP/1.1 200 OK") == begun.startswith(b"POST")


def test_a_slow_body_and_a_late_answer_are_waited_for(connection: socket.socket) -> None:
    connection.sendall(REQUEST.replace(b"/", b"/late", 1))
    with pytest.raises(TimeoutError):
        connection.settimeout(1.5 * PATIENCE)
        connection.recv(1)
    connection.settimeout(60)
    connection.sendall(b"a" * 40)
    time.sleep(0.2)
    connection.sendall(b"GET / HT")  # the beginning of the next request
    assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")
    connection.sendall(b"TP/1.1\r\nHost: x\r\n\r\n")
    assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_headers_without_end_are_refused(connection: socket.socket) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\n")
    line = b"X-Y: " + b"z" * 1000 + b"\r\n"
    said = b""
    try:
        for _ in range(2 * http_server.MOST_HEADER_BYTES // len(line)):
            connection.sendall(line)
        connection.sendall(b"\r\n")
        said = connection.recv(65536)
    except ConnectionError:
        pass  # closed while we were still sending: the answer may be lost
    assert said == b"" or said.startswith(b"HTTP/1.1 400 ")


def test_an_address_that_cannot_be_had_is_one_sentence_with_the_remedy() -> None:
    with listen("127.0.0.1", 0, "gateway") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            AddressTakenError, match=rf"^port {port} on 127\.0\.0\.1 is taken .* give the gateway another"
        ):
            listen("127.0.0.1", port, "gateway")
    with pytest.raises(
        AddressTakenError, match=r"cannot listen on port 65536: ports go from 1 to 65535; 0 takes any free"
    ):
        listen("127.0.0.1", 65536, "gateway")
    with pytest.raises(AddressTakenError, match=r"cannot listen on 192\.0\.2\.1:0 .*an address of this machine"):
        listen("192.0.2.1", 0, "gateway")
    with pytest.raises(AddressTakenError, match=r"cannot listen on nowhere\.invalid:0 .*an address of this machine"):
        listen("nowhere.invalid", 0, "gateway")


def writes() -> int:
    """System calls that write, made by the server's thread so far."""
    thread = next(thread for thread in threading.enumerate() if thread.name == SERVER_THREAD)
    counts = Path(f"/proc/self/task/{thread.native_id}/io").read_text()
    return int(counts.partition("syscw:")[2].split()[0])


def test_a_head_and_its_body_are_sent_with_one_call(connection: socket.socket) -> None:
    before = writes()
    for _ in range(200):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        said = b""
        while not said.endswith(b"\r\n\r\n0"):
            said += connection.recv(65536)
    assert writes() - before < 250, "200 answers"


def test_a_head_that_nothing_follows_yet_is_sent_at_once(connection: socket.socket) -> None:
    connection.sendall(b"GET /head-first HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.recv(65536).endswith(b"\r\n\r\n")
    told = time.monotonic()
    assert connection.recv(65536) == b"1"
    assert time.monotonic() - told > PATIENCE, "the body is sent three times the patience after the head"
