"""The server process: lifecycle thread, HTTP and gRPC server, started and stopped together."""

from __future__ import annotations

import gc
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lakeloop.http_server import HttpServer, http_config, open_port, reserve
from serving.model_server.grpc_server import GrpcServer
from serving.model_server.model_config import ModelConfig
from serving.model_server.options import Options

log = logging.getLogger(__name__)

NAME = "model server"
GRACE_SECONDS = 30
"""How long running requests may take to finish after a signal to stop."""


@dataclass(frozen=True)
class Ports:
    """Where a server listens."""

    host: str
    rest: int
    grpc: int


def serve(
    models: Mapping[str, ModelConfig],
    options: Options,
    on_ready: Callable[[Ports], None] = lambda ports: None,
    watched_config: Path | None = None,
) -> None:
    """Serves models until SIGINT or SIGTERM; running requests are finished.

    The ports are taken at once and opened when every version that is there was loaded or has failed: a probe that can
    connect gets answers. Starts with no version at all. `on_ready` is called when both ports listen (for port 0: with
    the port chosen). `watched_config` is the file the models come from, if `options` say that it is watched.
    Raises AddressTakenError if an address cannot be had, before anything is loaded.
    """
    with (
        reserve(options.host, options.port, NAME) as rest_socket,
        reserve(options.host, options.grpc_port, NAME) as grpc_socket,
        _stop_requested() as stop_requested,
    ):
        ports = Ports(options.host, rest_socket.getsockname()[1], grpc_socket.getsockname()[1])
        # TensorFlow takes seconds to import: a taken port should be known before
        from serving.model_server.config_watch import watched
        from serving.model_server.lifecycle import Lifecycle
        from serving.model_server.rest import RestApi

        gc.collect()
        gc.freeze()  # what TensorFlow made of its own lives as long as the server: no need to look at it again
        lifecycle = Lifecycle(models, options)
        grpc_server = GrpcServer(options)
        api = RestApi(lifecycle, options)
        is_quiet = True
        lifecycle.start()
        try:
            while not lifecycle.wait(seconds=0.1) and not stop_requested.is_set():
                pass
            if stop_requested.is_set():
                return
            grpc_server.start(_address(ports.host, ports.grpc), lifecycle)
            grpc_socket.close()
            open_port(rest_socket, NAME)
            log.info("event=listening host=%s port=%d grpc_port=%d models=%r", *vars(ports).values(), list(models))
            config = http_config(api, lifespan="off", grace_seconds=GRACE_SECONDS)
            http_server = HttpServer(config, lambda: on_ready(ports))
            if watched_config is None or not options.config_seconds:
                http_server.run(sockets=[rest_socket])
            else:
                with watched(watched_config, options.config_seconds, models, lifecycle):
                    http_server.run(sockets=[rest_socket])
            grpc_server.stop(GRACE_SECONDS)
            is_quiet = api.close(GRACE_SECONDS)
        finally:
            lifecycle.stop(unload=is_quiet)
            log.info("event=stopped port=%d grpc_port=%d", ports.rest, ports.grpc)


@contextmanager
def _stop_requested() -> Iterator[threading.Event]:
    """Set by SIGINT and SIGTERM until the server that listens takes both over."""
    requested = threading.Event()
    before = {number: signal.signal(number, lambda *_: requested.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
