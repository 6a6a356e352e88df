"""TensorFlow Serving's flags, under its own names and with its meanings, for every command that starts a server.

`--port` is gRPC's, as there, beside `--rest_api_port`; alone it is the REST port.
Source: tensorflow/serving tensorflow_serving/model_servers/main.cc.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from lakeloop.exceptions import WrongUseError
from serving.model_server.batching_parameters import BatchingParameters, read_batching_parameters
from serving.model_server.config_files import METRICS_PATH, read_metrics_path, read_tls
from serving.model_server.options import MOST_MEGABYTES, LoadOptions, Options

_DEFAULTS = Options()
_LOAD = _DEFAULTS.load
_ELSEWHERE = {
    "platform_config_file": "models are SavedModels, run by TensorFlow",
    "prefer_tflite_model": "models are SavedModels, run by TensorFlow",
    "num_tflite_pools": "models are SavedModels, run by TensorFlow",
    "num_tflite_interpreters_per_pool": "models are SavedModels, run by TensorFlow",
    "tensorflow_session_config_file": "of a session --tensorflow_intra_op_parallelism alone can be set",
    "tensorflow_inter_op_parallelism": "of a session --tensorflow_intra_op_parallelism alone can be set",
    "per_process_gpu_memory_fraction": "it computes on processors",
    "xla_cpu_compilation_enabled": "graphs are run as they were saved",
    "xla_gpu_compilation_enabled": "it computes on processors",
    "mixed_precision": "graphs are run as they were saved",
    "skip_initialize_tpu": "it computes on processors",
    "use_alts_credentials": "--ssl_config_file encrypts gRPC",
    "num_load_threads": "versions are loaded one after the other, beside those that serve",
    "num_unload_threads": "a version is freed when its last request is answered",
    "flush_filesystem_caches": "the system keeps the files it has read for as long as there is room",
    "remove_unused_fields_from_bundle_metagraph": "metadata are shown as they were saved",
    "enable_signature_method_name_check": "a signature serves an API if its inputs and outputs have that API's names",
    "enable_per_model_batching_parameters": "--batching_parameters_file holds for all models",
    "thread_pool_factory_config_file": "--rest_api_num_threads and --grpc_max_threads set the threads",
    "enable_profiler": "--monitoring_config_file says where the metrics are",
    "version": "`uv pip show lakeloop` tells it",
}
"""TensorFlow Serving's other flags, and what there is here instead."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags to a parser; what none of them names has its default."""
    group = parser.add_argument_group("flags of TensorFlow Serving")
    group.add_argument("--rest_api_port", type=int, help="REST port; --port is gRPC's then")
    group.add_argument("--model_name", default="default", help="name of the one model of --model_base_path")
    group.add_argument("--model_base_path", type=Path, help="folder of its versions")
    group.add_argument("--model_config_file", type=Path, help="a ModelServerConfig as text")
    group.add_argument("--file_system_poll_wait_seconds", type=float, help="how often to look for new versions")
    group.add_argument(
        "--rest_api_num_threads", type=int, default=_DEFAULTS.rest_threads,
        help="inferences over REST of each model that run at a time",
    )  # fmt: skip
    group.add_argument(
        "--rest_api_timeout_in_ms", type=int, default=round(_DEFAULTS.rest_seconds * 1000),
        help="how long an inference over REST may take; 0: as long as it takes",
    )  # fmt: skip
    group.add_argument(
        "--grpc_max_threads", type=int, default=_DEFAULTS.grpc_threads,
        help="inferences over gRPC that run at a time",
    )  # fmt: skip
    group.add_argument(
        "--saved_model_tags", default=",".join(_LOAD.tags), help="tags of the graph to serve, separated by commas"
    )
    group.add_argument("--max_num_load_retries", type=int, default=_LOAD.retries, help="tries after a load that failed")
    group.add_argument(
        "--load_retry_interval_micros",
        type=int,
        default=round(_LOAD.retry_seconds * 1e6),
        help="time between two tries",
    )
    group.add_argument("--enable_model_warmup", **_BOOLEAN, default=True, help="ask a version's warm-up requests")
    group.add_argument("--num_request_iterations_for_warmup", type=int, default=0, help="how often each; 0: once")
    group.add_argument("--tensorflow_intra_op_parallelism", type=int, default=0, help="threads of an operation")
    group.add_argument("--tensorflow_session_parallelism", type=int, default=0, help="the same")
    group.add_argument("--enable_batching", **_BOOLEAN, default=False, help="answer several requests by one run")
    group.add_argument("--batching_parameters_file", type=Path, help="how: BatchingParameters as text")
    group.add_argument("--rest_api_enable_cors_support", **_BOOLEAN, default=False, help="let pages of others ask")
    group.add_argument("--grpc_socket_path", type=Path, help="gRPC listens on this file too")
    group.add_argument(
        "--grpc_channel_arguments", type=_channel_arguments, default={}, metavar="NAME=VALUE,…",
        help="arguments of the gRPC server, such as grpc.max_connection_age_ms=2000",
    )  # fmt: skip
    group.add_argument("--enable_grpc_healthcheck_service", **_BOOLEAN, default=False, help="gRPC's health service")
    group.add_argument(
        "--enable_serialization_as_tensor_content", **_BOOLEAN, default=False,
        help="answer tensors over gRPC as packed bytes",
    )  # fmt: skip
    group.add_argument(
        "--allow_version_labels_for_unavailable_models", **_BOOLEAN, default=False,
        help="a reload may give a new label to a version that is not loaded",
    )  # fmt: skip
    group.add_argument(
        "--model_config_file_poll_wait_seconds", type=float, default=0.0,
        help="how often to look whether the model config file has changed; 0: never",
    )  # fmt: skip
    group.add_argument("--monitoring_config_file", type=Path, help="where metrics are: MonitoringConfig as text")
    group.add_argument("--ssl_config_file", type=Path, help="TLS for gRPC: SSLConfig as text")
    own = parser.add_argument_group("flags that TensorFlow Serving has not")
    own.add_argument(
        "--max_request_megabytes", type=int, default=MOST_MEGABYTES,
        help="size of a request over REST and gRPC; values of JSON take ten times as much memory while they are read",
    )  # fmt: skip


def ports_of(
    flags: argparse.Namespace, port: int | None, grpc_port: int | None, defaults: tuple[int, int]
) -> tuple[int, int]:
    """The ports of REST and gRPC, of a command's `--port` and `--grpc-port`, the flags and its defaults.

    Beside `--rest_api_port` a `--port` is gRPC's. Raises WrongUseError where one is given twice.
    """
    if flags.rest_api_port is not None and port is not None:
        if grpc_port is not None:
            raise WrongUseError("--port beside --rest_api_port is gRPC's, as in TensorFlow Serving; so is --grpc-port.")
        return flags.rest_api_port, port
    rest = flags.rest_api_port if port is None else port
    rest = defaults[0] if rest is None else rest
    if grpc_port is None:
        grpc_port = defaults[1] if rest else 0
    return rest, grpc_port


def options_of(flags: argparse.Namespace, host: str, ports: tuple[int, int], poll_seconds: float) -> Options:
    """What the flags say, beside what every command has options of its own for. Raises WrongUseError."""
    poll, monitoring = flags.file_system_poll_wait_seconds, flags.monitoring_config_file
    return Options(
        host=host,
        port=ports[0],
        grpc_port=ports[1],
        poll_seconds=poll_seconds if poll is None else poll,
        config_seconds=flags.model_config_file_poll_wait_seconds,
        rest_threads=flags.rest_api_num_threads,
        rest_seconds=flags.rest_api_timeout_in_ms / 1000,
        grpc_threads=flags.grpc_max_threads,
        most_megabytes=flags.max_request_megabytes,
        cors=flags.rest_api_enable_cors_support,
        grpc_socket=flags.grpc_socket_path,
        grpc_arguments=flags.grpc_channel_arguments,
        grpc_health=flags.enable_grpc_healthcheck_service,
        tensor_content=flags.enable_serialization_as_tensor_content,
        any_labels=flags.allow_version_labels_for_unavailable_models,
        metrics_path=METRICS_PATH if monitoring is None else read_metrics_path(monitoring),
        tls=None if flags.ssl_config_file is None else read_tls(flags.ssl_config_file),
        load=LoadOptions(
            tags=tuple(tag for tag in flags.saved_model_tags.split(",") if tag),
            warm_up_times=max(1, flags.num_request_iterations_for_warmup) if flags.enable_model_warmup else 0,
            retries=flags.max_num_load_retries,
            retry_seconds=flags.load_retry_interval_micros / 1e6,
            intra_op_threads=flags.tensorflow_intra_op_parallelism or flags.tensorflow_session_parallelism,
            batching=_batching(flags),
        ),
    )


def _batching(flags: argparse.Namespace) -> BatchingParameters | None:
    if not flags.enable_batching:
        if flags.batching_parameters_file is not None:
            raise WrongUseError("--batching_parameters_file is given without --enable_batching.")
        return None
    file = flags.batching_parameters_file
    return BatchingParameters() if file is None else read_batching_parameters(file)


def parse(arguments: Sequence[str], command: str) -> argparse.Namespace:
    """The flags among the arguments of a command that has options of its own. Raises WrongUseError for others."""
    refuse_missing(arguments)
    parser = _Parser(prog=command, add_help=False, allow_abbrev=False)
    add_flags(parser)
    return parser.parse_args(list(arguments))


def refuse_missing(arguments: Sequence[str]) -> None:
    """Raises WrongUseError, with what there is instead, for a flag of TensorFlow Serving that this server has not."""
    for argument in arguments:
        name = argument.removeprefix("--").partition("=")[0]
        if argument.startswith("--") and name in _ELSEWHERE:
            raise WrongUseError(
                f"--{name} is a flag of TensorFlow Serving that this server has not: {_ELSEWHERE[name]}."
            )


class _Parser(argparse.ArgumentParser):
    """Says what is wrong by an error of ours."""

    def error(self, message: str) -> NoReturn:
        raise WrongUseError(f"{self.prog}: {message}.")


def _is_true(text: str) -> bool:
    if text.lower() in ("true", "1"):
        return True
    if text.lower() in ("false", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{text} is neither true nor false")


def _channel_arguments(text: str) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for pair in filter(None, text.split(",")):
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise argparse.ArgumentTypeError(f"{pair} is not NAME=VALUE")
        found[name] = int(value) if value.lstrip("-").isdigit() else value
    return found


_BOOLEAN: dict[str, Any] = {"nargs": "?", "const": True, "type": _is_true, "metavar": "true|false"}
