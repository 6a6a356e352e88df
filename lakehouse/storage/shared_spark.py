"""One warm Spark for the commands of a home: a young Java process spends ten seconds on what takes a warm one a second.

`keep` starts Spark and lets any number of commands work in it at the same time, each in a session of its own: options
and commit notes are a session's; compiled code, what Delta knows of the tables, and the memory are everybody's. If the
only command at work dies, Java dies with it, so that nobody goes on writing for it; where others are at work, Delta
ends the one statement that runs, as a whole or not at all. Spark ends when nobody asks, and with its keeper or home.
"""

import json
import logging
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from lakehouse.storage.java import check_java
from lakehouse.storage.session import prepare_python, spark_options, spark_session
from lakeloop.local_server import END, server_connection, sole_server
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)
SERVER = "java"
"""The name of a home's socket, as `local_server` uses it."""
MOST_COMMANDS = 100
"""What a command leaves behind in Java is little, and goes with the process after so many."""
StartKeeper = Callable[[], "subprocess.Popen[bytes] | None"]
_DONE = b"done\n"
_PORT, _SECRET = "PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET"
_START_SECONDS, _LOOK_SECONDS, _ASK_SECONDS = 600.0, 0.1, 5.0


@contextmanager
def shared_spark(use_case: UseCase, start_keeper: StartKeeper) -> Iterator[SparkSession | None]:
    """A session of its own in the home's warm Spark; None where the caller is to start its own Spark.

    Where none is kept yet, `start_keeper()` is called, which starts a process that calls `keep`. Nothing is shared
    unless `settings.spark_keep_seconds` says so, Spark runs in this machine's Java (`local`), and this process has no
    Java of its own yet.

    Raises:
        MissingToolError: Java is missing or of a version Spark does not run on.
    """
    wanted = use_case.settings.spark_keep_seconds and use_case.settings.spark_master.startswith("local")
    if not wanted or SparkContext._gateway is not None:
        yield None
        return
    check_java()  # here, where it is told: what a keeper says is in its log
    with ExitStack() as connected:
        keeper = connected.enter_context(_connection(use_case.work_folder, start_keeper))
        gateway = None if keeper is None else _ask(keeper, _key(use_case.settings))
        if keeper is None or gateway is None:
            connected.close()
            yield None
            return
        spark = _join(gateway)
        try:
            yield spark
        except KeyboardInterrupt:  # Java is still at what was interrupted: to its keeper that is a death
            connected.close()
            raise
        finally:
            _leave(spark)
            with suppress(OSError):
                keeper.sendall(_DONE)


def keep(use_case: UseCase) -> bool:
    """Keep Spark until nobody has asked for `settings.spark_keep_seconds`; False: it is kept by another process."""
    folder = use_case.work_folder
    with sole_server(folder, SERVER) as server, tempfile.TemporaryDirectory(prefix="lakeloop-java-") as scratch:
        if server is None:
            return False
        spark = spark_session(use_case.settings, scratch)  # killed, Java would leave it behind
        gateway = spark.sparkContext._gateway
        assert gateway is not None
        java: subprocess.Popen[bytes] = gateway.proc
        try:
            if _serve(server, folder, gateway, _key(use_case.settings), use_case.settings.spark_keep_seconds):
                spark.stop()
        finally:
            java.kill()
            java.wait()
    return True


def _serve(server: socket.socket, folder: Path, gateway: Any, key: str, idle_seconds: float) -> bool:
    """Until nobody asks any more; False where Java is not to do anything any more, not even to tidy up."""
    address = folder / f"{SERVER}.sock"
    commands: dict[socket.socket, Any] = {}  # each with its own door into Java: what it held there goes with the door
    count, last_use = 0, time.monotonic()
    while commands or (count < MOST_COMMANDS and time.monotonic() - last_use < idle_seconds):
        ready, _, _ = select.select([server, *commands], [], [], 1.0)
        if gateway.proc.poll() is not None or not address.exists():  # the home was deleted
            return False
        for command in [c for c in commands if c in ready]:
            door = commands.pop(command)
            last_use = time.monotonic()
            if not _is_done(command):
                log.info("event=command_died others=%d", len(commands))
                if not commands:
                    return False
            door.shutdown()
        if server in ready:
            asker, _ = server.accept()
            request = _request(asker)
            if request == END:
                count = MOST_COMMANDS
            if request.get("key") != key or count >= MOST_COMMANDS:
                asker.close()
                continue
            door = _open_door(gateway)
            where = {"port": door.getListeningPort(), "secret": door.secret()}
            try:
                asker.sendall(json.dumps(where).encode() + b"\n")
            except OSError:  # it did not wait for Spark to start
                door.shutdown()
                asker.close()
                continue
            commands[asker] = door
            count, last_use = count + 1, time.monotonic()
            log.info("event=command_joined commands=%d others=%d", count, len(commands) - 1)
    return True


def _open_door(gateway: Any) -> Any:
    """One more server of the kind PySpark itself joins; calls back into Python go to the command that joined it."""
    spark = gateway.jvm.org.apache.spark
    door = spark.api.python.Py4JServer(spark.SparkContext.getOrCreate().conf())
    door.start()
    return door


def _is_done(command: socket.socket) -> bool:
    """Whether a command that says something says that it is done."""
    with command:
        try:
            return command.recv(len(_DONE)) == _DONE
        except OSError:
            return False


def _request(asker: socket.socket) -> Mapping[str, Any]:
    asker.settimeout(_ASK_SECONDS)
    try:
        return json.loads(asker.makefile("r", encoding="utf-8").readline() or "{}")
    except (OSError, ValueError):
        return {}
    finally:
        asker.settimeout(None)


@contextmanager
def _connection(folder: Path, start_keeper: StartKeeper) -> Iterator[socket.socket | None]:
    """A connection to the home's keeper, which is started where there is none; None where that did not succeed."""
    deadline, started, keeper = time.monotonic() + _START_SECONDS, False, None
    while True:
        ended = keeper is not None and keeper.poll() is not None
        with server_connection(folder, SERVER) as connection:
            if connection is not None or ended or time.monotonic() > deadline:
                yield connection
                return
        if not started:
            keeper, started = start_keeper(), True
        time.sleep(_LOOK_SECONDS)


def _ask(keeper: socket.socket, key: str) -> Mapping[str, Any] | None:
    """Where Java listens, as soon as Spark is there; None if it was started with other options, or is ending."""
    try:
        keeper.settimeout(_START_SECONDS)
        keeper.sendall(json.dumps({"key": key}).encode() + b"\n")
        return json.loads(keeper.makefile("r", encoding="utf-8").readline() or "{}") or None
    except (OSError, ValueError):
        return None


def _join(where: Mapping[str, Any]) -> SparkSession:
    """A new session of the Spark that runs in the Java process which listens there."""
    os.environ.update({_PORT: str(where["port"]), _SECRET: where["secret"]})
    try:
        gateway = launch_gateway()
    finally:
        for name in (_PORT, _SECRET):
            os.environ.pop(name, None)
    prepare_python()
    apache = gateway.jvm.org.apache.spark
    kept = apache.api.java.JavaSparkContext.fromSparkContext(apache.SparkContext.getOrCreate())
    on_interrupt = signal.getsignal(signal.SIGINT)
    context = SparkContext(gateway=gateway, jsc=kept, conf=SparkConf(_jconf=kept.getConf()))
    with suppress(ValueError):  # not the main thread; there PySpark's own would cancel the jobs of every command
        signal.signal(signal.SIGINT, on_interrupt)
    return SparkSession(context).newSession()


def _leave(spark: SparkSession) -> None:
    """Forget the shared Spark, so that the next session of this process asks anew; it goes on for the others."""
    context = spark.sparkContext
    context._jsc = None  # type: ignore[assignment]  # so that `stop` ends only what is this process's own
    context.stop()
    SparkSession._instantiatedSession = SparkSession._activeSession = None
    # closing the gateway would wait for calls of a stream that ended
    SparkContext._gateway = SparkContext._jvm = None


def _key(settings: Settings) -> str:
    """What Spark is started with and cannot change: the options, and which Java."""
    return json.dumps([sorted(spark_options(settings).items()), os.environ.get("JAVA_HOME", "")])
