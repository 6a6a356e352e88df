"""The warm-up of a version: the requests its folder brings along, and no others.

Source: tensorflow/serving tensorflow_serving/servables/tensorflow/saved_model_warmup.cc, saved_model_warmup_util.cc.
"""

from __future__ import annotations

import logging
from pathlib import Path

import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from serving.exceptions import LoadError, RequestError
from serving.model_server import messages
from serving.model_server.loaded_version import LoadedVersion
from serving.model_server.status import Code, code_of

log = logging.getLogger(__name__)

REQUESTS_FILE = Path("assets.extra", "tf_serving_warmup_requests")
"""A TFRecord file of PredictionLog messages in the version's folder."""
MOST_REQUESTS = 1000


def warm_up(loaded: LoadedVersion, times: int = 1) -> int:
    """Answers each request of the version's own file so many times; returns how many requests there were.

    Raises LoadError: the file cannot be read, has too many requests, or one of them fails.
    """
    file = loaded.model.folder / REQUESTS_FILE
    if not file.exists():
        return 0
    count = 0
    try:
        for record in tf.python_io.tf_record_iterator(str(file)):
            count += 1
            if count > MOST_REQUESTS:
                raise LoadError(
                    Code.INVALID_ARGUMENT,
                    f"Number of warmup records exceeds the maximum ({MOST_REQUESTS}) at {file}",
                )
            request = prediction_log_pb2.PredictionLog.FromString(record)
            for _ in range(times):
                _answer(loaded, request)
    except DecodeError:
        raise LoadError(Code.INVALID_ARGUMENT, f"Failed to parse warmup record: number {count} of {file}") from None
    except RequestError as exc:
        raise LoadError(exc.code, f"warm-up request {count} of {file}: {exc.message}") from None
    except tf.errors.DataLossError as exc:
        raise LoadError(
            Code.DATA_LOSS, f"{exc.message}. Please verify your warmup data is in TFRecord format."
        ) from None
    except tf.errors.OpError as exc:
        raise LoadError(code_of(exc.error_code), exc.message) from None
    return count


def _answer(loaded: LoadedVersion, request: prediction_log_pb2.PredictionLog) -> None:
    kind = request.WhichOneof("log_type")
    if kind == "predict_log":
        messages.predict(loaded, request.predict_log.request, None)
    elif kind == "classify_log":
        messages.classify(loaded, request.classify_log.request, None)
    elif kind == "regress_log":
        messages.regress(loaded, request.regress_log.request, None)
    elif kind == "multi_inference_log":
        messages.multi_inference(loaded, request.multi_inference_log.request, None)
    elif kind is not None:
        raise RequestError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
