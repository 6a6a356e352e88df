"""Keeps a Java process between commands: Spark in a young one spends ten seconds on what takes a warm one a second.

`keep` holds the process and lends it to one command at a time. A command makes its own Spark context in it and stops
it again, so nothing but Java's warmth is shared. A borrower that dies takes the Java process with it, as it would its
own. Who finds it lent waits a while, since two Sparks at once are slower than one after the other, and then starts a
process of its own. It ends by itself when nobody asks, and with its keeper.
"""

import json
import logging
import os
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
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
WAIT_SECONDS = 60.0
_NAME, _DONE = "java", b"done\n"
_PORT, _SECRET = "PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET"
_START_SECONDS, _LOOK_SECONDS = 20.0, 0.1


@contextmanager
def borrowed_java(
    settings: Settings, start_keeper: Callable[[], None], wait_seconds: float = WAIT_SECONDS
) -> Iterator[bool]:
    """Within, a Spark session of this process uses the kept Java process; False where it starts its own.

    Where none is kept yet, `start_keeper()` is called, which starts a process that calls `keep`. Nothing is kept or
    borrowed unless `settings.spark_keep_seconds` says so, Spark runs in this machine's Java (`local`), and this
    process has no Java of its own yet.

    Raises:
        MissingTool: Java is missing or of a version Spark does not run on.
    """
    wanted = settings.spark_keep_seconds and settings.spark_master.startswith("local")
    if not wanted or SparkContext._gateway is not None:
        yield False
        return
    check_java()  # here, where it is told: what a keeper says is in its log
    with ExitStack() as connected:
        keeper = connected.enter_context(_connection(settings, start_keeper))
        gateway = None if keeper is None else _ask(keeper, _key(settings), wait_seconds)
        if keeper is None or gateway is None:
            connected.close()  # or it would be lent to somebody who does not wait any more
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
    """Who has the Java process now, if anybody, who waits for it, and how often it was lent."""

    borrower: socket.socket | None = None
    waiting: list[socket.socket] = field(default_factory=list)
    count: int = 0
    ended: float = 0.0


def _lend(server: socket.socket, gateway: Any, key: str, idle_seconds: float) -> None:
    loan = _Loan(ended=time.monotonic())
    java: subprocess.Popen[bytes] = gateway.proc
    at = gateway.gateway_parameters
    where = json.dumps({"port": at.port, "secret": at.auth_token}).encode() + b"\n"
    while loan.borrower or (loan.count < MOST_LOANS and time.monotonic() - loan.ended < idle_seconds):
        ready, _, _ = select.select([server, *loan.waiting, *([loan.borrower] if loan.borrower else [])], [], [], 1.0)
        if java.poll() is not None:
            return
        if loan.borrower in ready:
            if not _brought_back(loan.borrower):
                log.info("event=borrower_died loans=%d", loan.count)
                return  # and Java with it: what it was doing ends now
            loan.borrower, loan.ended = None, time.monotonic()
        for gone in [asker for asker in loan.waiting if asker in ready]:  # an asker says nothing while it waits
            loan.waiting.remove(gone)
            gone.close()
        if server in ready:
            asker, _ = server.accept()
            if _request(asker).get("key") == key:
                loan.waiting.append(asker)
            else:
                asker.close()
        if loan.borrower is None and loan.waiting:
            loan.borrower, loan.count = loan.waiting.pop(0), loan.count + 1
            with suppress(OSError):
                loan.borrower.sendall(where)
            log.info("event=java_lent loans=%d", loan.count)


def _brought_back(borrower: socket.socket | None) -> bool:
    """Whether a borrower that says something says that it is done."""
    if borrower is None:
        return False
    with borrower:
        try:
            return borrower.recv(len(_DONE)) == _DONE
        except OSError:
            return False


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


def _ask(keeper: socket.socket, key: str, wait_seconds: float) -> Mapping[str, Any] | None:
    """Where the Java process listens; None if another has it for long, or it was started with other options."""
    try:
        keeper.settimeout(wait_seconds)
        keeper.sendall(json.dumps({"key": key}).encode() + b"\n")
        return json.loads(keeper.makefile("r", encoding="utf-8").readline() or "{}") or None
    except (OSError, ValueError):
        return None


def _key(settings: Settings) -> str:
    """What a Java process is started with and cannot change: the options, and which Java."""
    return json.dumps([sorted(spark_options(settings).items()), os.environ.get("JAVA_HOME", "")])
