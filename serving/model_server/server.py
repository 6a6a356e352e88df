"""The server process: both ports, lifecycle thread, HTTP and gRPC server, started and stopped together."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import uvicorn

from serving.http_server import HttpServer
from serving.model_server.grpc_server import GrpcServer
from serving.model_server.model_config import ModelConfig
from serving.model_server.status import PortTaken

log = logging.getLogger(__name__)

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8501
DEFAULT_GRPC_PORT = 8500
GRACE_SECONDS = 30
"""How long running requests may take to finish after a signal to stop."""
KEEP_ALIVE_SECONDS = 75


@dataclass(frozen=True)
class Ports:
    """Where a server listens."""

    host: str
    rest: int
    grpc: int


def serve(
    models: Mapping[str, ModelConfig],
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    grpc_port: int = DEFAULT_GRPC_PORT,
    poll_seconds: float = 1.0,
    on_ready: Callable[[Ports], None] | None = None,
) -> None:
    """Serves models until SIGINT or SIGTERM; running requests are finished.

    `on_ready` is called when both ports listen (for port 0: with the port chosen), before the first version is
    loaded; `GET /v1/models/NAME` tells when that is done. Starts with no version at all.
    Raises PortTaken if an address cannot be had, before anything is loaded.
    """
    listener = bind(host, port)
    try:
        grpc_server = _grpc_server(host, grpc_port)
        ports = Ports(host, listener.getsockname()[1], grpc_server.port)
        # TensorFlow takes seconds to import: a taken port should be known before
        from serving.model_server.lifecycle import Lifecycle
        from serving.model_server.rest import RestApi

        lifecycle = Lifecycle(models, poll_seconds)
        api = RestApi(lifecycle, threads=max(2, os.cpu_count() or 1))
        log.info(
            "event=listening host=%s port=%d grpc_port=%d models=%s", host, ports.rest, ports.grpc, ",".join(models)
        )
        lifecycle.start()
        grpc_server.start(lifecycle)
        try:
            HttpServer(_config(api), lambda: on_ready(ports) if on_ready else None).run(sockets=[listener])
        finally:
            grpc_server.stop(GRACE_SECONDS)
            api.close()
            lifecycle.stop()
        log.info("event=stopped port=%d grpc_port=%d", ports.rest, ports.grpc)
    finally:
        listener.close()


def _grpc_server(host: str, port: int) -> GrpcServer:
    # gRPC itself says of an address it cannot have only that it failed; the probe says why
    probe = bind(host, port)
    chosen = probe.getsockname()[1]
    probe.close()
    return GrpcServer(f"[{host}]:{chosen}" if ":" in host else f"{host}:{chosen}")


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises PortTaken with what to do."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)  # bound and listening: a second server on the port fails here, not later
    except OSError as exc:
        listener.close()
        if exc.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"Port {port} on {host} is taken by another process; stop it or give the model server another port."
            ) from None
        raise PortTaken(
            f"The model server cannot listen on {host}:{port} ({exc.strerror}); give it an address of this "
            "machine and a port that you may use."
        ) from None
    except OverflowError:
        listener.close()
        raise PortTaken(f"Port {port} does not exist; ports go from 0 (any free one) to 65535.") from None
    listener.setblocking(False)
    return listener


def _config(api: object) -> uvicorn.Config:
    return uvicorn.Config(
        api,  # type: ignore[arg-type]
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
