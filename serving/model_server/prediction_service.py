"""gRPC's PredictionService: Predict, Classify, Regress, MultiInference and GetModelMetadata.

Source: tensorflow/serving tensorflow_serving/model_servers/prediction_service_impl.cc and
tensorflow_serving/servables/tensorflow/get_model_metadata_impl.cc.
"""

from __future__ import annotations

from typing import Any

from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)
from tensorflow_serving.apis.prediction_log_pb2 import (
    ClassifyLog,
    MultiInferenceLog,
    PredictionLog,
    PredictLog,
    RegressLog,
)

from serving.model_server import messages, model_spec
from serving.model_server.lifecycle import Lifecycle
from serving.model_server.loaded_version import LoadedVersion
from serving.model_server.request_log import MakeLog
from serving.model_server.status import invalid

SIGNATURE_DEF = "signature_def"
"""The one metadata field there is."""


class PredictionService:
    """Each method answers one request message until a deadline of time.monotonic (None: there is none).

    All raise RequestError.
    """

    def __init__(self, lifecycle: Lifecycle, tensor_content: bool) -> None:
        self._lifecycle = lifecycle
        self._tensor_content = tensor_content

    def predict(self, request: predict_pb2.PredictRequest, deadline: float | None) -> predict_pb2.PredictResponse:
        """Named tensors in, named tensors out."""
        _check_spec(request)
        with model_spec.use(self._lifecycle, request.model_spec) as loaded:
            answer = messages.predict(loaded, request, deadline, self._tensor_content)
        self._log(loaded, lambda: PredictionLog(predict_log=PredictLog(request=request, response=answer)))
        return answer

    def classify(
        self, request: classification_pb2.ClassificationRequest, deadline: float | None
    ) -> classification_pb2.ClassificationResponse:
        """Classes and scores of each example."""
        _check_spec(request)
        with model_spec.use(self._lifecycle, request.model_spec) as loaded:
            answer = messages.classify(loaded, request, deadline)
        self._log(loaded, lambda: PredictionLog(classify_log=ClassifyLog(request=request, response=answer)))
        return answer

    def regress(
        self, request: regression_pb2.RegressionRequest, deadline: float | None
    ) -> regression_pb2.RegressionResponse:
        """One value for each example."""
        _check_spec(request)
        with model_spec.use(self._lifecycle, request.model_spec) as loaded:
            answer = messages.regress(loaded, request, deadline)
        self._log(loaded, lambda: PredictionLog(regress_log=RegressLog(request=request, response=answer)))
        return answer

    def multi_inference(
        self, request: inference_pb2.MultiInferenceRequest, deadline: float | None
    ) -> inference_pb2.MultiInferenceResponse:
        """Several signatures of one model on the same examples."""
        spec = request.tasks[0].model_spec if request.tasks else inference_pb2.InferenceTask().model_spec
        with model_spec.use(self._lifecycle, spec) as loaded:
            answer, count = messages.multi_inference(loaded, request, deadline)
        self._lifecycle.metrics.examples(spec.name, count)
        self._log(
            loaded, lambda: PredictionLog(multi_inference_log=MultiInferenceLog(request=request, response=answer))
        )
        return answer

    def _log(self, loaded: LoadedVersion, make: MakeLog) -> None:
        self._lifecycle.request_logs.offer(loaded.name, make)

    def get_model_metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, deadline: float | None = None
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures as they stand in saved_model.pb."""
        _check_spec(request)
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != SIGNATURE_DEF:
                raise invalid(f"Metadata field {name} is not supported")
        with model_spec.use(self._lifecycle, request.model_spec) as loaded:
            signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=loaded.model.signature_defs)
            answer = get_model_metadata_pb2.GetModelMetadataResponse(
                model_spec=messages.answered_by(loaded, signature_name=None)
            )
        answer.metadata[SIGNATURE_DEF].Pack(signatures)
        return answer


def _check_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
