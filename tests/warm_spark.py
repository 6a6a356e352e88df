"""One warm Spark for the homes of many tests: their commands find it as they find one that an earlier command left.

A young Java takes half a minute of CPU for the first ingest of a home, one that has done some a few seconds. What
becomes of a home's own Spark is tested in `tests/lakehouse/storage`, on the running platform, and by the book.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

from lakehouse.storage import shared_spark
from lakehouse.storage.session import spark_session
from lakeloop.local_server import sole_server
from lakeloop.settings import PROJECT, load_settings
from lakeloop.use_case import UseCase
from tests.quick_java import FIRST_COMPILER

IDLE_SECONDS = 7200.0


class WarmSpark:
    """A process that keeps Spark for every home it is told of, as long as the process that uses it lives."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lakeloop-warm-spark-")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm_spark"],
            cwd=PROJECT, env={**os.environ, "LAKELOOP_HOME": self._folder.name, "JDK_JAVA_OPTIONS": FIRST_COMPILER},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        atexit.register(self._end)

    def serve(self, use_case: UseCase) -> None:
        """From now on the commands of this home work in it."""
        use_case.work_folder.mkdir(parents=True, exist_ok=True)
        assert self._process.stdin is not None and self._process.stdout is not None
        told = [str(use_case.work_folder.absolute()), shared_spark._key(use_case.settings)]
        print(json.dumps(told), file=self._process.stdin, flush=True)
        assert self._process.stdout.readline() == "served\n", "no Spark, or the home has one"

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()


@cache
def warm_spark() -> WarmSpark:
    """This process' own."""
    return WarmSpark()


def main() -> None:
    """Serve the homes that standard input names, until it ends."""
    spark = spark_session(load_settings())
    gateway: Any = spark.sparkContext._gateway
    try:
        for line in sys.stdin:
            folder, key = json.loads(line)
            threading.Thread(target=_keep, args=(Path(folder), gateway, key), daemon=True).start()
    finally:
        gateway.proc.kill()


def _keep(folder: Path, gateway: Any, key: str) -> None:
    with sole_server(folder, shared_spark.SERVER) as server:
        print("another serves" if server is None else "served", flush=True)
        if server is not None:
            shared_spark._serve(server, folder, gateway, key, IDLE_SECONDS)


if __name__ == "__main__":
    main()
