"""The server process: both ports, lifecycle thread, HTTP and gRPC server, started and stopped together."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lakeloop.http_server import HttpServer, http_config, listen
from serving.model_server.grpc_server import GrpcServer
from serving.model_server.model_config import ModelConfig

log = logging.getLogger(__name__)

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8501
DEFAULT_GRPC_PORT = 8500
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
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    grpc_port: int = DEFAULT_GRPC_PORT,
    poll_seconds: float = 1.0,
    on_ready: Callable[[Ports], None] | None = None,
) -> None:
    """Serves models until SIGINT or SIGTERM; running requests are finished.

    `on_ready` is called when both ports listen (for port 0: with the port chosen), before the first version is
    loaded; `GET /v1/models/NAME` tells when that is done. Starts with no version at all.
    Raises AddressTaken if an address cannot be had, before anything is loaded.
    """
    with listen(host, port, "model server") as listener:
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
            config = http_config(api, lifespan="off", grace_seconds=GRACE_SECONDS)
            HttpServer(config, lambda: on_ready(ports) if on_ready else None).run(sockets=[listener])
        finally:
            grpc_server.stop(GRACE_SECONDS)
            api.close()
            lifecycle.stop()
        log.info("event=stopped port=%d grpc_port=%d", ports.rest, ports.grpc)


def _grpc_server(host: str, port: int) -> GrpcServer:
    # gRPC itself says of an address it cannot have only that it failed; the probe says why
    with listen(host, port, "model server") as probe:
        chosen = probe.getsockname()[1]
    return GrpcServer(f"[{host}]:{chosen}" if ":" in host else f"{host}:{chosen}")
