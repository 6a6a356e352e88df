"""Long runs of one model leave a core to the others; short ones are held up by nothing."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.exceptions import RequestError
from serving.model_server.long_runs import LONG_SECONDS, LongRuns
from serving.model_server.shares import Shares
from serving.model_server.status import Code
from tests.waiting import eventually


class _Running:
    """How many calls are in a block, now and at most, and a gate that holds them there."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.gate = threading.Event()
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        assert self.gate.wait(60)
        with self._lock:
            self.now -= 1


def learnt(runs: LongRuns, kind: str) -> None:
    runs.run(kind, lambda: time.sleep(2 * LONG_SECONDS), None)


@pytest.mark.parametrize(("cores", "at_a_time"), [(1, 1), (2, 1), (4, 3)])
def test_long_runs_leave_a_core(cores: int, at_a_time: int) -> None:
    runs, running = LongRuns(cores), _Running()
    learnt(runs, "long")
    with ThreadPoolExecutor(8) as clients:
        calls = [clients.submit(runs.run, "long", running, None) for _ in range(8)]
        eventually(lambda: running.now == at_a_time)
        assert runs.run("short", lambda: "at once", None) == "at once"
        with pytest.raises(RequestError) as caught:
            runs.run("long", running, time.monotonic() + 0.05)
        assert caught.value.code is Code.DEADLINE_EXCEEDED
        running.gate.set()
        for call in calls:
            call.result()
    assert running.most == at_a_time


def test_what_was_long_once_is_short_again_after_some_short_runs() -> None:
    runs, running = LongRuns(2), _Running()
    learnt(runs, "mixed")
    for _ in range(20):
        runs.run("mixed", lambda: None, None)
    with ThreadPoolExecutor(3) as clients:
        calls = [clients.submit(runs.run, "mixed", running, None) for _ in range(3)]
        eventually(lambda: running.now == 3)
        running.gate.set()
        for call in calls:
            call.result()


def test_a_run_that_fails_gives_its_turn_back() -> None:
    runs = LongRuns(2)
    learnt(runs, "long")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            runs.run("long", lambda: time.sleep(2 * LONG_SECONDS) or 1 / 0, time.monotonic() + 60)


def test_a_model_that_is_asked_too_much_has_its_share_of_threads_alone() -> None:
    shares, running = Shares(at_a_time=2, threads=12, models=lambda: 2), _Running()

    def ask(model: str, deadline: float | None = None) -> None:
        with shares.turn(model, deadline):
            running()

    with ThreadPoolExecutor(12) as clients:
        calls = [clients.submit(ask, "slow") for _ in range(4)]  # a third of 12: one share is for unknown names
        eventually(lambda: running.now == 2)
        eventually(lambda: shares._shares["slow"].calls == 4)
        with pytest.raises(RequestError) as caught:
            ask("slow")
        assert caught.value.code is Code.RESOURCE_EXHAUSTED
        assert caught.value.message == "Model slow is asked too much over gRPC: 4 calls wait for it."
        calls.append(clients.submit(ask, "quick"))
        eventually(lambda: running.now == 3)
        running.gate.set()
        for call in calls:
            call.result()
    ask("slow", time.monotonic() + 60)


def test_a_call_that_had_no_turn_in_time_is_too_late() -> None:
    shares, running = Shares(at_a_time=1, threads=12, models=lambda: 1), _Running()

    def ask(deadline: float | None) -> None:
        with shares.turn("slow", deadline):
            running()

    with ThreadPoolExecutor(1) as clients:
        call = clients.submit(ask, None)
        eventually(lambda: running.now == 1)
        with pytest.raises(RequestError) as caught:
            ask(time.monotonic() + 0.05)
        assert caught.value.code is Code.DEADLINE_EXCEEDED
        running.gate.set()
        call.result()
    assert shares._shares["slow"].calls == 0
