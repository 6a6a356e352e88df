"""The gateway alone, its settings from the environment: `python -m serving.gateway --port 0`."""

import argparse
import logging
import sys

from lakeloop.exceptions import LakeloopError
from lakeloop.live_use_cases import LiveUseCases
from lakeloop.settings import load_settings
from serving.gateway.server import serve


def main(arguments: list[str] | None = None) -> int:
    """Run the gateway; returns the exit code (0 stopped, 1 failed, 2 wrong use)."""
    parser = argparse.ArgumentParser(prog="gateway", description="Answers requests: model or rules.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=None, help="default: LAKELOOP_GATEWAY_PORT or 8000; 0: a free one")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s level=%(levelname)s logger=%(name)s %(message)s")
    try:
        settings = load_settings()
        port = settings.gateway_port if options.port is None else options.port
        serve(LiveUseCases(settings), options.host, port, _announce)
    except LakeloopError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _announce(host: str, port: int) -> None:
    sys.stdout.write(f"listening url=http://{f'[{host}]' if ':' in host else host}:{port}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
