"""Tell systemd how the service is doing (sd_notify(3)). Does nothing when systemd did not ask."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(*assignments: str) -> None:
    """Send state such as ``READY=1`` or ``STATUS=...`` to the service manager.

    A lost notification is never worth failing for, so that errors are passed over.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace (unix(7))
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.sendto("\n".join(assignments).encode(), address)
