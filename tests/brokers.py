"""A real Kafka broker of a test's own, which can be killed and started again."""

import base64
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lakehouse.storage.java import java_command
from lakeloop.exceptions import BrokenError
from lakeloop.request_topic import RequestTopic
from lakeloop.settings import PROJECT
from lakeloop.topic_client import TopicReader
from tests.ports import free_port
from tests.waiting import eventually

KAFKA = PROJECT / ".tools" / "kafka"
JARS = KAFKA / "broker"
needs_broker = pytest.mark.skipif(not (KAFKA / ".fetched").is_file(), reason="`make kafka` fetches a broker from Maven")


class Broker:
    """One broker, which is its own controller; what it has lies in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        controller = free_port()
        (folder / "server.properties").write_text(
            f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
log.dirs={folder / "data"}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.check.interval.ms=500
"""
        )
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", "server.properties").wait(60)

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = self._java("kafka.Kafka", "server.properties")
        eventually(self._answers, seconds=120)

    def kill(self) -> None:
        """End it as a machine does that loses its power."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self.kill()

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, (self._folder / "log").read_text()
        try:
            with TopicReader(RequestTopic(self.servers, "none")) as reader:
                return reader.spans(1.0) == {}
        except BrokenError:
            return False

    def _java(self, *arguments: str) -> "subprocess.Popen[bytes]":
        command = [java_command(), "-Xmx256m", "-XX:+UseSerialGC", "-cp", f"{JARS}/*", *arguments]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log, start_new_session=True)


@contextmanager
def running_broker(folder: Path) -> Iterator[Broker]:
    """A broker that answers; it is gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    broker = Broker(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
