"""Which version of which model a gRPC request asks for.

Source: tensorflow/serving tensorflow_serving/model_servers/server_core.cc, ServableRequestFromModelSpec.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from tensorflow_serving.apis import model_pb2

from serving.model_server.lifecycle import Lifecycle, LoadedVersion
from serving.model_server.signatures import DEFAULT_SIGNATURE
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


def answered_by(loaded: LoadedVersion, signature_name: str | None) -> model_pb2.ModelSpec:
    """The spec of an answer: name, version and, unless None, the signature that gave it."""
    spec = model_pb2.ModelSpec(name=loaded.name, signature_name=_signature(signature_name))
    spec.version.value = loaded.version
    return spec


def _signature(name: str | None) -> str:
    return "" if name is None else name or DEFAULT_SIGNATURE
