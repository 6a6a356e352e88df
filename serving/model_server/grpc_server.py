"""The gRPC port: bound before anything is loaded, then both services of TensorFlow Serving on it.

Source: tensorflow/serving tensorflow_serving/model_servers/prediction_service_impl.cc and grpc_status_util.cc.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

import grpc

from lakeloop.http_server import AddressTaken
from serving.model_server.status import Code, RequestError

if TYPE_CHECKING:  # it imports TensorFlow, which takes seconds: a taken port should be known before
    from serving.model_server.lifecycle import Lifecycle

log = logging.getLogger(__name__)

MAX_MESSAGE = 64 * 1024 * 1024
MESSAGE_LIMIT = 1024
"""Error texts are cut there, as in TensorFlow Serving."""

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GrpcServer:
    """Listens from the start; answers when `start` was called."""

    def __init__(self, address: str) -> None:
        threads = max(8, 4 * (os.cpu_count() or 1))
        self._server = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
            options=[
                ("grpc.so_reuseport", 0),  # else a second server shares the port without a word
                ("grpc.max_receive_message_length", MAX_MESSAGE),
                ("grpc.max_send_message_length", -1),
            ],
        )
        try:
            self.port: int = self._server.add_insecure_port(address)
        except RuntimeError:
            raise AddressTaken(
                f"the model server cannot listen on {address} for gRPC; give another gRPC port (0 takes any free one)"
            ) from None

    def start(self, lifecycle: Lifecycle) -> None:
        """Answers requests from these models."""
        from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

        from serving.model_server.model_service import ModelService
        from serving.model_server.prediction_service import PredictionService

        models, service = ModelService(lifecycle), PredictionService(lifecycle)
        counted = _Counted(lifecycle)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _Methods(
                Predict=counted.method("Predict", service.predict),
                Classify=counted.method("Classify", service.classify),
                Regress=counted.method("Regress", service.regress),
                MultiInference=_method("MultiInference", service.multi_inference),
                GetModelMetadata=_method("GetModelMetadata", service.get_model_metadata),
            ),
            self._server,
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            _Methods(
                GetModelStatus=_method("GetModelStatus", models.get_model_status),
                HandleReloadConfigRequest=_method("HandleReloadConfigRequest", models.handle_reload_config),
            ),
            self._server,
        )
        self._server.start()

    def stop(self, grace: float) -> None:
        """Takes no new request and gives running ones so many seconds; returns when they are answered."""
        self._server.stop(grace).wait()


class _Methods:
    """A servicer: what the generated code registers, by name."""

    def __init__(self, **methods: Callable[[Any, grpc.ServicerContext], Any]) -> None:
        vars(self).update(methods)


class _Counted:
    """Counts the requests TensorFlow Serving counts: Predict, Classify and Regress."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._metrics = lifecycle.metrics

    def method(self, api: str, answer: Callable[[Any], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
        """The method as gRPC calls it."""

        def call(request: Any, context: grpc.ServicerContext) -> Any:
            start = time.perf_counter()
            code, result = _outcome(api, answer, request)
            model = request.model_spec.name
            self._metrics.answered(model, api, "GRPC", code.name, time.perf_counter() - start)
            return result if code is Code.OK else _abort(context, code, result)

        return call


def _method(name: str, answer: Callable[[Any], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
    def call(request: Any, context: grpc.ServicerContext) -> Any:
        code, result = _outcome(name, answer, request)
        return result if code is Code.OK else _abort(context, code, result)

    return call


def _outcome(name: str, answer: Callable[[Any], Any], request: Any) -> tuple[Code, Any]:
    """OK and the answer, or the code of the failure and its text."""
    try:
        return Code.OK, answer(request)
    except RequestError as exc:
        return exc.code, exc.message
    except MemoryError:
        return Code.RESOURCE_EXHAUSTED, "The request needs more memory than there is."
    except Exception:
        log.exception("event=request_failed method=%s", name)
        return Code.INTERNAL, "Internal error: the server's log has the details."


def _abort(context: grpc.ServicerContext, code: Code, message: str) -> NoReturn:
    text = message.encode("utf-8", "replace").decode("utf-8")
    if len(text) > MESSAGE_LIMIT:
        text = f"{text[:MESSAGE_LIMIT]}...TRUNCATED"
    context.abort(_CODES[int(code)], text)
    raise AssertionError("abort returns never")
