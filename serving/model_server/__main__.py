"""Command line of the model server alone: `python -m serving.model_server --model NAME=BASE_PATH`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from lakeloop.exceptions import LakeloopError, WrongUseError
from serving.model_server import server
from serving.model_server.flags import add_flags, options_of, ports_of, refuse_missing
from serving.model_server.model_config import ModelConfig, newest_of, read_config


def main(arguments: list[str] | None = None) -> int:
    """Runs the server; returns the exit code (0 stopped, 1 failed, 2 wrong use)."""
    parser = argparse.ArgumentParser(
        prog="model_server",
        description="Serves models over TensorFlow Serving's REST and gRPC APIs.",
        allow_abbrev=False,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", action="append", metavar="NAME=BASE_PATH", help="may be repeated")
    which.add_argument("--model-config", type=Path, metavar="FILE", help="as --model_config_file")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--port", type=int, help="REST port, 8501 by default; 0 takes any free one; beside --rest_api_port gRPC's port"
    )
    parser.add_argument("--grpc-port", type=int, help="gRPC port, 8500 by default; 0 takes any free one")
    parser.add_argument("--poll-seconds", type=float, default=1.0, help="how often to look for new versions")
    add_flags(parser)
    given = sys.argv[1:] if arguments is None else arguments
    logging.basicConfig(level=logging.INFO, format="%(asctime)s level=%(levelname)s logger=%(name)s %(message)s")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # a row of a small network takes a third less without, and the sums are those of training, which has it off too
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    # TensorFlow loads Keras if it finds it; a server runs graphs, and starts a third sooner without
    sys.modules.setdefault("keras", None)  # type: ignore[arg-type]
    try:
        refuse_missing(given)
        flags = parser.parse_args(given)
        options = options_of(
            flags, flags.host, ports_of(flags, flags.port, flags.grpc_port, (8501, 8500)), flags.poll_seconds
        )
        server.serve(_models(flags), options, _announce, flags.model_config or flags.model_config_file)
    except LakeloopError as exc:
        sys.stderr.write(f"{exc}\n")
        return exc.exit_code
    return 0


def _models(flags: argparse.Namespace) -> dict[str, ModelConfig]:
    file = flags.model_config or flags.model_config_file
    if file is not None:
        return read_config(file)
    models: dict[str, Path] = {} if flags.model_base_path is None else {flags.model_name: flags.model_base_path}
    for pair in flags.model or ():
        name, equals, path = pair.partition("=")
        if not (name and equals and path):
            raise WrongUseError(f"--model {pair}: expected NAME=BASE_PATH, such as --model demo=var/models/demo.")
        models[name] = Path(path)
    if not models:
        raise WrongUseError("Say what to serve: --model NAME=BASE_PATH or --model_config_file FILE.")
    return newest_of(models)


def _announce(ports: server.Ports) -> None:
    shown = f"[{ports.host}]" if ":" in ports.host else ports.host
    sys.stdout.write(f"listening url=http://{shown}:{ports.rest} grpc={shown}:{ports.grpc}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
