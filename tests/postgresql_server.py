"""A PostgreSQL server of its own for tests: on a Unix socket, and on a loopback port where passwords are asked for."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.waiting import eventually

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
USER = "lakeloop"


@dataclass(frozen=True)
class PostgresqlServer:
    """A running server: `socket_url` needs no password, `tcp_url` holds one."""

    socket_url: str
    tcp_url: str


@contextmanager
def postgresql_server(password: str = "", port: int = 0) -> Iterator[PostgresqlServer]:
    """Start a server with an empty data folder; it is stopped and removed at the end. Skips where there is none.

    Without a password and a port it takes a random one and a free one.
    """
    if PROGRAMS is None or (os.geteuid() == 0 and shutil.which("runuser") is None):
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    home = Path(tempfile.mkdtemp(prefix="lakeloop-pg-"))  # a short path: a Unix socket's may have 107 characters
    home.chmod(0o777)
    log, data, password = home / "log", home / "data", password or secrets.token_hex(8)
    port = port or free_port()
    with log.open("w") as stream:
        password_file = home / "password"
        password_file.write_text(password)
        password_file.chmod(0o644)  # the server's user reads it
        make = [*as_user, str(PROGRAMS / "initdb"), "-D", str(data), "-U", USER, "--no-sync",
                "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password_file}"]  # fmt: skip
        subprocess.run(make, check=True, cwd=home, stdout=stream, stderr=stream)
        options = ["-c", "listen_addresses=127.0.0.1", "-p", str(port), "-c", f"unix_socket_directories={home}"]
        server = subprocess.Popen(
            [*as_user, str(PROGRAMS / "postgres"), "-D", str(data), *options, "-c", "fsync=off"],
            cwd=home, stdout=stream, stderr=stream,
        )  # fmt: skip
        try:
            ask = [PROGRAMS / "pg_isready", "-h", home, "-p", str(port), "-q"]

            def answers() -> bool:
                assert server.poll() is None, log.read_text()
                return subprocess.run(ask, check=False).returncode == 0

            eventually(answers)
            yield PostgresqlServer(
                f"postgresql+psycopg://{USER}@/postgres?host={home}&port={port}",
                f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{port}/postgres",
            )
        finally:
            server.terminate()
            server.wait(240)
            shutil.rmtree(home)
