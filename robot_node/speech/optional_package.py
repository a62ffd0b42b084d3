"""Packages of the extra "conversation", imported when a setting names what they do."""

from __future__ import annotations

import importlib
from typing import Any

from robot_node.core.pip_hint import run_pip
from robot_node.errors import DeviceError


def import_package(package: str, *, what: str) -> Any:
    """Import a package by its name at PyPI, of which its module's name follows.

    Raises:
        DeviceError: it is missing, or a library that it brings cannot be loaded; says ``what`` cannot be loaded.
    """
    try:
        return importlib.import_module(package.replace("-", "_"))
    except (ImportError, OSError) as error:
        raise DeviceError(
            f"The {what} cannot be loaded: {error}.", remedy=f"Install it: {run_pip(f'install {package}')}"
        ) from error
