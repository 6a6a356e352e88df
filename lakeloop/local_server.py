"""One server a folder on a Unix socket, for this user alone: how commands of one home find a helper that is warm."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lakeloop.file_lock import try_lock

END = {"end": True}
"""What a server is told, as a line of JSON, that is to end as soon as nobody uses it."""


@contextmanager
def sole_server(folder: Path, name: str) -> Iterator[socket.socket | None]:
    """A listening socket `<folder>/<name>.sock`; None where another process has it. It is gone afterwards."""
    lock = try_lock(folder / f"{name}.lock")
    if lock is None:
        yield None
        return
    try:
        with _short_path(folder, name) as path, socket.socket(socket.AF_UNIX) as server:
            Path(path).unlink(missing_ok=True)
            server.bind(path)
            os.chmod(path, 0o600)  # noqa: PTH101 the path goes through a file descriptor
            server.listen()
            try:
                yield server
            finally:
                Path(path).unlink(missing_ok=True)
    finally:
        lock.release()


@contextmanager
def server_connection(folder: Path, name: str) -> Iterator[socket.socket | None]:
    """A connection to the folder's server; None where there is none."""
    with _short_path(folder, name) as path, socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(path)
        except OSError:
            yield None
            return
        yield server


def ask_to_end(folder: Path, name: str) -> bool:
    """Tell the folder's server to end as soon as nobody uses it; whether there is one."""
    with server_connection(folder, name) as server:
        if server is not None:
            with suppress(OSError):
                server.sendall(json.dumps(END).encode() + b"\n")
        return server is not None


@contextmanager
def _short_path(folder: Path, name: str) -> Iterator[str]:
    """The socket's path through its folder's descriptor: a path of a socket must be short."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield str(folder / f"{name}.sock")
        return
    try:
        yield f"/proc/self/fd/{descriptor}/{name}.sock"
    finally:
        os.close(descriptor)
