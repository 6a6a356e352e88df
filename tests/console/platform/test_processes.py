"""Whose process is it, and whose port: real processes, told apart by their environment."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from console.exceptions import PortTakenError
from console.platform.marked_processes import MARK, end_strays, marked_processes
from console.platform.platform_lock import one_at_a_time
from console.platform.ports import check_ports
from console.platform.services import Service
from console.platform.supervisor import bound_command
from lakeloop.exceptions import BusyError, WrongUseError
from lakeloop.settings import Settings
from tests.waiting import eventually

LISTENS = """
import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(60)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
STARTS_ANOTHER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print(child.pid, flush=True); child.wait()
"""


@contextmanager
def python(code: str, home: Path | None) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A process of a home's platform, or of none; and the first line it prints."""
    environment = {**os.environ, **({MARK: str(home)} if home else {})}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def service(port: int) -> Service:
    return Service("gateway", ("true",), ports={"LAKELOOP_GATEWAY_PORT": port})


def test_only_this_homes_processes_are_ended_and_their_children_with_them(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "mine-too"
    with (
        python(STARTS_ANOTHER, mine) as (parent, child),
        python(LISTENS, other) as (foreign, _),
        python(LISTENS, None) as (unmarked, _),
    ):
        assert {p.pid for p in marked_processes(mine)} == {parent.pid, int(child)}
        assert end_strays(mine, seconds=5) == 2
        assert not psutil.pid_exists(parent.pid) and not psutil.pid_exists(int(child))
        assert foreign.poll() is None and unmarked.poll() is None
        assert end_strays(mine) == 0


def test_who_does_not_hear_term_is_killed(tmp_path: Path) -> None:
    with python(STUBBORN, tmp_path) as (process, _):
        assert end_strays(tmp_path, seconds=0.5) == 1
        assert not psutil.pid_exists(process.pid)


def test_a_bound_command_ends_with_the_process_that_started_it() -> None:
    code = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen({bound_command(['sleep', '60'])!r}); print(p.pid, flush=True); time.sleep(60)"
    )
    with python(code, None) as (parent, pid):
        child = psutil.Process(int(pid))
        eventually(lambda: child.name() == "sleep")  # bound before this, at setpriv's own start
        parent.kill()
        parent.wait()
        eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_port_of_another_home_is_named_with_the_command_that_frees_it(tmp_path: Path) -> None:
    with python(LISTENS, tmp_path / "other") as (_, port), pytest.raises(PortTakenError) as caught:
        check_ports([service(int(port))], tmp_path / "mine")
    text = str(caught.value)
    assert f"port {port} (gateway)" in text and f"LAKELOOP_HOME={tmp_path / 'other'} lakeloop down" in text
    assert "or set LAKELOOP_GATEWAY_PORT to another port" in text and text.endswith("nothing was started")


def test_a_port_of_any_other_process_is_named_with_its_pid(tmp_path: Path) -> None:
    with python(LISTENS, None) as (process, port), pytest.raises(PortTakenError) as caught:
        check_ports([service(int(port))], tmp_path)
    assert f"port {port} (gateway) is taken by pid {process.pid} (" in str(caught.value)


def test_a_free_port_and_one_whose_connections_linger_are_fine(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server of the platform does
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        server.accept()[0].close()  # this side waits in TIME_WAIT now
        client.close()
    check_ports([service(port)], tmp_path)


def test_two_services_on_one_port_are_refused(tmp_path: Path) -> None:
    twice = Service("monitor", ("true",), ports={"LAKELOOP_MONITOR_PORT": 18123})
    with pytest.raises(WrongUseError, match="LAKELOOP_GATEWAY_PORT and LAKELOOP_MONITOR_PORT are both 18123"):
        check_ports([service(18123), twice], tmp_path)


def test_two_starts_at_once_are_one(settings: Settings) -> None:
    with one_at_a_time(settings), pytest.raises(BusyError, match=rf"\(pid {os.getpid()}\) is at work"):
        one_at_a_time(settings).__enter__()
    with one_at_a_time(settings):
        pass


def test_the_lock_of_a_killed_process_is_free(settings: Settings) -> None:
    code = (
        "import time\nfrom pathlib import Path\nfrom console.platform.platform_lock import one_at_a_time\n"
        "from lakeloop.settings import load_settings\n"
        f"with one_at_a_time(load_settings(home=Path({str(settings.home)!r}))):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with python(code, None) as (holder, _):
        with pytest.raises(BusyError, match=str(holder.pid)), one_at_a_time(settings):
            pass
        holder.kill()
        holder.wait()
        eventually(lambda: is_free_to_start(settings))


def is_free_to_start(settings: Settings) -> bool:
    try:
        with one_at_a_time(settings):
            return True
    except BusyError:
        return False
