"""TensorFlow Serving's files for metrics and for TLS: MonitoringConfig and SSLConfig as text.

Source: tensorflow/serving tensorflow_serving/config/monitoring_config.proto and ssl_config.proto.
"""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lakeloop.exceptions import WrongUseError
from serving.model_server.text_messages import read_text

METRICS_PATH = "/monitoring/prometheus/metrics"
_MONITORING = {
    "PrometheusConfig": {"enable": (1, "bool"), "path": (2, "string")},
    "MonitoringConfig": {"prometheus_config": (1, ".lakeloop.serving.PrometheusConfig")},
}
_SSL = {
    "SSLConfig": {
        "server_key": (1, "string"), "server_cert": (2, "string"), "custom_ca": (3, "string"),
        "client_verify": (4, "bool"),
    }
}  # fmt: skip


@dataclass(frozen=True)
class Tls:
    """gRPC over TLS, all as PEM: the server's key and certificate, whose clients' certificates are wanted, if any."""

    key: bytes
    certificate: bytes
    clients: bytes | None
    verify_clients: bool


def read_metrics_path(file: Path) -> str:
    """Where the metrics are, '' for nowhere. Raises NotFoundError, WrongUseError."""
    config = read_text(file, _MONITORING, "monitoring config", 'prometheus_config { enable: true, path: "/metrics" }')
    if not config.prometheus_config.enable:
        return ""
    path: str = config.prometheus_config.path or METRICS_PATH
    if not path.startswith("/") or path.lower().startswith("/v1/"):
        raise WrongUseError(f"{file}: path must begin with / and not with /v1/, which the models have; it is {path}.")
    return path


def read_tls(file: Path) -> Tls:
    """Keys and certificates, which stand in the file themselves. Raises NotFoundError, WrongUseError."""
    config = read_text(file, _SSL, "SSL config", 'server_key: "-----BEGIN PRIVATE KEY-----\\n…" server_cert: "…"')
    for name in ("server_key", "server_cert", *(["custom_ca"] if config.client_verify else [])):
        if "-----BEGIN" not in getattr(config, name):
            why = "" if getattr(config, name) else "; it is missing"
            raise WrongUseError(f"{file}: {name} must be PEM text itself, -----BEGIN …, not a path{why}.")
    _check_pair(file, config.server_key, config.server_cert)
    return Tls(
        config.server_key.encode(), config.server_cert.encode(), config.custom_ca.encode() or None, config.client_verify
    )


def _check_pair(file: Path, key: str, certificate: str) -> None:
    """gRPC says nothing of a pair that does not fit: it answers nobody."""
    with tempfile.NamedTemporaryFile("w") as pair:  # readable by this user alone
        pair.write(f"{key}\n{certificate}\n")
        pair.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair.name)
        except ssl.SSLError as exc:
            raise WrongUseError(
                f"{file}: there are no key and certificate that fit each other ({exc.reason})."
            ) from None
