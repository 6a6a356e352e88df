"""gRPC's health service, for probes: `grpc.health.v1.Health`, its two messages read and written here.

Each has one field, so that the package of generated code would be the larger part.
Source: grpc/grpc-proto grpc/health/v1/health.proto; services' names: tensorflow/serving model_servers/server.cc.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

SERVICES = ("", "ModelService", "PredictionService")
_SERVING, _UNKNOWN_SERVICE = b"\x08\x01", b"\x08\x03"


def health_handler(pool: ThreadPoolExecutor) -> grpc.GenericRpcHandler:
    """The service as gRPC takes it, with a pool for its checks; messages stay bytes.

    It says that the server serves: there is nobody to ask before the models are loaded.
    """
    return grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health",
        {
            "Check": grpc.unary_unary_rpc_method_handler(_Check(pool)),
            "Watch": grpc.unary_stream_rpc_method_handler(_watch),
        },
    )


class _Check:
    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.experimental_thread_pool = pool  # gRPC's name for it: calls of this method run there

    def __call__(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        if _service(request) not in SERVICES:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return _SERVING


def _watch(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    """The state now; it changes no more while the server runs."""
    yield _SERVING if _service(request) in SERVICES else _UNKNOWN_SERVICE
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait()


def _service(request: bytes) -> str | None:
    """The `service` a HealthCheckRequest names; None for what is no such message."""
    if not request:
        return ""
    if len(request) < 2 or request[0] != 0x0A or request[1] != len(request) - 2:
        return None
    return request[2:].decode("utf-8", "replace")
