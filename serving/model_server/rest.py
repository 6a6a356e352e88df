"""The HTTP surface: a plain ASGI application for TensorFlow Serving's REST API.

Source: tensorflow/serving tensorflow_serving/model_servers/http_rest_api_handler.cc and http_server.cc.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serving.model_server import answers, inference, json_parser, routes
from serving.model_server.examples_input import read_examples
from serving.model_server.lifecycle import Lifecycle
from serving.model_server.status import HTTP_STATUS, Code, RequestError
from serving.model_server.tensor_input import read_predict_request, signature_name
from serving.model_server.tensor_output import classes_to_json, to_json, values_to_json

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY = 64 * 1024 * 1024
BODY_SECONDS = 60.0
INLINE_BODY = 16 * 1024
"""Bodies up to this many bytes (some hundred rows) are answered on the event loop, larger on a thread."""
INLINE_SECONDS = 0.002
"""Models whose single row takes longer than this always run on a thread."""

METRICS_PATH = "/monitoring/prometheus/metrics"

_JSON = b"application/json"
_NOT_FOUND_PAGE = b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"


class RestApi:
    """The application; one per server. `threads` bounds how many large requests run at a time."""

    def __init__(self, lifecycle: Lifecycle, threads: int = 2) -> None:
        self._lifecycle = lifecycle
        self._metrics = lifecycle.metrics
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        method: str = scope["method"]
        path = scope["raw_path"].decode("latin-1")
        close = False
        try:
            body = await _read_body(scope, receive)
        except _Unread as exc:
            body, close = b"", True
            code, content = exc.status, answers.error(exc.text)
        else:
            if body is None:
                return  # the client went away in the middle of its request
            if path == METRICS_PATH:
                await _respond(send, 200, b"text/plain", self._metrics.page(), False)
                return
            if not routes.is_api_path(path):
                await _respond(send, 404, b"text/html", _NOT_FOUND_PAGE, False)
                return
            if method == "OPTIONS":
                code, content = _preflight(scope)
            else:
                code, content = await self._answer(method, path, body)
        await _respond(send, code, _JSON, content, close)

    def close(self) -> None:
        """Lets running requests finish and ends the threads."""
        self._pool.shutdown(wait=True)

    async def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        start = time.perf_counter()
        route: routes.Route | None = None
        code = Code.OK
        try:
            route = routes.parse(method, path)
            if route.action == "status":
                return 200, self._status(route)
            if route.action == "metadata":
                return 200, self._metadata(route)
            if len(body) > INLINE_BODY or self._is_slow(route):
                loop = asyncio.get_running_loop()
                return 200, await loop.run_in_executor(self._pool, self._infer, route, body)
            return 200, self._infer(route, body)
        except RequestError as exc:
            code = exc.code
            return HTTP_STATUS[code], answers.error(exc.message)
        except MemoryError:
            code = Code.RESOURCE_EXHAUSTED
            return HTTP_STATUS[code], answers.error("The request needs more memory than there is.")
        except Exception:
            code = Code.INTERNAL
            log.exception("event=request_failed method=%s path=%s", method, path)
            return HTTP_STATUS[code], answers.error("Internal error: the server's log has the details.")
        finally:
            model, api = (route.model, route.action) if route else ("", "")
            # as TensorFlow Serving: the API is the method in a path of POST, so GET has none
            api = api if method == "POST" else ""
            self._metrics.answered(model, api, "REST", code.name, time.perf_counter() - start)

    def _is_slow(self, route: routes.Route) -> bool:
        return self._lifecycle.row_seconds(route.model) > INLINE_SECONDS

    def _infer(self, route: routes.Route, body: bytes) -> bytes:
        document = json_parser.parse(body)
        asked = signature_name(document)
        if route.action != "predict":
            return self._infer_examples(route, asked, read_examples(document))
        with self._lifecycle.use(route.model, route.version, route.label) as loaded:
            signature = loaded.model.signature(asked)
            request = read_predict_request(document, signature)
            outputs = loaded.run("Predict", signature, request.inputs)
        return to_json(outputs, request.format)

    def _status(self, route: routes.Route) -> bytes:
        # As in TensorFlow Serving, a label does not narrow the status: all versions are listed.
        return answers.status(self._lifecycle.statuses(route.model, route.version))

    def _metadata(self, route: routes.Route) -> bytes:
        with self._lifecycle.use(route.model, route.version, route.label) as loaded:
            return answers.metadata(loaded.name, loaded.version, loaded.model.signature_defs)

    def _infer_examples(self, route: routes.Route, asked: str, examples: list[bytes]) -> bytes:
        with self._lifecycle.use(route.model, route.version, route.label) as loaded:
            if route.action == "classify":
                return classes_to_json(inference.classify(loaded, asked, examples).rows())
            return values_to_json(inference.regress(loaded, asked, examples))


class _Unread(Exception):
    """A body that is not read to its end; the connection is closed after the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def _preflight(scope: Scope) -> tuple[int, bytes]:
    origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
    return (200 if b"http://" in origin or b"https://" in origin else 400), b""


async def _read_body(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body; None if the client disconnects before its end. Raises _Unread."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY:
            raise _Unread(413, f"The request body has {int(value)} bytes; at most {MAX_BODY} are allowed.")
    message = await receive()
    if message["type"] == "http.disconnect":
        return None
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    parts, size = [body], len(body)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while message.get("more_body", False):
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MAX_BODY:
                    raise _Unread(413, f"The request body is larger than the {MAX_BODY} bytes allowed.")
    except TimeoutError:
        raise _Unread(408, f"The request body did not arrive within {BODY_SECONDS:.0f} seconds.") from None
    return b"".join(parts)


async def _respond(send: Send, status: int, content_type: bytes, body: bytes, close: bool) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode("ascii"))]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
