"""The gateway's process: its socket and HTTP server."""

import errno
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn

from lakeloop.contract import Contract
from lakeloop.errors import LakeloopError
from lakeloop.settings import Settings

GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 75


class AddressTaken(LakeloopError):
    """The address the gateway should listen on cannot be had."""


def serve(
    settings: Settings,
    contract: Contract,
    host: str,
    port: int,
    on_ready: Callable[[str, int], None] = lambda host, port: None,
) -> None:
    """Answer until SIGINT or SIGTERM; running requests are finished and the request log is completed.

    `on_ready(host, port)` is called when it listens (port 0: with the port chosen). Starts without a model.
    Raises AddressTaken.
    """
    from serving.gateway.app import make_app

    listener = _bind(host, port)
    _allow_many_connections()
    try:
        config = uvicorn.Config(
            make_app(settings, contract),
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        _Server(config, lambda: on_ready(host, listener.getsockname()[1])).run(sockets=[listener])
    finally:
        listener.close()


def _bind(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(4096)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            text = f"port {port} on {host} is taken by another process; stop it or use --port (0 takes a free one)"
        else:
            text = f"the gateway cannot listen on {host}:{port} ({error.strerror}); use an address of this machine"
        raise AddressTaken(text) from None
    listener.setblocking(False)
    return listener


def _allow_many_connections() -> None:
    """As many open connections as the system lets this process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Server(uvicorn.Server):
    """uvicorn, but it says when it listens, and returns after a signal instead of raising it again."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
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
