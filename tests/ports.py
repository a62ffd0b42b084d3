"""TCP ports for programs that a test starts."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_FIRST = 10_000
_ATTEMPTS = 1000


def free_port() -> int:
    """Return a TCP port of loopback on which nobody listens.

    It is none of those that Linux gives to connections and to sockets that are bound to port 0, of which a run of all
    tests has some thousands: until a program listens on such a port, another one may have it.
    """
    for _ in range(_ATTEMPTS):
        port = random.randrange(_FIRST, first_ephemeral_port())
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no TCP port is free between {_FIRST} and {first_ephemeral_port()}")


def first_ephemeral_port() -> int:
    """The first of the ports that Linux chooses by itself (ip(7), ip_local_port_range)."""
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
