"""The gRPC port: both services of TensorFlow Serving, each call with the deadline its client gave it.

Source: tensorflow/serving tensorflow_serving/model_servers/prediction_service_impl.cc and grpc_status_util.cc.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import grpc

from lakeloop.exceptions import AddressTakenError
from serving.exceptions import RequestError
from serving.model_server.config_files import Tls
from serving.model_server.health import health_handler
from serving.model_server.options import Options
from serving.model_server.shares import Shares
from serving.model_server.status import Code, too_late

if TYPE_CHECKING:  # it imports TensorFlow, which takes seconds: a taken port should be known before
    from serving.model_server.lifecycle import Lifecycle
    from serving.model_server.metrics import Metrics

log = logging.getLogger(__name__)

MESSAGE_LIMIT = 1024
"""Error texts are cut there, as in TensorFlow Serving."""

THREADS = 1024
"""For inferences, those that wait for their turn included; begun as calls come."""

STATUS_THREADS = 2
"""For what is answered without a model: it must not wait for inferences, however many there are."""

Turn = Callable[[Any, float | None], AbstractContextManager[None]]
"""Waits until the model of a request may run one more, at most until a deadline."""

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GrpcServer:
    """Listens from `start` on."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="grpc")
        self._status_pool = ThreadPoolExecutor(STATUS_THREADS, thread_name_prefix="grpc-status")
        arguments: dict[str, str | int] = {
            "grpc.so_reuseport": 0,  # else a second server shares the port without a word
            "grpc.max_receive_message_length": options.most_bytes,
            "grpc.max_send_message_length": -1,
            **options.grpc_arguments,
        }
        self._server = grpc.server(self._pool, options=list(arguments.items()))

    def start(self, address: str, lifecycle: Lifecycle) -> None:
        """Listens and answers requests from these models. Raises AddressTakenError."""
        from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

        from serving.model_server.model_service import ModelService
        from serving.model_server.prediction_service import PredictionService

        models, metrics = ModelService(lifecycle), lifecycle.metrics
        shares = Shares(self._options.grpc_threads, THREADS, lifecycle.count)

        @contextmanager
        def turn(request: Any, deadline: float | None) -> Iterator[None]:
            name = _model_of(request)
            with shares.turn(name if lifecycle.knows(name) else "", deadline):  # clients choose names
                yield

        service = PredictionService(lifecycle, self._options.tensor_content)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _Methods(
                Predict=_Method("Predict", service.predict, metrics, turn=turn),
                Classify=_Method("Classify", service.classify, metrics, turn=turn),
                Regress=_Method("Regress", service.regress, metrics, turn=turn),
                MultiInference=_Method("MultiInference", service.multi_inference, turn=turn),
                GetModelMetadata=_Method("GetModelMetadata", service.get_model_metadata, pool=self._status_pool),
            ),
            self._server,
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            _Methods(
                GetModelStatus=_Method("GetModelStatus", models.get_model_status, pool=self._status_pool),
                HandleReloadConfigRequest=_Method("HandleReloadConfigRequest", models.handle_reload_config),
            ),
            self._server,
        )
        if self._options.grpc_health:
            self._server.add_generic_rpc_handlers((health_handler(self._status_pool),))
        self._listen(address)
        if self._options.grpc_socket is not None:
            self._listen(f"unix:{self._options.grpc_socket}")
        self._server.start()

    def _listen(self, address: str) -> None:
        try:
            if self._options.tls is None:
                self._server.add_insecure_port(address)
            else:
                self._server.add_secure_port(address, _credentials(self._options.tls))
        except RuntimeError:
            raise AddressTakenError(
                f"the model server cannot listen on {address} for gRPC; give another gRPC port (0 takes any free one) "
                "or another file"
            ) from None

    def stop(self, grace: float) -> None:
        """Takes no new request and gives running ones so many seconds; returns when they are answered."""
        self._server.stop(grace).wait()
        self._pool.shutdown(wait=False)
        self._status_pool.shutdown(wait=False)


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(tls.key, tls.certificate)], root_certificates=tls.clients, require_client_auth=tls.verify_clients
    )


class _Methods:
    """A servicer: what the generated code registers, by name."""

    def __init__(self, **methods: Callable[[Any, grpc.ServicerContext], Any]) -> None:
        vars(self).update(methods)


class _Method:
    """A method as gRPC calls it; with `metrics` it is one that TensorFlow Serving counts."""

    def __init__(
        self,
        name: str,
        answer: Callable[[Any, float | None], Any],
        metrics: Metrics | None = None,
        pool: ThreadPoolExecutor | None = None,
        turn: Turn | None = None,
    ) -> None:
        self._name = name
        self._answer = answer
        self._metrics = metrics
        self._turn = turn
        self.experimental_thread_pool = pool  # gRPC's name for it: calls of this method run there

    def __call__(self, request: Any, context: grpc.ServicerContext) -> Any:
        start = time.perf_counter()
        code, result = self._outcome(request, context)
        if self._metrics is not None:
            self._metrics.answered(request.model_spec.name, self._name, "GRPC", code.name, time.perf_counter() - start)
        return result if code is Code.OK else _abort(context, code, result)

    def _outcome(self, request: Any, context: grpc.ServicerContext) -> tuple[Code, Any]:
        """OK and the answer, or the code of the failure and its text."""
        try:
            deadline = _deadline(context)
            if self._turn is None:
                return Code.OK, self._answer(request, deadline)
            with self._turn(request, deadline):
                _deadline(context)  # the client may have gone while its call waited
                return Code.OK, self._answer(request, deadline)
        except RequestError as exc:
            return exc.code, exc.message
        except MemoryError:
            return Code.RESOURCE_EXHAUSTED, "The request needs more memory than there is."
        except Exception:
            log.exception("event=request_failed method=%s", self._name)
            return Code.INTERNAL, "Internal error: the server's log has the details."


def _model_of(request: Any) -> str:
    if hasattr(request, "model_spec"):
        return str(request.model_spec.name)
    return str(request.tasks[0].model_spec.name) if request.tasks else ""


def _deadline(context: grpc.ServicerContext) -> float | None:
    """Of time.monotonic. Raises RequestError for a call that waited for a thread until nobody wanted its answer."""
    remaining = context.time_remaining()
    if remaining is not None and remaining <= 0:
        raise too_late()
    if not context.is_active():
        raise RequestError(Code.CANCELLED, "The client has cancelled the call.")
    return None if remaining is None else time.monotonic() + remaining


def _abort(context: grpc.ServicerContext, code: Code, message: str) -> NoReturn:
    text = message.encode("utf-8", "replace").decode("utf-8")
    if len(text) > MESSAGE_LIMIT:
        text = f"{text[:MESSAGE_LIMIT]}...TRUNCATED"
    context.abort(_CODES[int(code)], text)
    raise AssertionError("abort returns never")
