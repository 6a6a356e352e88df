"""The gateway's process: its socket and HTTP server."""

from collections.abc import Callable

from lakeloop.http_server import HttpServer, http_config, listen
from lakeloop.use_case import UseCase

GRACE_SECONDS = 10


def serve(
    use_case: UseCase, host: str, port: int, on_ready: Callable[[str, int], None] = lambda host, port: None
) -> None:
    """Answer until SIGINT or SIGTERM; running requests are finished and the request log is completed.

    `on_ready(host, port)` is called when it listens (port 0: with the port chosen). Starts without a model.
    Raises AddressTakenError.
    """
    from serving.gateway.app import make_app

    with listen(host, port, "gateway") as listener:
        config = http_config(make_app(use_case), lifespan="on", grace_seconds=GRACE_SECONDS)
        HttpServer(config, lambda: on_ready(host, listener.getsockname()[1])).run(sockets=[listener])
