"""From gateways that are killed, doubled or out of disk to silver: every request is there, and once."""

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.lake import lake_with
from lakehouse.requests.stream import stream
from lakeloop.request_log_files import request_log_folder
from lakeloop.settings import PROJECT, Settings, load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.simulation import simulate, without_gateway
from serving.gateway.process import RunningGateway, running_gateway
from tests.lakes import own_lake
from tests.serving.gateway.conftest import NOWHERE, body
from tests.small_disk import may_mount
from tests.waiting import eventually

pytestmark = pytest.mark.long

LOST_WINDOW = 1.0
"""Seconds before a kill whose answers may be lost, as documented."""
FULL_DISK = """
set -u
mkdir -p lake && mount -t tmpfs -o size=48m tmpfs lake
stream() { "$PYTHON" -c 'from console.cli import main; main()' lake stream >>"$1" 2>&1; echo $? >>"$1"; }
stream first
mv held/* "$LOG"
cat /dev/zero >lake/filler 2>/dev/null
stream full
truncate -s -"$ROOM" lake/filler
stream fuller
rm lake/filler
stream after
cp -a lake saved
"""


class Client:
    """Asks under ids of its own and remembers which were answered when, as one that sends again what it must."""

    def __init__(self) -> None:
        self.answered: dict[str, float] = {}
        self.sent: set[str] = set()
        self._numbers = itertools.count()

    def ask(self, url: str, ids: list[str]) -> None:
        """Ask under these ids, once each."""
        with httpx.Client(base_url=url, timeout=60) as session:
            for request_id in ids:
                self.sent.add(request_id)
                assert session.post("/predict/", json=body(request_id=request_id)).status_code == 200
                self.answered[request_id] = time.monotonic()

    def ask_until_killed(self, gateway: RunningGateway, reached: Callable[[], bool]) -> float:
        """Ask without pause from four threads; kill the gateway when `reached`. Gives the time of the kill."""

        def ask() -> None:
            while True:
                try:
                    self.ask(gateway.url, [f"q-{next(self._numbers)}" for _ in range(50)])
                except httpx.HTTPError:
                    return

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        eventually(reached)
        killed = time.monotonic()
        gateway.process.kill()
        for thread in threads:
            thread.join()
        return killed


def test_requests_through_killed_and_doubled_gateways_are_in_silver_once(spark: SparkSession, tmp_path: Path) -> None:
    lake = own_lake(spark, tmp_path)
    settings: Settings = lake.settings.model_copy(update={"model_server_url": NOWHERE})
    log, client = request_log_folder(open_use_case(settings)), Client()

    def finished() -> int:
        return len(list(log.glob("*.jsonl")))

    def enough(count: int) -> Callable[[], bool]:
        before = len(client.answered)
        return lambda: len(client.answered) > before + count

    phases: list[Callable[[], Callable[[], bool]]] = [
        lambda: lambda: any(log.glob("*.part")),  # its first lines are being written
        lambda: partial(is_above, finished, finished() + 1),  # a file was just renamed
        lambda: enough(1000),  # at any moment
    ]
    again: list[str] = []
    for phase in phases:
        with running_gateway(settings) as gateway:
            client.ask(gateway.url, again)
            killed = client.ask_until_killed(gateway, phase())
        stream(lake_with(UseCase(settings, lake.contract), spark))
        # What was not answered, or so late that its line may be lost, is sent again: to a gateway that may know it.
        again = [i for i in client.sent if client.answered.get(i, killed) > killed - LOST_WINDOW]
        assert again
    doubled = [f"both-{number}" for number in range(300)]
    with running_gateway(settings) as first, running_gateway(settings) as second, ThreadPoolExecutor(2) as pool:
        client.ask(first.url, again)
        list(pool.map(lambda url: client.ask(url, doubled), [first.url, second.url]))
    report = stream(lake_with(UseCase(settings, lake.contract), spark))
    assert report.repeated >= len(doubled)
    ids = lake.rows("silver/predictions")["request_id"]
    assert ids.is_unique and set(ids) == client.sent
    assert not Path(lake.table("silver/rejects")).exists()


def is_above(count: Callable[[], int], bound: int) -> bool:
    return count() > bound


def test_a_full_disk_is_one_sentence_and_loses_and_doubles_nothing(tmp_path: Path) -> None:
    if not may_mount():
        pytest.skip("no disk may be mounted here; it needs user namespaces or root")
    settings = load_settings(home=tmp_path, use_case="insurance")
    contract = open_use_case(settings).contract
    log, held = request_log_folder(open_use_case(settings)), tmp_path / "held"
    simulate(UseCase(settings, contract), [1, 2], without_gateway(UseCase(settings, contract), "a"), label="a")
    held.mkdir()
    newer = sorted(log.glob("*.jsonl"))[1:]
    assert newer
    for path in newer:
        path.rename(held / path.name)
    environment = {"PYTHON": sys.executable, "LOG": str(log), "ROOM": "60K", "PYTHONPATH": str(PROJECT)}
    environment |= {"LAKELOOP_HOME": str(tmp_path), "LAKELOOP_SPARK_KEEP_SECONDS": "60"}
    run_in_own_mounts(tmp_path, environment)
    told = {name: (tmp_path / name).read_text().split() for name in ("first", "full", "fuller", "after")}
    assert {name: words[-1] for name, words in told.items()} == {"first": "0", "full": "1", "fuller": "1", "after": "0"}
    for name in ("full", "fuller"):
        sentence = " ".join(told[name])
        assert "the disk is full" in sentence and "Free some space and run it again" in sentence
        assert "Traceback" not in sentence and len(told[name]) < 60, sentence
    silver = DeltaTable(tmp_path / "saved/silver/insurance/predictions").to_pandas()
    assert (len(silver), silver["request_id"].nunique()) == (3000, 3000)
    bronze = DeltaTable(tmp_path / "saved/bronze/insurance/requests").to_pandas()
    assert len(bronze) == 3000 and not bronze.duplicated(["_source_file", "_line"]).any()


def run_in_own_mounts(home: Path, environment: dict[str, str]) -> None:
    """The story of a full disk; its disk is there for this process alone and gone with it."""
    command = ["unshare", "-rm", "bash", "-c", FULL_DISK]
    done = subprocess.run(command, cwd=home, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
