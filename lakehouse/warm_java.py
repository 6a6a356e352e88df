"""Keeps a Java process between commands: Spark in a young one spends ten seconds on what takes a warm one a second.

`keep` holds the process and lends it to one command at a time. A command makes its own Spark context in it and stops
it again, so nothing but Java's warmth is shared. A borrower that dies takes the Java process with it, as it would its
own; who finds it lent starts a process of its own. It ends by itself when nobody asks, and with its keeper.
"""

import json
import logging
import os
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway

from lakehouse.layout import work_folder
from lakehouse.session import check_java, java_writes_to_log, spark_options
from lakeloop.local_server import server_connection, sole_server
from lakeloop.settings import Settings

log = logging.getLogger(__name__)
MOST_LOANS = 50
"""What a borrower leaves behind in Java is little, and goes with the process after so many."""
_NAME, _DONE = "java", b"done\n"
_PORT, _SECRET = "PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET"
_START_SECONDS, _LOOK_SECONDS = 10.0, 0.1
_LONGEST = 1_000_000


@contextmanager
def borrowed_java(settings: Settings, start_keeper: Callable[[], None]) -> Iterator[bool]:
    """Within, a Spark session of this process uses the kept Java process; False where it starts its own.

    Where none is kept yet, `start_keeper()` is called, which starts a process that calls `keep`. Nothing is kept or
    borrowed unless `settings.spark_keep_seconds` says so, Spark runs in this machine's Java (`local`), and this
    process has no Java of its own yet.
    """
    wanted = settings.spark_keep_seconds and settings.spark_master.startswith("local")
    if not wanted or SparkContext._gateway is not None:
        yield False
        return
    with _connection(settings, start_keeper) as keeper:
        gateway = None if keeper is None else _ask(keeper, _key(settings))
        if keeper is None or gateway is None:
            yield False
            return
        os.environ.update({_PORT: str(gateway["port"]), _SECRET: gateway["secret"]})
        try:
            yield True
        finally:
            for name in (_PORT, _SECRET):
                os.environ.pop(name, None)
            # forgotten, so that the next session asks anew; closing it would wait for calls of a stream that ended
            SparkContext._gateway = SparkContext._jvm = None
            with suppress(OSError):
                keeper.sendall(_DONE)


def keep(settings: Settings) -> bool:
    """Lend a Java process until nobody has asked for `settings.spark_keep_seconds`; False: another keeper is there."""
    with sole_server(work_folder(settings), _NAME) as server:
        if server is None:
            return False
        check_java()
        conf = SparkConf(loadDefaults=False).setAll(list(spark_options(settings).items()))
        with java_writes_to_log(settings):
            gateway = launch_gateway(conf)
        try:
            _lend(server, gateway, _key(settings), settings.spark_keep_seconds)
        finally:
            gateway.proc.kill()
            gateway.proc.wait()
    return True


@dataclass
class _Loan:
    """Who has the Java process now, if anybody, and how often it was lent."""

    borrower: socket.socket | None = None
    count: int = 0
    ended: float = 0.0


def _lend(server: socket.socket, gateway: Any, key: str, idle_seconds: float) -> None:
    loan = _Loan(ended=time.monotonic())
    java: subprocess.Popen[bytes] = gateway.proc
    where = {
        "port": gateway.gateway_parameters.port,
        "secret": gateway.gateway_parameters.auth_token,
    }
    while loan.borrower is not None or (loan.count < MOST_LOANS and time.monotonic() - loan.ended < idle_seconds):
        waiting = [server] if loan.borrower is None else [server, loan.borrower]
        ready, _, _ = select.select(waiting, [], [], 1.0)
        if java.poll() is not None:
            return
        if loan.borrower is not None and loan.borrower in ready:
            if loan.borrower.recv(len(_DONE)) != _DONE:
                log.info("event=borrower_died loans=%d", loan.count)
                return  # and Java with it: what it was doing ends now
            loan.borrower.close()
            loan.borrower, loan.ended = None, time.monotonic()
        if server in ready:
            asker, _ = server.accept()
            request = _request(asker)
            fits = loan.borrower is None and request.get("key") == key
            with suppress(OSError):
                asker.sendall(json.dumps(where if fits else {}).encode() + b"\n")
            if fits:
                loan.borrower, loan.count = asker, loan.count + 1
                log.info("event=java_lent loans=%d", loan.count)
            else:
                asker.close()


def _request(asker: socket.socket) -> Mapping[str, str]:
    asker.settimeout(_START_SECONDS)
    try:
        return json.loads(asker.makefile("r", encoding="utf-8").readline() or "{}")
    except (OSError, ValueError):
        return {}
    finally:
        asker.settimeout(None)


@contextmanager
def _connection(settings: Settings, start_keeper: Callable[[], None]) -> Iterator[socket.socket | None]:
    folder = work_folder(settings)
    deadline, started = time.monotonic() + _START_SECONDS, False
    while True:
        with server_connection(folder, _NAME) as keeper:
            if keeper is not None or time.monotonic() > deadline:
                yield keeper
                return
        if not started:
            start_keeper()
            started = True
        time.sleep(_LOOK_SECONDS)


def _ask(keeper: socket.socket, key: str) -> Mapping[str, Any] | None:
    """Where the Java process listens; None if it is lent to another, or was started with other options."""
    try:
        keeper.sendall(json.dumps({"key": key}).encode() + b"\n")
        return json.loads(keeper.makefile("r", encoding="utf-8").readline() or "{}") or None
    except (OSError, ValueError):
        return None


def _key(settings: Settings) -> str:
    """What a Java process is started with and cannot change: the options, and which Java."""
    return json.dumps([sorted(spark_options(settings).items()), os.environ.get("JAVA_HOME", "")])
