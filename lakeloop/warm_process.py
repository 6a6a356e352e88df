"""Starts a program, `python -m MODULE ARGUMENTS`, as a fork of a process that has imported it already.

A home's warm server (`console.cli.warm_server`) listens on a socket; nothing but this package is needed to ask it. A
fork is a process of its own, in a session of its own: its output, environment and folder are the asker's, and it ends
when its asker does. One exchange, a line each way but for the request, which carries the two outputs as well:

    server: ready · asker: {request} · server: started, or refused · asker: nothing, or `kill` · server: the exit code

A half-closed or broken connection asks the server to end the fork: TERM, and after `PATIENCE_SECONDS` KILL.
"""

import hashlib
import json
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from lakeloop.local_server import server_connection
from lakeloop.settings import PROJECT, Settings

SERVER = "warm"
READY, STARTED, REFUSED, KILL = b"ready\n", b"started\n", b"refused\n", b"kill\n"
PATIENCE_SECONDS = 3.5
"""From TERM to KILL; Airflow itself kills a task 5 s after it asked it to end."""
KILLED = -9
_PACKAGES = ("console", "operations", "lakehouse", "tfx_pipeline", "serving", "monitoring", "lakeloop")
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Request:
    """What is to run: `code` is the asker's `code_stamp()`, which has to be the server's as well."""

    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    umask: int
    code: str


class WarmProcess:
    """A fork at work. One thread may wait for it; a signal's handler may end it meanwhile."""

    def __init__(self, server: socket.socket, closing: ExitStack) -> None:
        self._server, self._closing = server, closing
        self._text = b""
        self.returncode: int | None = None
        """The exit code, or minus the signal that ended it; None while nobody has waited for its end."""

    def wait(self, seconds: float | None = None) -> int:
        """The exit code, as `subprocess` gives it; of a server that went away, with its forks, that of KILL.

        Raises:
            TimeoutError: it has not ended within `seconds`.
        """
        if self.returncode is None:
            self._server.settimeout(seconds)
            code = self._ended()
            self.returncode = code if self.returncode is None else self.returncode
            self._closing.close()
        return self.returncode

    def end(self) -> None:
        """End it and everything it started, TERM before KILL, and wait for that."""
        if self.returncode is None:
            with suppress(OSError):
                self._server.shutdown(socket.SHUT_WR)
            with suppress(TimeoutError):
                self.wait(2 * PATIENCE_SECONDS)

    def kill(self) -> None:
        """End it and everything it started at once, and wait for that."""
        if self.returncode is None:
            with suppress(OSError):
                self._server.sendall(KILL)
            self.wait()

    def _ended(self) -> int:
        try:
            while not self._text.endswith(b"\n"):
                more = self._server.recv(64)
                if not more:
                    return KILLED
                self._text += more
        except TimeoutError:
            raise
        except OSError:
            return KILLED
        return int(self._text)


def start_warm(
    settings: Settings,
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    outputs: tuple[int, int],
    folder: Path | None = None,
    patience: float = 1.0,
) -> WarmProcess | None:
    """Let the home's server run a module; None where no fitting one is there and ready within `patience` seconds.

    `outputs` are the descriptors its standard output and error go to. What is started is started once: nobody who gets
    None has to fear that it runs nevertheless.
    """
    with ExitStack() as stack:
        server = stack.enter_context(server_connection(server_folder(settings), SERVER))
        if server is None:
            return None
        request = Request(
            module, list(arguments), dict(environment), str((folder or Path.cwd()).absolute()), _umask(), code_stamp()
        )
        try:
            server.settimeout(patience)
            if not _says(server, READY):
                return None
            server.settimeout(None)
            socket.send_fds(server, [json.dumps(asdict(request)).encode() + b"\n"], outputs)
            return WarmProcess(server, stack.pop_all()) if _says(server, STARTED) else None
        except OSError:  # too late, or gone
            return None


def wait_for_server(settings: Settings, seconds: float) -> bool:
    """Whether a home's server is there, or comes within so many seconds; it may still have to import."""
    deadline = time.monotonic() + seconds
    while not (found := _is_there(settings)) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return found


def server_folder(settings: Settings) -> Path:
    """Where a home's socket lies."""
    return Path(settings.area("tfx")).absolute()


def code_stamp() -> str:
    """Changes with the project's code and its packages: names, sizes and times of what a server may have imported."""
    files = [path for package in _PACKAGES for path in sorted((PROJECT / package).rglob("*.py"))]
    marks = [str(PROJECT)]
    for path in [*files, PROJECT / "uv.lock"]:
        with suppress(FileNotFoundError):
            known = path.stat()
            marks.append(f"{path.relative_to(PROJECT)} {known.st_size} {known.st_mtime_ns}")
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()


def _is_there(settings: Settings) -> bool:
    with server_connection(server_folder(settings), SERVER) as server:
        return server is not None


def _says(server: socket.socket, line: bytes) -> bool:
    said = b""
    while not said.endswith(b"\n"):
        more = server.recv(1)
        if not more:
            return False
        said += more
    return said == line


def _umask() -> int:
    """This process's; the call that tells it would set it for a moment, for every thread."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    text = next((line.split()[1] for line in status.splitlines() if line.startswith("Umask:")), "022")
    return int(text, 8)
