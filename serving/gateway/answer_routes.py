"""The answer path as plain ASGI: a web framework's layers cost twice as much as all that the gateway itself does."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import orjson
from fastapi import FastAPI, Response
from starlette.types import Receive, Scope, Send

from serving.exceptions import ClientGoneError, RefusedRequestError
from serving.gateway.body import read_json

Answerer = Callable[[bytes, float], Awaitable[bytes]]
"""From a body and when it arrived (`time.perf_counter`) to the answer, both JSON. Raises RefusedRequestError."""
_JSON = (b"content-type", b"application/json")


class Route(NamedTuple):
    """Who answers a path; `on_refused` is called with the status of each request that is refused."""

    answerer: Answerer
    on_refused: Callable[[int], None]


class AnswerRoutes:
    """Answers the requests of its paths, which may change at any time, and leaves all others to `app`."""

    def __init__(self, app: FastAPI, routes: Mapping[str, Route]) -> None:
        self.app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None:
            await self.app(scope, receive, send)
        elif scope["method"] != "POST":
            await _send(send, 405, b'{"detail":"Method Not Allowed"}', (b"allow", b"POST"))
        else:
            await _answer(route, scope, receive, send)


def refusal_response(refused: RefusedRequestError) -> Response:
    """The refusal of a request of another path, as those of the answer path are."""
    return Response(_detail(refused), refused.status, media_type="application/json")


async def _answer(route: Route, scope: Scope, receive: Receive, send: Send) -> None:
    began = time.perf_counter()
    try:
        content = await route.answerer(await read_json(scope, receive), began)
    except RefusedRequestError as refused:
        route.on_refused(refused.status)
        await _send(send, refused.status, _detail(refused), *_headers(refused.status))
    except ClientGoneError:
        pass
    else:
        await _send(send, 200, content)


def _detail(refused: RefusedRequestError) -> bytes:
    return orjson.dumps({"detail": refused.problems}, default=str, option=orjson.OPT_NON_STR_KEYS)


def _headers(status: int) -> list[tuple[bytes, bytes]]:
    if status in (408, 413):  # a body that was not read to its end must not be taken for the next request
        return [(b"connection", b"close")]
    if status == 429:
        return [(b"retry-after", b"5")]
    return [(b"accept-encoding", b"gzip")] if status == 415 else []


async def _send(send: Send, status: int, content: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(content)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, _JSON, *headers]})
    await send({"type": "http.response.body", "body": content})
