"""The gateway's process: its socket and HTTP server."""

from collections.abc import Callable

from lakeloop.access.guard import guarded
from lakeloop.http_server import HttpServer, http_config, listen
from lakeloop.live_use_cases import LiveUseCases

GRACE_SECONDS = 10


def serve(
    live: LiveUseCases, host: str, port: int, on_ready: Callable[[str, int], None] = lambda host, port: None
) -> None:
    """Answer until SIGINT or SIGTERM; running requests are finished and the request log is completed.

    With LAKELOOP_AUTH=on whoever asks needs a token: `read` to look, `ask` for an answer.
    `on_ready(host, port)` is called when it listens (port 0: with the port chosen). Starts without a model.

    Raises:
        AddressTakenError: the port is another's.
        LakeloopError: no use case can be served; the text says why.
    """
    from serving.gateway.app import make_app

    with listen(host, port, "gateway") as listener:
        app = guarded(make_app(live), live.settings, host, "gateway", writes="ask")
        config = http_config(app, lifespan="on", grace_seconds=GRACE_SECONDS)
        HttpServer(config, lambda: on_ready(host, listener.getsockname()[1])).run(sockets=[listener])
