"""The environment of the programs that we start: ours, without our settings, some of which are passwords."""

from __future__ import annotations

import os
from collections.abc import Mapping

_OURS = "ROBOT_NODE_"
_SYSTEMDS = frozenset({"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"})
"""What systemd tells its service, and nobody else (systemd.exec(5))."""


def child_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a program that we start is given: it needs none of our settings, and may show its environment to others.

    Args:
        environment: Ours.
    """
    return {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith(_OURS) and name not in _SYSTEMDS  # settings are read in any case
    }
