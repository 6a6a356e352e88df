"""Threads under the REST API: small jobs share one, and nobody waits for a job that takes long."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from serving.model_server import workers
from serving.model_server.workers import Workers

LONG = 30.0


@contextmanager
def closing(made: Workers) -> Iterator[Workers]:
    yield made
    assert made.close(LONG)


def test_small_jobs_that_are_asked_together_run_one_after_the_other_on_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "PATIENCE_SECONDS", LONG)  # on a busy machine anything may take long
    at_once = most_at_once = 0

    def job() -> int:
        nonlocal at_once, most_at_once
        at_once += 1
        most_at_once = max(most_at_once, at_once)
        time.sleep(0.001)
        at_once -= 1
        return threading.get_ident()

    async def ask() -> list[int]:
        with closing(Workers(8, 0, "small")) as made:
            return await asyncio.gather(*(made.run(job) for _ in range(50)))

    assert len(set(asyncio.run(ask()))) == 1
    assert most_at_once == 1


def test_a_long_job_holds_up_neither_those_before_it_nor_those_after_it() -> None:
    ended = threading.Event()

    async def ask() -> None:
        with closing(Workers(8, 0, "long")) as made:
            first = made.run(lambda: "first")
            long = made.run(lambda: ended.wait(LONG))
            after = made.run(lambda: "after")
            try:
                assert await asyncio.wait_for(first, LONG / 2) == "first"
                assert await asyncio.wait_for(after, LONG / 2) == "after"
                assert await asyncio.wait_for(made.run(lambda: "later"), LONG / 2) == "later"
                assert not long.done()
            finally:
                ended.set()
            assert await long

    asyncio.run(ask())


def test_jobs_that_wait_for_each_other_get_as_many_threads_as_there_may_be() -> None:
    """Each of the eight ends when all eight run; the ninth runs after them."""
    together = threading.Barrier(8)

    async def ask() -> None:
        with closing(Workers(8, 0, "many")) as made:
            jobs = [made.run(lambda: together.wait(LONG)) for _ in range(8)]
            ninth = made.run(threading.active_count)
            assert sorted(await asyncio.gather(*jobs)) == list(range(8))
            assert await ninth

    asyncio.run(ask())


def test_there_are_never_more_threads_than_allowed() -> None:
    ended = threading.Event()

    async def ask() -> int:
        with closing(Workers(2, 0, "bounded")) as made:
            jobs = [made.run(lambda: (ended.wait(LONG), threading.get_ident())[1]) for _ in range(6)]
            await asyncio.sleep(20 * workers.PATIENCE_SECONDS)
            ended.set()
            return len(set(await asyncio.gather(*jobs)))

    assert asyncio.run(ask()) <= 2


def test_a_job_whose_time_is_over_is_given_up_and_not_begun() -> None:
    ended, begun = threading.Event(), threading.Event()

    async def ask() -> None:
        with closing(Workers(1, 1.0, "late")) as made:
            running, waiting = made.run(lambda: ended.wait(LONG)), made.run(begun.set)
            for job in (running, waiting):
                with pytest.raises(TimeoutError):
                    await job
            ended.set()
            assert await made.run(lambda: "next") == "next"

    asyncio.run(ask())
    assert not begun.is_set()


def test_what_a_job_raises_is_raised_where_its_result_is_awaited() -> None:
    async def ask() -> None:
        with closing(Workers(1, LONG, "raises")) as made:
            with pytest.raises(ZeroDivisionError):
                await made.run(lambda: 1 // 0)
            assert await made.run(lambda: "still there") == "still there"

    asyncio.run(ask())
