"""The command line `lakeloop`: thin wrappers that parse, call one function and print what it gave."""

import os
import sys

LIBRARIES = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GLOG_minloglevel": "1",  # ML Metadata: each PostgreSQL connection would be announced
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "DO_NOT_TRACK": "1",
}
"""What TensorFlow and friends read in the environment, when they are imported or when they first work."""


def tell_libraries() -> None:
    """Put it into this process's environment, where somebody did not say otherwise."""
    for name, value in LIBRARIES.items():
        os.environ.setdefault(name, value)


tell_libraries()  # commands import those libraries


def main() -> None:
    """Run a command; expected errors end as one text on standard error and their exit code, never as a traceback."""
    try:
        tell_libraries()  # a fork of the warm server has another environment than was there at the import
        from console.cli.app import app  # noqa: PLC0415 - the environment comes first
        from console.cli.failures import (  # noqa: PLC0415 - as above
            explain,
            reader_is_gone,
            tell_other_threads_failures,
        )

        tell_other_threads_failures()
        try:
            app(prog_name="lakeloop")
        except BrokenPipeError:
            reader_is_gone()
            sys.exit(1)
        except Exception as error:  # noqa: BLE001 - the one place where anything may arrive
            text, code = explain(error)
            print(f"lakeloop: {text}", file=sys.stderr)
            sys.exit(code)
    except KeyboardInterrupt:  # before the command began, or while its failure was told
        print("lakeloop: interrupted", file=sys.stderr)
        sys.exit(1)
