"""What systemd gives a service: notifications (sd_notify(3)), a watchdog, a folder. Without systemd: nothing."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path


def notify(*assignments: str) -> None:
    """Send state such as ``READY=1`` or ``STATUS=...`` to the service manager.

    Errors are ignored: a lost notification is never worth failing for.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace (unix(7))
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.settimeout(0)  # a manager that does not read must not block the robot
        out.sendto("\n".join(assignments).encode(), address)


def watchdog_period_s() -> float | None:
    """Return after how many seconds without ``WATCHDOG=1`` systemd restarts the service; None without watchdog.

    Source: sd_watchdog_enabled(3).
    """
    microseconds, watched = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    if watched and watched != str(os.getpid()):  # a child of the watched process has inherited its environment
        return None
    return int(microseconds) / 1_000_000


def state_directory(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder that systemd has made for what a service keeps (systemd.exec(5)); None without."""
    first = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(first) if first else None
