"""What a retrain looks at before it plans."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lakehouse.requests.log_files import new_files
from operations.retraining.context import take_in_requests
from tests.lakehouse.request_log import log_file, record
from tests.lakes import OwnLake

MOST_FILES = 200
"""Enough for any machine, and an end for a retrain that waits until no more come."""


@contextmanager
def clients_that_ask_on(lake: OwnLake) -> Iterator[None]:
    stop = threading.Event()

    def log_requests() -> None:
        for number in range(MOST_FILES):
            if stop.wait(0.1):
                return
            log_file(lake, f"later-{number}", [record(f"later-{number}")])

    thread = threading.Thread(target=log_requests)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.mark.long
def test_requests_that_never_cease_hold_up_no_retrain(lake: OwnLake) -> None:
    log_file(lake, "before", [record("before")])
    with clients_that_ask_on(lake):
        take_in_requests(lake)
        assert new_files(lake), "those wait for the next stream"
    assert "before" in set(lake.rows("silver/predictions")["request_id"])
