"""The robot's secrets, which systemd hands to the service and which the doctor has to look for itself."""

from __future__ import annotations

import os
from collections.abc import Callable, MutableMapping
from pathlib import Path

from robot_node.apps.doctor.findings import Finding

_VARIABLE = "CREDENTIALS_DIRECTORY"
_FOLDER = "credentials"


def _may_be_read(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.X_OK)


def use_credentials(
    config: Path, environment: MutableMapping[str, str], may_be_read: Callable[[Path], bool] = _may_be_read
) -> Finding | None:
    """Let the settings find the credentials that lie beside the settings file, as the unit would hand them over.

    Args:
        config: The settings file.
        environment: Where the settings look for the credentials' folder.
        may_be_read: Whether we may read a folder.

    Returns:
        What is to be told: that they are there, and that we may not read them.
    """
    folder = config.absolute().parent / _FOLDER
    # os.path: where we may not even look at it, we may not read the settings either, which is told by itself.
    if _VARIABLE in environment or not os.path.isdir(folder):  # noqa: PTH112
        return None
    if may_be_read(folder):
        environment[_VARIABLE] = str(folder)
        return None
    return Finding.note(
        "secrets",
        f"The robot's secrets in {folder} are kept from us.",
        why="The broker is checked without the robot's password.",
        remedy="Run the doctor as root: sudo robot-node doctor ...",
    )
