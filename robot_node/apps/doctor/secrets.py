"""Credentials of the service, which systemd passes to the robot but not to the doctor."""

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
    """Point $CREDENTIALS_DIRECTORY to the credentials next to the settings file, as systemd does for the service.

    Args:
        config: The settings file.
        environment: The environment that the settings are read from.
        may_be_read: Returns whether a folder is readable.

    Returns:
        A finding if the credentials exist but are not readable.
    """
    folder = config.absolute().parent / _FOLDER
    # os.path.isdir is False without permission to look; then the settings are not readable either, and reported.
    if _VARIABLE in environment or not os.path.isdir(folder):  # noqa: PTH112  # see above
        return None
    if may_be_read(folder):
        environment[_VARIABLE] = str(folder)
        return None
    return Finding.note(
        "secrets",
        f"No permission to read the robot's secrets in {folder}.",
        why="The broker is checked without the robot's password.",
        remedy="Run the doctor as root: sudo robot-node doctor ...",
    )
