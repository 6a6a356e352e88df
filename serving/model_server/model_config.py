"""Which models a server serves: name, base path, version policy and labels, from the command line or a config.

A config is TensorFlow Serving's `ModelServerConfig`, a text proto in a file or a message of HandleReloadConfigRequest.
Source: tensorflow/serving tensorflow_serving/config/model_server_config.proto and
tensorflow_serving/model_servers/server_core.cc, ValidateModelConfigList.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from lakeloop.exceptions import NotFoundError, WrongUseError
from serving.exceptions import RequestError
from serving.model_server.status import Code, invalid

PLATFORM = "tensorflow"
COLLECTOR = "tfrecord"
"""The one type of log collector there is."""


@dataclass(frozen=True)
class VersionPolicy:
    """Which versions serve: the `latest` so many, or all of them (`latest` None), of those in `specific` if given."""

    latest: int | None = 1
    specific: frozenset[int] | None = None

    def candidates(self, versions: Iterable[int]) -> list[int]:
        """The versions that may serve, newest first; at most `latest` of them do."""
        return sorted((v for v in versions if self.specific is None or v in self.specific), reverse=True)


@dataclass(frozen=True)
class RequestLogConfig:
    """A log of requests: what its files' names begin with, and which share of the requests is in it."""

    file_prefix: Path
    sampling_rate: float


@dataclass(frozen=True)
class ModelConfig:
    """One model: the folder of its versions, which of them serve, what they are called, and its log of requests."""

    name: str
    base_path: Path
    policy: VersionPolicy = VersionPolicy()
    labels: Mapping[str, int] = field(default_factory=dict)
    request_log: RequestLogConfig | None = None


def newest_of(models: Mapping[str, Path]) -> dict[str, ModelConfig]:
    """Models served by their newest version, from name to base path."""
    return {name: ModelConfig(name, Path(path)) for name, path in models.items()}


def read_config(file: Path) -> dict[str, ModelConfig]:
    """The models of a config file; relative base paths start at the file's folder.

    Raises:
        NotFoundError: there is no such file.
        WrongUseError: it is no ModelServerConfig, or what it says is not allowed.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as exc:
        raise NotFoundError(f"The model config {file} cannot be read: {exc.strerror}.") from None
    except UnicodeDecodeError:
        raise WrongUseError(
            f"{file} is not a text file; a model config is a ModelServerConfig as text proto."
        ) from None
    config = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(text, config)
    except text_format.ParseError as exc:
        raise WrongUseError(f"{file}: {_NO_CONFIG}, line:column {exc}. It looks like {_EXAMPLE}") from None
    for model in config.model_config_list.config:
        if model.base_path and "://" not in model.base_path:
            model.base_path = str(file.resolve().parent / model.base_path)
        collector = model.logging_config.log_collector_config
        if collector.filename_prefix and "://" not in collector.filename_prefix:
            collector.filename_prefix = str(file.resolve().parent / collector.filename_prefix)
    if config.WhichOneof("config") is None:  # an empty list is one: a model may come
        raise WrongUseError(f"{file} lists no model. It looks like {_EXAMPLE}")
    try:
        return from_proto(config)
    except RequestError as exc:
        raise WrongUseError(f"{file}: {exc.message}") from None


def from_proto(config: model_server_config_pb2.ModelServerConfig) -> dict[str, ModelConfig]:
    """The models of a config. Raises RequestError with TensorFlow Serving's text for what is not allowed."""
    models: dict[str, ModelConfig] = {}
    for model in config.model_config_list.config:
        if model.name in models:
            raise invalid(f"Illegal to list model {model.name} multiple times in config list")
        if not model.base_path.startswith("/") and "://" not in model.base_path:
            raise invalid(
                f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
            )
        if "://" in model.base_path:
            raise invalid(f"Model {model.name} has the URL {model.base_path} as base_path; this server reads folders")
        models[model.name] = ModelConfig(
            model.name, Path(model.base_path), _policy(model.model_version_policy), dict(model.version_labels),
            _request_log(model) if model.HasField("logging_config") else None,
        )  # fmt: skip
    for model in config.model_config_list.config:
        _check_platform(model)
    return models


def _check_platform(model: model_server_config_pb2.ModelConfig) -> None:
    if model.model_type == model_server_config_pb2.TENSORFLOW and not model.model_platform:
        return  # the deprecated way to say it
    if model.model_type and model.model_platform:
        raise invalid(
            "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform,"
            f" model name is {model.name}"
        )
    if model.model_type:
        raise invalid(f"ModelServerConfig::model_type choice {model.model_type} not supported.")
    if not model.model_platform:
        raise invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor"
            f" ModelServerConfig::model_platform, model name is {model.name}"
        )
    if model.model_platform != PLATFORM:
        raise invalid(f"Model {model.name} requests unsupported platform {model.model_platform}")


def _request_log(model: model_server_config_pb2.ModelConfig) -> RequestLogConfig:
    config, of = model.logging_config, f"logging_config of model {model.name}"
    collector, rate = config.log_collector_config, config.sampling_config.sampling_rate
    if collector.type not in ("", COLLECTOR):
        raise RequestError(
            Code.NOT_FOUND,
            f"Cannot find LogCollector::Factory for type: {collector.type} ({of}); this server has {COLLECTOR}",
        )
    if not collector.filename_prefix.startswith("/"):
        raise invalid(
            f"{of}: log_collector_config.filename_prefix must be an absolute path that names of files begin with; "
            f"got {collector.filename_prefix!r}"
        )
    if not 0 <= rate <= 1:
        raise invalid(f"{of}: sampling_config.sampling_rate must be from 0 to 1, not {rate:g}")
    if config.sampling_config.attributes or config.HasField("custom_logging_config"):
        raise invalid(f"{of}: sampling_config.attributes and custom_logging_config mean nothing to this server")
    return RequestLogConfig(Path(collector.filename_prefix), rate)


def _policy(policy: Any) -> VersionPolicy:
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(latest=None)
    if choice == "specific":
        return VersionPolicy(latest=None, specific=frozenset(policy.specific.versions))
    return VersionPolicy(latest=max(policy.latest.num_versions, 1))


_NO_CONFIG = "Error parsing text-format tensorflow.serving.ModelServerConfig"  # in TensorFlow Serving's words
_EXAMPLE = 'model_config_list { config { name: "m" base_path: "/models/m" model_platform: "tensorflow" } }'
