"""The HTTP surface: a plain ASGI application for TensorFlow Serving's REST API.

Source: tensorflow/serving tensorflow_serving/model_servers/http_rest_api_handler.cc and http_server.cc.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from serving.exceptions import BodyError, RequestError
from serving.model_server import answers, inference, json_parser, logged_messages, routes
from serving.model_server.examples_input import read_examples
from serving.model_server.lifecycle import Lifecycle
from serving.model_server.loaded_version import LoadedVersion
from serving.model_server.options import Options
from serving.model_server.request_body import Receive, Scope, encoding, inflated, read_body
from serving.model_server.request_log import MakeLog
from serving.model_server.status import HTTP_STATUS, Code, too_late
from serving.model_server.tensor_input import read_predict_request, signature_name
from serving.model_server.tensor_output import classes_to_json, to_json, values_to_json
from serving.model_server.workers import Workers

log = logging.getLogger(__name__)

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

Headers = Sequence[tuple[bytes, bytes]]

_CORS: Headers = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
)

_JSON = b"application/json"
_NOT_FOUND_PAGE = b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"


class RestApi:
    """The application; one per server.

    The event loop reads, answers what needs no model (status, metadata, metrics) and writes; every inference runs on a
    thread. A model has threads of its own, so that a slow model's requests do not wait in another's way.
    """

    def __init__(self, lifecycle: Lifecycle, options: Options) -> None:
        self._lifecycle = lifecycle
        self._metrics = lifecycle.metrics
        self._threads = options.rest_threads
        self._seconds = options.rest_seconds
        self._most_bytes = options.most_bytes
        self._metrics_path = options.metrics_path
        self._headers = _CORS if options.cors else ()
        self._workers: dict[str, Workers] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        method: str = scope["method"]
        path = scope["raw_path"].decode("latin-1")
        close = False
        try:
            body = await read_body(scope, receive, self._most_bytes)
        except BodyError as exc:
            body, close = b"", True
            code, content = exc.status, answers.error(exc.text)
        else:
            if body is None:
                return  # the client went away in the middle of its request
            if path == self._metrics_path and path:
                await _respond(send, 200, b"text/plain", self._metrics.page(), False)
                return
            if not routes.is_api_path(path):
                await _respond(send, 404, b"text/html", _NOT_FOUND_PAGE, False)
                return
            if method == "OPTIONS":
                code, content = _preflight(scope)
            else:
                code, content = await self._answer(method, path, body, encoding(scope))
        await _respond(send, code, _JSON, content, close, self._headers)

    def close(self, seconds: float) -> bool:
        """Lets running inferences finish and ends the threads; False if some have not finished after so long."""
        deadline = time.monotonic() + seconds
        ended = [workers.close(max(0.0, deadline - time.monotonic())) for workers in self._workers.values()]
        return all(ended)

    async def _answer(self, method: str, path: str, body: bytes, encoding: bytes) -> tuple[int, bytes]:
        start = time.perf_counter()
        route: routes.Route | None = None
        code = Code.OK
        try:
            route = routes.parse(method, path)
            if route.action == "status":
                return 200, self._status(route)
            if route.action == "metadata":
                return 200, self._metadata(route)
            return 200, await self._on_thread(route, body, encoding)
        except RequestError as exc:
            code = exc.code
            return HTTP_STATUS[code], answers.error(exc.message)
        except BodyError as exc:
            code = Code.INVALID_ARGUMENT
            return exc.status, answers.error(exc.text)
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

    async def _on_thread(self, route: routes.Route, body: bytes, encoding: bytes) -> bytes:
        """The answer of an inference. Raises RequestError, after the time it has even if the model goes on."""
        name = route.model if self._lifecycle.knows(route.model) else ""  # clients choose names: no threads for each
        workers = self._workers.get(name)
        if workers is None:
            workers = self._workers[name] = Workers(self._threads, self._seconds, f"rest-{len(self._workers)}")
        deadline = time.monotonic() + self._seconds if self._seconds else None
        try:
            return await workers.run(lambda: self._infer(route, body, encoding, deadline))
        except TimeoutError:
            raise too_late() from None

    def _infer(self, route: routes.Route, body: bytes, encoding: bytes, deadline: float | None) -> bytes:
        document = json_parser.parse(inflated(body, encoding) if encoding else body, deadline)
        named = signature_name(document)
        if route.action != "predict":
            return self._infer_examples(route, named, read_examples(document), deadline)
        with self._lifecycle.use(route.model, route.version, route.label) as loaded:
            signature = loaded.model.signature(named)
            request = read_predict_request(document, signature)
            outputs = loaded.run("Predict", signature, request.inputs, deadline=deadline)
        answer = to_json(outputs, request.format)
        self._log(loaded, lambda: logged_messages.predict_log(loaded, named, request.inputs, outputs))
        return answer

    def _infer_examples(self, route: routes.Route, named: str, examples: list[bytes], deadline: float | None) -> bytes:
        with self._lifecycle.use(route.model, route.version, route.label) as loaded:
            if route.action == "classify":
                classes = inference.classify(loaded, named, examples, deadline)
                answer = classes_to_json(classes.rows())
                self._log(loaded, lambda: logged_messages.classify_log(loaded, named, examples, classes))
            else:
                values = inference.regress(loaded, named, examples, deadline)
                answer = values_to_json(values)
                self._log(loaded, lambda: logged_messages.regress_log(loaded, named, examples, values))
            return answer

    def _log(self, loaded: LoadedVersion, make: MakeLog) -> None:
        self._lifecycle.request_logs.offer(loaded.name, make)

    def _status(self, route: routes.Route) -> bytes:
        # As in TensorFlow Serving, a label does not narrow the status: all versions are listed.
        return answers.status(self._lifecycle.statuses(route.model, route.version))

    def _metadata(self, route: routes.Route) -> bytes:
        with self._lifecycle.use(route.model, route.version, route.label) as loaded:
            return answers.metadata(loaded.name, loaded.version, loaded.model.signature_defs)


def _preflight(scope: Scope) -> tuple[int, bytes]:
    origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
    return (200 if b"http://" in origin or b"https://" in origin else 400), b""


async def _respond(send: Send, status: int, content_type: bytes, body: bytes, close: bool, more: Headers = ()) -> None:
    headers = [*more, (b"content-type", content_type), (b"content-length", str(len(body)).encode("ascii"))]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
