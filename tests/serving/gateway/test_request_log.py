"""The request log: whole lines in finished files, whatever happens to the disk, the folder or the process."""

import json
import resource
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lakeloop.request_log_files import open_file, request_log_folder
from lakeloop.request_record import RequestRecord
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from serving.gateway import request_log, waiting_lines
from serving.gateway.log_files import finish_dead_writers, new_writer, newest_records
from serving.gateway.process import RunningGateway
from serving.gateway.recent_answers import RecentAnswers
from serving.gateway.request_log import RequestLog
from serving.model_server.process import RunningServer
from tests.serving.gateway.conftest import body, logged
from tests.waiting import eventually
from tests.warm_programs import running_gateway


def line(number: int, padding: str = "") -> bytes:
    return json.dumps({"request_id": str(number), "padding": padding}).encode() + b"\n"


def numbers(folder: Path, pattern: str = "*.jsonl") -> list[int]:
    """The request ids in the files' order; a torn line fails the test."""
    texts = [path.read_text() for path in sorted(folder.glob(pattern))]
    assert all(text.endswith("\n") for text in texts)
    return [int(json.loads(each)["request_id"]) for text in texts for each in text.splitlines()]


@pytest.fixture
def failures() -> list[float]:
    return []


@pytest.fixture
def log(tmp_path: Path, failures: list[float]) -> Iterator[RequestLog]:
    started = RequestLog(tmp_path / "log", lambda: failures.append(time.monotonic()))
    started.start()
    yield started
    started.stop()


def test_lines_are_there_at_once_and_in_a_finished_file_later(
    log: RequestLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "ROTATE_SECONDS", 3600.0)
    log.add(line(1))
    eventually(lambda: [path for path in (tmp_path / "log").glob("*.part") if path.stat().st_size])
    assert numbers(tmp_path / "log", "*.part") == [1]
    monkeypatch.undo()
    eventually(lambda: numbers(tmp_path / "log") == [1])
    for number in (2, 3):
        log.add(line(number))
    log.stop()
    assert numbers(tmp_path / "log") == [1, 2, 3] and log.pending == 0
    assert {path.suffix for path in (tmp_path / "log").iterdir()} == {".jsonl"}  # neither .part nor lock


def test_a_large_file_is_rotated_before_its_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "ROTATE_BYTES", 1000)
    monkeypatch.setattr(request_log, "_AT_A_TIME", 10)
    log = RequestLog(tmp_path)
    for number in range(100):
        log.add(line(number, "x" * 100))
    log.start()
    log.stop()
    assert numbers(tmp_path) == list(range(100)) and len(list(tmp_path.glob("*.jsonl"))) == 10


def test_an_idle_log_makes_no_files(log: RequestLog, tmp_path: Path) -> None:
    time.sleep(1.3)
    log.stop()
    assert not (tmp_path / "log").exists()


def test_names_sort_by_time(tmp_path: Path) -> None:
    first = new_writer()
    time.sleep(0.001)
    names = [open_file(tmp_path, first, 9), open_file(tmp_path, first, 10), open_file(tmp_path, new_writer(), 1)]
    assert sorted(names) == names


def test_a_folder_that_cannot_be_made_raises_the_alarm_and_heals(
    log: RequestLog, tmp_path: Path, failures: list[float]
) -> None:
    (tmp_path / "log").write_text("a file where the folder should be")
    for number in range(5):
        log.add(line(number))
    eventually(lambda: len(failures) >= 2)
    assert "log" in log.problem and log.pending == 5 and log.lag_seconds > 0.5
    (tmp_path / "log").unlink()
    eventually(lambda: numbers(tmp_path / "log") == list(range(5)))
    eventually(lambda: log.problem == "" and log.pending == 0 and log.lag_seconds == 0)


def test_a_folder_that_is_removed_while_it_is_written_costs_nothing_unfinished(log: RequestLog, tmp_path: Path) -> None:
    log.add(line(1))
    part = eventually(lambda: list((tmp_path / "log").glob("*.part")))[0]
    for path in (part, *(tmp_path / "log").glob(".*")):
        path.unlink()
    (tmp_path / "log").rmdir()
    log.add(line(2))
    eventually(lambda: (tmp_path / "log").exists() and sorted(numbers(tmp_path / "log")) == [1, 2])


def test_what_a_refusing_disk_keeps_waiting_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_lines, "MOST_WAITING", 10)
    log = RequestLog(tmp_path)
    for number in range(13):
        log.add(line(number))
    assert log.pending == 10 and log.lost == 3


def test_long_lines_that_wait_are_bounded_by_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_lines, "MOST_WAITING_BYTES", 10_000)
    log = RequestLog(tmp_path)
    for number in range(13):
        log.add(line(number, "x" * 1_960)[:2_000])
    assert log.pending == 5 and log.lost == 8
    log.start()
    eventually(lambda: log.pending == 0)
    for number in range(13, 16):
        log.add(line(number))
    log.stop()
    assert numbers(tmp_path)[-3:] == [13, 14, 15], "what was written makes room again"


def test_dead_writers_are_finished_without_their_torn_line_and_living_ones_left_alone(
    log: RequestLog, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    log.add(line(1))
    eventually(lambda: list(folder.glob("*.part")))
    dead = new_writer()
    open_file(folder, dead, 1).write_bytes(line(2) + line(3) + line(4)[:-5])
    open_file(folder, dead, 2).write_bytes(b'{"request_id": "5')
    (folder / f".{dead}.lock").touch()
    made = finish_dead_writers(folder)
    assert [path.name for path in made] == [f"{dead}-00000001.jsonl"]
    assert made[0].read_bytes() == line(2) + line(3)
    assert not list(folder.glob(f"*{dead}*.part")) and not (folder / f".{dead}.lock").exists()
    assert finish_dead_writers(folder) == []
    log.stop()
    assert sorted(numbers(folder)) == [1, 2, 3]


def test_the_newest_records_are_read_back(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{new_writer()}-00000001.jsonl").write_bytes(line(2 * number) + line(2 * number + 1))
    (tmp_path / "zz.jsonl").write_bytes(b"not json\n[1]\n")
    assert [record["request_id"] for record in newest_records(tmp_path, 3, 100)] == ["7", "8", "9"]
    assert [record["request_id"] for record in newest_records(tmp_path, 100, 2)] == ["8", "9"]


def test_long_answers_are_forgotten_earlier() -> None:
    kept = RecentAnswers(most=10, most_bytes=1_000)
    for number in range(20):
        kept.keep(str(number), b"short")
    assert len(kept) == 10
    for number in range(20, 24):
        kept.keep(str(number), b"x" * 300)
    assert len(kept) == 3
    kept.keep("23", b"short")  # the same id once more takes the place of its first answer
    kept.keep("24", b"x" * 300)
    assert len(kept) == 4


def test_a_hundred_thousand_answers_take_eighty_megabytes_kept_waiting_for_a_disk_and_read_back(
    use_case: UseCase, model_server: RunningServer
) -> None:
    settings = use_case.settings.model_copy(update={"model_server_url": model_server.url})

    def megabytes(gateway: RunningGateway) -> float:
        status = Path(f"/proc/{gateway.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def ask(client: httpx.Client, rows: int) -> None:
        asked = {"requests": [body(key=f"2023-01-{number:04}") for number in range(rows)]}
        assert client.post("/predict/batch", json=asked).status_code == 200

    folder = request_log_folder(use_case)
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    with running_gateway(settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        ask(client, 1_000)
        fresh = megabytes(gateway)
        for _ in range(99):
            ask(client, 1_000)
        health = client.get("/health").json()
        assert health["answers_kept"] == health["request_log"]["pending"] == 100_000
        assert megabytes(gateway) - fresh < 2 * 80, "the answers, and the lines that wait"
        folder.unlink()
        eventually(lambda: client.get("/health").json()["request_log"]["pending"] == 0)
    with running_gateway(settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        assert client.get("/health").json()["answers_kept"] == 100_000
        assert megabytes(gateway) - fresh < 80


def test_the_same_request_again_gets_the_same_answer_and_is_logged_once(
    client: httpx.Client, shared_settings: Settings
) -> None:
    request = body(request_id=str(uuid.uuid4()))
    first = client.post("/predict/", json=request).text
    other = body(request_id=request["request_id"], power=300)
    assert client.post("/predict/", json=other).text == first
    twice = client.post("/predict/batch", json={"requests": [request, body(), other]}).json()["answers"]
    assert twice[0] == twice[2] == json.loads(first)
    inside = body(request_id=str(uuid.uuid4()))
    told = client.post("/predict/batch", json={"requests": [inside, inside]}).json()["answers"]
    assert told[0] == told[1]
    last = client.post("/predict/", json=body()).json()["request_id"]
    records = eventually(lambda: (r := logged(open_use_case(shared_settings))) and r[-1]["request_id"] == last and r)
    for request_id in (request["request_id"], inside["request_id"]):
        assert sum(record["request_id"] == request_id for record in records) == 1


def test_the_same_request_at_the_same_time_is_answered_once(gateway: Any, shared_settings: Settings) -> None:
    request = body(request_id=str(uuid.uuid4()))
    told: list[str] = []

    def ask() -> None:
        told.append(httpx.post(f"{gateway.url}/predict/", json=request, timeout=60).text)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 12 and len(set(told)) == 1
    same = eventually(
        lambda: [r for r in logged(open_use_case(shared_settings)) if r["request_id"] == request["request_id"]]
    )
    assert len(same) == 1


def test_every_line_is_a_request_record(client: httpx.Client, shared_settings: Settings) -> None:
    answer = client.post("/predict/", json=body(age=9)).json()
    eventually(
        lambda: any(record["request_id"] == answer["request_id"] for record in logged(open_use_case(shared_settings)))
    )
    records = [RequestRecord.model_validate(record) for record in logged(open_use_case(shared_settings))]
    same = next(record for record in records if record.request_id == answer["request_id"])
    assert same.reason == answer["reason"] and same.probabilities is None and same.latency_ms > 0


class Asking:
    """Clients that ask without pause and remember what was answered when."""

    def __init__(self, url: str, clients: int = 4) -> None:
        self.answered: dict[str, float] = {}
        self._url = url
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._ending.is_set():
                try:
                    told = client.post("/predict/", json=body())
                except httpx.HTTPError:
                    return
                assert told.status_code == 200
                self.answered[told.json()["request_id"]] = time.monotonic()

    def end(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()


def test_kill_9_under_load_loses_at_most_the_last_second_and_counts_nothing_twice(use_case: UseCase) -> None:
    folder = request_log_folder(use_case)
    with running_gateway(use_case.settings) as gateway:
        asking = Asking(gateway.url)
        eventually(lambda: len(asking.answered) > 300)
        time.sleep(1.5)
        killed = time.monotonic()
        gateway.process.send_signal(signal.SIGKILL)
        asking.end()
    part = next(folder.glob("*.part"), None) or open_file(folder, new_writer(), 1)
    with part.open("ab") as stream:
        stream.write(b'{"request_id": "torn')  # as if it had been cut in the middle of a line
    with running_gateway(use_case.settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        assert not list(folder.glob("*.part"))
        ids = [record["request_id"] for record in logged(use_case)]
        assert len(ids) == len(set(ids)), "counted twice"
        lost = set(asking.answered) - set(ids)
        assert all(asking.answered[request_id] > killed - 1 for request_id in lost)
        again = client.post("/predict/", json=body(request_id=ids[-1], power=300)).json()
        assert again["reason"].startswith("model unavailable"), "the answer of before the kill"
    after = [record["request_id"] for record in logged(use_case)]
    assert len(after) == len(ids)


def test_an_orderly_stop_loses_nothing(use_case: UseCase) -> None:
    with running_gateway(use_case.settings) as gateway:
        asking = Asking(gateway.url)
        eventually(lambda: len(asking.answered) > 100)
        gateway.process.send_signal(signal.SIGTERM)
        asking.end()
        assert gateway.process.wait(240) == 0
    assert set(asking.answered) <= {record["request_id"] for record in logged(use_case)}
    assert {path.suffix for path in request_log_folder(use_case).iterdir()} == {".jsonl"}


def test_a_full_disk_raises_the_alarm_answers_go_on_and_all_is_written_later(use_case: UseCase) -> None:
    """The process may write files of 20,000 bytes and no more: writes fail half-way, as on a full disk."""
    with running_gateway(use_case.settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        ids: list[str] = []

        def ask(count: int) -> None:
            for _ in range(count):
                told = client.post("/predict/", json=body())
                assert told.status_code == 200
                ids.append(told.json()["request_id"])

        ask(10)
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
        ask(300)
        health = eventually(lambda: (h := client.get("/health").json()["request_log"]) and h["problem"] and h)
        assert health["pending"] > 0 and health["lag_seconds"] > 0
        ask(50)
        alarm = 'lakeloop_gateway_request_log_failures_total{use_case="insurance"} '
        metrics = client.get("/metrics").text
        assert float(metrics.partition(alarm)[2].split("\n")[0]) >= 1
        for path in request_log_folder(use_case).glob("*.jsonl"):
            assert path.read_text().endswith("\n")
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        eventually(lambda: {record["request_id"] for record in logged(use_case)} == set(ids))
        well = {"pending": 0, "lag_seconds": 0.0, "lost": 0, "problem": ""}
        eventually(lambda: client.get("/health").json()["request_log"] == well)
    assert [record["request_id"] for record in logged(use_case)] == ids


def test_a_log_folder_that_cannot_be_written_stops_no_answer(use_case: UseCase) -> None:
    folder = request_log_folder(use_case)
    folder.parent.mkdir(parents=True)
    folder.write_text("")
    with running_gateway(use_case.settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        told = client.post("/predict/", json=body()).json()
        assert told["prediction"] == "low"
        eventually(lambda: client.get("/health").json()["request_log"]["problem"])
        folder.unlink()
        eventually(lambda: [record["request_id"] for record in logged(use_case)] == [told["request_id"]])
