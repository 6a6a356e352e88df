"""Which version of which model a gRPC request asks for.

Source: tensorflow/serving tensorflow_serving/model_servers/server_core.cc, ServableRequestFromModelSpec.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from tensorflow_serving.apis import model_pb2

from serving.model_server.lifecycle import Lifecycle
from serving.model_server.loaded_version import LoadedVersion
from serving.model_server.status import invalid


def use(lifecycle: Lifecycle, spec: model_pb2.ModelSpec) -> AbstractContextManager[LoadedVersion]:
    """The version asked for, in use while the context is open. Raises RequestError."""
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    choice = spec.WhichOneof("version_choice")
    return lifecycle.use(
        spec.name,
        spec.version.value if choice == "version" else None,
        spec.version_label if choice == "version_label" else None,
    )
