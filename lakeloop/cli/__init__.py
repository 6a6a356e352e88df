"""The command line `lakeloop`: thin wrappers that parse, call one function and print what it gave."""

import os
import sys

# TensorFlow and friends read these when they are first imported, which happens inside the commands.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("GLOG_minloglevel", "1")  # ML Metadata: each PostgreSQL connection would be announced
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("DO_NOT_TRACK", "1")


def main() -> None:
    """Run a command; expected errors end as one text on standard error and their exit code, never as a traceback."""
    try:
        from lakeloop.cli.app import application, asked_for
        from lakeloop.cli.failures import explain, reader_is_gone, tell_other_threads_failures

        tell_other_threads_failures()
        try:
            application(asked_for(sys.argv[1:]))(prog_name="lakeloop")
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
