"""Engines that other packages bring, found by their entry points."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from robot_node.errors import SettingsError


def load_engine(name: str, *, group: str, kind: str, built_in: str, setting: str) -> Callable[..., Any]:
    """Load the function or class by which a package makes its engine.

    Args:
        name: The engine's name in the settings.
        group: Group of the entry points.
        kind: What the engine does, for messages.
        built_in: Name of the engine that robot-node brings, for messages.
        setting: Name of the setting, for messages.

    Raises:
        SettingsError: there is no such engine, or it cannot be imported.
    """
    found = {point.name: point for point in entry_points(group=group)}
    if name not in found:
        names = ", ".join(["none", built_in, *sorted(found)])
        raise SettingsError(f"There is no {kind} engine {name!r} ({setting}).", remedy=f"There are: {names}.")
    try:
        factory: Callable[..., Any] = found[name].load()
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"The {kind} engine {name!r} cannot be loaded: {error}.",
            remedy="Install its package into robot-node's venv again.",
        ) from error
    return factory
