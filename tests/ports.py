"""Ports for servers that must be told theirs before they start."""

import random
import socket
from contextlib import ExitStack

# Below what the system hands out to clients and to port 0: a server that listens only seconds later, on a busy machine
# a minute later, does not find its port taken by a connection of somebody else.
PORTS = range(12_000, 32_000)
_random = random.SystemRandom()  # tests run side by side and must not draw the same


def free_ports(count: int) -> list[int]:
    """Different ports nobody listens on now."""
    with ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            probe = stack.enter_context(socket.socket())
            port = _random.choice(PORTS)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
        return found


def free_port() -> int:
    return free_ports(1)[0]
