"""The gateway's process: its socket and HTTP server."""

import errno
import resource
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from lakeloop.contract import Contract
from lakeloop.errors import LakeloopError
from lakeloop.settings import Settings
from serving.http_server import HttpServer

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
        HttpServer(config, lambda: on_ready(host, listener.getsockname()[1])).run(sockets=[listener])
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
