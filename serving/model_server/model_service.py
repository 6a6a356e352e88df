"""gRPC's ModelService: GetModelStatus and HandleReloadConfigRequest.

Source: tensorflow/serving tensorflow_serving/model_servers/get_model_status_impl.cc and model_service_impl.cc.
"""

from __future__ import annotations

from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2

from serving.model_server.lifecycle import Lifecycle
from serving.model_server.model_config import from_proto
from serving.model_server.status import invalid


class ModelService:
    """Each method answers one request message or raises RequestError."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    def get_model_status(
        self, request: get_model_status_pb2.GetModelStatusRequest, deadline: float | None = None
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """The state of all versions or of one; a label does not narrow it, as in TensorFlow Serving."""
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        spec = request.model_spec
        version = spec.version.value if spec.WhichOneof("version_choice") == "version" else None
        answer = get_model_status_pb2.GetModelStatusResponse()
        for item in self._lifecycle.statuses(spec.name, version):
            added = answer.model_version_status.add(version=item.version, state=int(item.state))
            added.status.error_code = int(item.code)
            added.status.error_message = item.message
        return answer

    def handle_reload_config(
        self, request: model_management_pb2.ReloadConfigRequest, deadline: float | None = None
    ) -> model_management_pb2.ReloadConfigResponse:
        """Serves the models of the config from now on; returns when those that are new have loaded."""
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest."
                " Only ModelConfigList is currently supported"
            )
        before = {name: self._lifecycle.metrics.value(name) for name in request.metric_names}
        self._lifecycle.reload(from_proto(request.config))
        answer = model_management_pb2.ReloadConfigResponse()
        answer.status.error_code = 0
        for name, value in before.items():
            answer.metric.add(name=name, int64_value_increase=self._lifecycle.metrics.value(name) - value)
        return answer
