"""The HTTP server of every service: its listening socket, its uvicorn settings, and the end of slow headers."""

import asyncio
import errno
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lakeloop.exceptions import AddressTakenError

BACKLOG = 4096
KEEP_ALIVE_SECONDS = 75
PATIENCE_SECONDS = 75.0
"""How long a client may take to send a request's line and headers, from connecting or from their first byte."""
MOST_HEADER_BYTES = 256 * 1024
_HEAD = b"HTTP/1.1 "


def listen(host: str, port: int, name: str) -> socket.socket:
    """A listening socket; port 0 takes a free one. `name` is the server's, for the reader of an error.

    Raises:
        AddressTakenError: the port is taken, or not one; the text says what to do.
    """
    listener = reserve(host, port, name)
    open_port(listener, name)  # a second server on the port fails here, not later
    return listener


def reserve(host: str, port: int, name: str) -> socket.socket:
    """As `listen`, but nobody can connect before `open_port`; a port that somebody listens on is not to be had.

    Raises:
        AddressTakenError: the port is taken, or not one.
    """
    if not 0 <= port <= 65535:
        raise AddressTakenError(
            f"the {name} cannot listen on port {port}: ports go from 1 to 65535; 0 takes any free one"
        )
    reserved = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        reserved.bind((host, port))
    except OSError as error:
        reserved.close()
        raise _taken(error, host, port, name) from None
    reserved.setblocking(False)
    return reserved


def open_port(reserved: socket.socket, name: str) -> None:
    """Lets clients connect. Raises AddressTakenError if another server was quicker."""
    host, port = reserved.getsockname()[:2]
    try:
        reserved.listen(BACKLOG)
    except OSError as error:
        reserved.close()
        raise _taken(error, host, port, name) from None


def _taken(error: OSError, host: str, port: int, name: str) -> AddressTakenError:
    if error.errno == errno.EADDRINUSE:
        problem = f"port {port} on {host} is taken by another process; stop it or give the {name} another port"
        return AddressTakenError(f"{problem} (0 takes any free one)")
    return AddressTakenError(
        f"the {name} cannot listen on {host}:{port} ({error.strerror}); "
        "give it an address of this machine and a port that you may use"
    )


def http_config(app: Any, *, lifespan: Literal["on", "off"], grace_seconds: int) -> uvicorn.Config:
    """uvicorn's settings for an ASGI application; after a signal running requests have `grace_seconds` to finish."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=_PatientProtocol,
        ws="none",
        interface="asgi3",
        lifespan=lifespan,
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=grace_seconds,
    )


class HttpServer(uvicorn.Server):
    """uvicorn, but it says when it listens, and returns after a signal instead of raising it again."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        _allow_many_connections()
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _PatientProtocol(HttpToolsProtocol):
    """One connection. It is closed if a request's headers do not end in time, or not within MOST_HEADER_BYTES.

    uvicorn ends only connections that are silent after an answer; one that never asks, or that sends a byte a minute,
    would stay open for ever. How long a body may take is the application's to say; what still comes of a body after
    its request was answered has as much time as headers.
    """

    _timer: asyncio.TimerHandle | None = None
    _in_body = False
    _is_whole = False
    """Whether the last byte that came was the last one of a request."""
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_OneWrite(transport, self.loop))  # type: ignore[arg-type]
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        self._is_whole = False
        super().data_received(data)
        if self._in_body or self._is_whole:  # most requests come whole: they need no timer
            return
        if self._timer is None:
            self._start_timer()
        self._header_bytes += len(data)
        if self._header_bytes > MOST_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response(f"A request's headers may have {MOST_HEADER_BYTES} bytes.")

    def on_message_begin(self) -> None:
        self._is_whole = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._end_timer()
        self._in_body = True
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before and self.parser.get_http_version() == "1.0" and self.parser.should_keep_alive():
            self.cycle.keep_alive = True  # uvicorn ignores the client's wish, and does not say that it was granted
            self.cycle.default_headers = [*self.cycle.default_headers, (b"connection", b"keep-alive")]

    def on_message_complete(self) -> None:
        self._end_timer()
        self._in_body = False
        self._is_whole = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body or self._timer is not None:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        self._end_timer()
        self._header_bytes = 0
        self._timer = self.loop.call_later(PATIENCE_SECONDS, self._too_slow)

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._start_timer()  # an answer is under way; only what was sent after its request is late
        else:
            self._timer = None
            self.transport.close()


class _OneWrite:
    """A connection's transport that sends the head of an answer together with what follows it.

    uvicorn writes a head and its body one after the other: two system calls, and two packets that wake the client
    twice. A head that nothing follows goes in the loop's next turn.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send the data, unless it is a head: then with the next."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is left, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)


def _allow_many_connections() -> None:
    """As many open connections as the system lets this process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
