"""The monitoring service on a thread, and who asks it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from starlette.types import ASGIApp

from lakeloop.http_server import HttpServer, http_config, listen


@contextmanager
def running(app: ASGIApp) -> Iterator[httpx.Client]:
    """A client of the app, which ends with the block."""
    listener = listen("127.0.0.1", 0, "monitor")
    ready = threading.Event()
    server = HttpServer(http_config(app, lifespan="on", grace_seconds=2), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        assert ready.wait(240)
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
