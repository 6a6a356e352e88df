"""The JSON bodies of errors, model status and model metadata.

Source: tensorflow/serving tensorflow_serving/model_servers/http_rest_api_util.cc, ToJsonString.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson
from google.protobuf.json_format import MessageToDict
from tensorflow.core.protobuf import meta_graph_pb2

from serving.model_server.served_model import VersionStatus


def error(message: str) -> bytes:
    """`{"error": …}`; bytes that are not UTF-8 become replacement characters."""
    try:
        return orjson.dumps({"error": message})
    except TypeError:
        return orjson.dumps({"error": message.encode("utf-8", "surrogateescape").decode("utf-8", "replace")})


def status(versions: Iterable[VersionStatus]) -> bytes:
    """GetModelStatusResponse as JSON; 64-bit numbers are strings there."""
    return orjson.dumps(
        {
            "model_version_status": [
                {
                    "version": str(item.version),
                    "state": item.state.name,
                    "status": {"error_code": item.code.name, "error_message": item.message},
                }
                for item in versions
            ]
        }
    )


def metadata(name: str, version: int, signatures: Mapping[str, meta_graph_pb2.SignatureDef]) -> bytes:
    """GetModelMetadataResponse as JSON: the signatures as they stand in saved_model.pb."""
    signature_def = {
        key: MessageToDict(value, always_print_fields_with_no_presence=True, preserving_proto_field_name=True)
        for key, value in sorted(signatures.items())
    }
    return orjson.dumps(
        {
            "model_spec": {"name": name, "signature_name": "", "version": str(version)},
            "metadata": {"signature_def": {"signature_def": signature_def}},
        }
    )
