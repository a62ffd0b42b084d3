"""Environment of child processes: without the settings, which may include passwords."""

from __future__ import annotations

import os
from collections.abc import Mapping

_OURS = "ROBOT_NODE_"
_SYSTEMDS = frozenset({"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"})
"""Variables that systemd sets for its service only (systemd.exec(5))."""


def child_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for a child process, without the settings: others may be able to read it.

    Args:
        environment: Ours.
    """
    return {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith(_OURS) and name not in _SYSTEMDS  # settings are read in any case
    }
