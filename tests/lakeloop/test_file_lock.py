"""A lock belongs to one process, or one thread, at a time, and to nobody as soon as that one has ended."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lakeloop.exceptions import BusyError
from lakeloop.file_lock import in_turn, only_one, try_lock
from lakeloop.settings import PROJECT

HOLD = """
import sys
from pathlib import Path
from lakeloop.file_lock import only_one
with only_one(Path(sys.argv[1]), str):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the lock until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process


def test_who_holds_it_is_named_to_who_wants_it(tmp_path: Path) -> None:
    path = tmp_path / "made for it" / "lock"
    with another_process(path) as holder:
        with pytest.raises(BusyError, match=f"^taken by {holder.pid}$"), only_one(path, lambda who: f"taken by {who}"):
            raise AssertionError("held twice")
        assert try_lock(path) is None
    with only_one(path, str):
        assert path.read_text() == str(os.getpid())


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with another_process(tmp_path / "lock") as holder:
        holder.kill()
        holder.wait()
        with only_one(tmp_path / "lock", str):
            pass


def test_a_process_waits_its_turn(tmp_path: Path) -> None:
    ended = []
    with another_process(tmp_path / "lock") as holder:

        def wait() -> None:
            with in_turn(tmp_path / "lock"):
                ended.append(holder.poll())

        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.3)
        assert not ended
        holder.kill()
        waiting.join(60)
    assert ended  # the lock was had while the one before had gone or was just going


def test_a_thread_does_not_get_what_another_holds(tmp_path: Path) -> None:
    lock = try_lock(tmp_path / "lock")
    assert lock is not None
    got = []

    def others() -> None:
        got.append(try_lock(tmp_path / "lock"))
        lock.release()  # by a thread that did not take it
        again = try_lock(tmp_path / "lock")
        got.append(again)
        if again is not None:
            again.release()

    thread = threading.Thread(target=others)
    thread.start()
    thread.join()
    assert got[0] is None and got[1] is not None


def test_a_fork_does_not_keep_its_parents_lock(tmp_path: Path) -> None:
    lock = try_lock(tmp_path / "lock")
    assert lock is not None
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    try:
        lock.release()
        with only_one(tmp_path / "lock", str):
            pass
    finally:
        os.close(write)
        os.waitpid(pid, 0)
