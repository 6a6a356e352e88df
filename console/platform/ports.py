"""Looks whether the platform's ports are free before anything starts, and says who has those that are not."""

import errno
import socket
from collections.abc import Iterable
from pathlib import Path

import psutil

from console.exceptions import PortTakenError
from console.platform.marked_processes import home_of_process
from console.platform.services import Service
from lakeloop.exceptions import WrongUseError

HOST = "127.0.0.1"


def check_ports(services: Iterable[Service], home: Path) -> None:
    """Raise unless every port of the services can be listened on.

    Raises:
        WrongUseError: two settings name the same port.
        PortTakenError: each port that is taken, by whom, and what to do.
    """
    wanted = [(service, variable, port) for service in services for variable, port in service.ports.items()]
    settings: dict[int, str] = {}
    for _, variable, port in wanted:
        if port in settings:
            raise WrongUseError(f"{settings[port]} and {variable} are both {port}; give one of them another port")
        settings[port] = variable
    taken = [
        f"port {port} ({service.name}) is taken by {_owner(port, home)}, or set {variable} to another port"
        for service, variable, port in wanted
        if not is_free(port)
    ]
    if taken:
        raise PortTakenError("\n".join([*taken, "nothing was started"]))


def is_free(port: int) -> bool:
    """Whether this process could listen on the port of the loopback address now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def _owner(port: int, home: Path) -> str:
    """Who listens there and how to stop it."""
    process = _listener(port)
    if process is None:
        return "a process of another user: stop it"
    platform = home_of_process(process)
    if platform and platform != str(home):
        return f"the platform of {platform}: stop it with `LAKELOOP_HOME={platform} lakeloop down`"
    try:
        command = " ".join(process.cmdline())
    except psutil.Error:
        command = "a command that cannot be read"
    shown = command if len(command) <= 100 else command[:100] + " …"
    return f"pid {process.pid} (`{shown}`): stop it"


def _listener(port: int) -> psutil.Process | None:
    try:
        connections = psutil.net_connections(kind="tcp")
        pids = [
            c.pid for c in connections if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port and c.pid
        ]
        return psutil.Process(pids[0]) if pids else None
    except psutil.Error:
        return None
