"""Starts nodes from a process that has imported TFX already: the import is seven seconds of each node's start.

`serve` imports everything, then forks a child for each node that is asked for. The child is a process of its own: it
writes to the asker's output, and it ends when the asker does. Nothing of TensorFlow is used before the fork, only
imported, so there is nothing in the parent that a fork could break. The server ends by itself when nobody asks.
"""

import gc
import json
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from lakeloop.local_server import server_connection, sole_server
from lakeloop.settings import Settings
from tfx_pipeline.graph import code_sha256

log = logging.getLogger(__name__)
IDLE_SECONDS = 900.0
"""Long enough for the next retrain of a lively day to find it; it holds half a gigabyte."""
_LOOK_SECONDS = 0.05
_LONGEST = 1_000_000
_NAME = "nodes"
RunNode = Callable[[str, str], int]


@dataclass
class _Child:
    """A node at work and who asked for it."""

    pid: int
    asker: socket.socket


def run_warm(settings: Settings, run_id: str, node: str, patience: float = 0.0) -> int | None:
    """Let the server run a node, its output being ours; the exit code, or None where no fitting server is there.

    `patience`: seconds to wait for one that was started a moment ago; while it imports it is there already.
    """
    deadline = time.monotonic() + patience
    while not _is_there(settings) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    with server_connection(settings.folder("tfx").absolute(), _NAME) as server:
        if server is None:
            return None
        try:
            request = {"run": run_id, "node": node, "code": code_sha256(), "environment": dict(os.environ)}
            socket.send_fds(server, [json.dumps(request).encode() + b"\n"], [1, 2])
            answers = server.makefile("r", encoding="ascii")
            if answers.readline().strip() != "started":
                return None
        except OSError:
            return None
        code = answers.readline().strip()
    return int(code) if code else 1


def _is_there(settings: Settings) -> bool:
    with server_connection(settings.folder("tfx").absolute(), _NAME) as server:
        return server is not None


def serve(settings: Settings, run_node: RunNode, idle_seconds: float = IDLE_SECONDS) -> bool:
    """Answer until nobody has asked for a while; False at once where another server is there already.

    `run_node(run_id, node)` runs in the child, in the asker's environment, and gives the exit code.
    """
    with sole_server(settings.folder("tfx").absolute(), _NAME) as server:
        if server is None:
            return False
        code = code_sha256()
        import_all()
        gc.collect()
        gc.freeze()  # a child's collector would touch, and so copy, every object it was given
        _answer(server, run_node, code, idle_seconds)
    return True


def import_all() -> None:
    """Import what nodes need, and use none of it."""
    from tfx_pipeline.quiet import quiet_after_import, quiet_libraries

    quiet_libraries()
    import tfx.components.evaluator.executor
    import tfx.components.trainer.executor
    import tfx.components.transform.executor  # noqa: F401

    import tfx_pipeline.launch
    import tfx_pipeline.pipeline
    import tfx_pipeline.results  # noqa: F401

    quiet_after_import()


def _answer(server: socket.socket, run_node: RunNode, code: str, idle_seconds: float) -> None:
    children: list[_Child] = []
    used = time.monotonic()
    while children or time.monotonic() - used < idle_seconds:
        waiting = [server, *(child.asker for child in children)]
        ready, _, _ = select.select(waiting, [], [], _LOOK_SECONDS if children else 1.0)
        for child in [c for c in children if c.asker in ready]:  # an asker says nothing: it has gone
            _kill(child.pid)
        for child in [c for c in children if _ended(c)]:
            children.remove(child)
            used = time.monotonic()
        if server in ready:
            used = time.monotonic()
            asker, _ = server.accept()
            if _has_gone(asker):
                asker.close()
                continue
            started = _start(asker, server, run_node, code)
            if started is None:
                asker.close()
                return  # the code has changed since: the next server imports it anew
            children.append(started)


def _has_gone(asker: socket.socket) -> bool:
    """Whether somebody only looked whether a server is there."""
    ready, _, _ = select.select([asker], [], [], 1.0)
    return not ready or not asker.recv(1, socket.MSG_PEEK)


def _start(asker: socket.socket, server: socket.socket, run_node: RunNode, code: str) -> _Child | None:
    """Fork a child for a request; None for one of other code."""
    text, outputs, _, _ = socket.recv_fds(asker, _LONGEST, 2)
    while not text.endswith(b"\n"):
        more = asker.recv(_LONGEST)
        if not more:
            return None
        text += more
    request = json.loads(text)
    if request["code"] != code or len(outputs) != 2:
        return None
    pid = os.fork()
    if pid == 0:
        server.close()
        asker.close()
        _be_a_node(request, outputs, run_node)
    for output in outputs:
        os.close(output)
    with suppress(OSError):
        asker.sendall(b"started\n")
    log.info("event=node_started run=%s node=%s pid=%d", request["run"], request["node"], pid)
    return _Child(pid, asker)


def _be_a_node(request: Mapping[str, object], outputs: list[int], run_node: RunNode) -> None:
    """In the child: take the asker's output and environment, run the node, end."""
    code = 1
    try:
        os.setsid()
        for output, number in zip(outputs, (1, 2), strict=True):
            os.dup2(output, number)
        environment = request["environment"]
        if isinstance(environment, dict):
            os.environ.clear()
            os.environ.update(environment)
        code = run_node(str(request["run"]), str(request["node"]))
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # never back into the server's loop


def _ended(child: _Child) -> bool:
    """Whether a child has ended; if so its asker is told how."""
    pid, status = os.waitpid(child.pid, os.WNOHANG)
    if not pid:
        return False
    code = os.waitstatus_to_exitcode(status)
    with suppress(OSError):
        child.asker.sendall(f"{code if code >= 0 else 128 - code}\n".encode())
    child.asker.close()
    return True


def _kill(pid: int) -> None:
    """End a node and what it started; its group is its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
