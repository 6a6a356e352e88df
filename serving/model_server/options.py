"""What a model server can be told, with defaults that are right for most.

Where TensorFlow Serving has a flag for it, the default is that flag's.
Source: tensorflow/serving tensorflow_serving/model_servers/server.h.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lakeloop.exceptions import WrongUseError
from serving.model_server.batching_parameters import BatchingParameters
from serving.model_server.config_files import METRICS_PATH, Tls

THREADS = 4 * (os.cpu_count() or 1)
MOST_MEGABYTES = 256
"""A request may have so many; its values take ten times as much memory while they are read from JSON."""


@dataclass(frozen=True)
class LoadOptions:
    """How versions are loaded.

    `tags` name the graph of a SavedModel; a warm-up file's requests are each asked `warm_up_times` times (0: none is);
    a load that fails is tried `retries` times more, `retry_seconds` apart; requests are batched if `batching` says how.
    """

    tags: tuple[str, ...] = ("serve",)
    warm_up_times: int = 1
    retries: int = 5
    retry_seconds: float = 60.0
    intra_op_threads: int = 0
    batching: BatchingParameters | None = None


@dataclass(frozen=True)
class Options:
    """Where and how a server answers. Raises WrongUseError for what cannot be.

    `port` and `grpc_port` 0 take a free one; a config file is looked at every `config_seconds` (0: once).
    `rest_threads` bounds the inferences over REST of each model that run at a time, `grpc_threads` those over gRPC of
    all; `rest_seconds` is the time an inference over REST has (0: no end).
    `cors` lets pages of other origins ask; gRPC listens on the file `grpc_socket` too and has a health service with
    `grpc_health`; tensors are answered as packed bytes with `tensor_content`; with `any_labels` a reload may give a
    label that is new to a version that is not loaded. Metrics are at `metrics_path` ('': nowhere); gRPC is encrypted
    with `tls`.
    """

    host: str = "127.0.0.1"
    port: int = 8501
    grpc_port: int = 8500
    poll_seconds: float = 1.0
    config_seconds: float = 0.0
    rest_threads: int = THREADS
    rest_seconds: float = 30.0
    grpc_threads: int = max(32, THREADS)
    most_megabytes: int = MOST_MEGABYTES
    cors: bool = False
    grpc_socket: Path | None = None
    grpc_arguments: Mapping[str, str | int] = field(default_factory=dict)
    grpc_health: bool = False
    tensor_content: bool = False
    any_labels: bool = False
    metrics_path: str = METRICS_PATH
    tls: Tls | None = None
    load: LoadOptions = field(default_factory=LoadOptions)

    def __post_init__(self) -> None:
        for name, value, least in (
            ("rest_api_num_threads", self.rest_threads, 1),
            ("grpc_max_threads", self.grpc_threads, 1),
            ("rest_api_timeout_in_ms", self.rest_seconds, 0),
            ("max_request_megabytes", self.most_megabytes, 1),
            ("max_num_load_retries", self.load.retries, 0),
        ):
            if value < least:
                raise WrongUseError(f"--{name} must be at least {least}, not {value:g}.")
        if self.most_megabytes > 2047:
            raise WrongUseError(
                f"--max_request_megabytes can be 2047 at most, as gRPC counts, not {self.most_megabytes}."
            )

    @property
    def most_bytes(self) -> int:
        """The size of a request."""
        return self.most_megabytes * 1024 * 1024
