"""Loads the devices of other packages that the settings ask for."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack
from importlib import metadata

from robot_node.devices.plugin import ENTRY_POINTS, DeviceContext, DevicePlugin
from robot_node.errors import RobotNodeError, SettingsError

logger = logging.getLogger(__name__)


async def open_plugins(contexts: Iterable[DeviceContext], devices: AsyncExitStack) -> dict[str, DevicePlugin]:
    """Load and open the devices that the settings ask for. One that does not work is a fault: the robot goes on.

    Args:
        contexts: One for each device.
        devices: Where closing is put.

    Returns:
        The devices by their names, those that do not work too.

    Raises:
        SettingsError: No installed package brings such a device, it cannot be loaded, or its settings are wrong.
    """
    plugins = {}
    for context in contexts:
        plugin = _make(context)
        devices.push_async_callback(_close, context.name, plugin)
        try:
            await plugin.open()
        except Exception as error:  # whatever another package raises
            logger.exception("The device %s does not work", context.name)
            reason = str(error).rstrip(".") or type(error).__name__
            context.report_fault(f"The device {context.name!r} does not work: {reason}.")
        plugins[context.name] = plugin
    return plugins


def _make(context: DeviceContext) -> DevicePlugin:
    found = {entry.name: entry for entry in metadata.entry_points(group=ENTRY_POINTS)}
    if context.name not in found:
        installed = ", ".join(sorted(found)) or "none"
        raise SettingsError(
            f"devices.{context.name}: no installed package brings this device.",
            remedy=f"Install it into robot-node's venv, or take the table out. Installed devices: {installed}.",
        )
    try:
        plugin: DevicePlugin = found[context.name].load()(context)
    except RobotNodeError:
        raise
    except Exception as error:
        raise SettingsError(f"devices.{context.name}: the device cannot be loaded: {error}.") from error
    return plugin


async def _close(name: str, plugin: DevicePlugin) -> None:
    try:
        await plugin.close()
    except Exception:  # the other devices must be closed as well
        logger.exception("The device %s could not be closed", name)
