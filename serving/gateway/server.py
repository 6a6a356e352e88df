"""The gateway's process: its socket and HTTP server."""

from collections.abc import Callable

from lakeloop.http_server import HttpServer, http_config, listen
from lakeloop.live_use_cases import LiveUseCases

GRACE_SECONDS = 10


def serve(
    live: LiveUseCases, host: str, port: int, on_ready: Callable[[str, int], None] = lambda host, port: None
) -> None:
    """Answer until SIGINT or SIGTERM; running requests are finished and the request log is completed.

    `on_ready(host, port)` is called when it listens (port 0: with the port chosen). Starts without a model.

    Raises:
        AddressTakenError: the port is another's.
        LakeloopError: no use case can be served; the text says why.
    """
    from serving.gateway.app import make_app

    with listen(host, port, "gateway") as listener:
        config = http_config(make_app(live), lifespan="on", grace_seconds=GRACE_SECONDS)
        HttpServer(config, lambda: on_ready(host, listener.getsockname()[1])).run(sockets=[listener])
