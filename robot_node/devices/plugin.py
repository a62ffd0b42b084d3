"""What a package implements that adds a device to the robot. See docs/add-a-device.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from mcp.server.mcpserver import MCPServer

from robot_node.core.events import EventLog
from robot_node.core.state import RobotState, device_fault
from robot_node.devices.platform import Platform

ENTRY_POINTS = "robot_node.devices"
"""Group of the entry points; each gives a :data:`DeviceFactory`."""


@dataclass(frozen=True, slots=True)
class DeviceContext:
    """What a device is given.

    Attributes:
        name: Its name: that of its entry point, and of its table in the settings.
        settings: What its table ``[devices.NAME]`` says. Raise SettingsError for what cannot be used.
        platform: The hardware. Import no hardware library where the platform gives one.
        state: What is true of the robot.
        events: Where to tell what happens.
        resource_updated: Call it with the URI of a resource whose content has changed. On the event loop only.
    """

    name: str
    settings: Mapping[str, Any]
    platform: Platform
    state: RobotState
    events: EventLog
    resource_updated: Callable[[str], None]

    def report_fault(self, error: str) -> None:
        """Report why the device does not work, in a sentence; empty: it works. Events, face and monitoring show it."""
        self.state.set_fault(device_fault(self.name), error)


class DevicePlugin(Protocol):
    """A device. Every method is called on the event loop."""

    async def open(self) -> None:
        """Take the hardware. What is raised is logged and becomes the device's fault, and the robot goes on."""

    async def close(self) -> None:
        """Stop what moves, and give the hardware back; called once, also when :meth:`open` has failed."""

    def offer(self, server: MCPServer) -> None:
        """Add the device's tools and resources, before the server is online."""


@runtime_checkable
class Stoppable(Protocol):
    """What a device that moves or sounds has besides: ``stop_all`` reaches it."""

    async def stop(self) -> bool:
        """Stop at once, and say whether anything moved or sounded.

        Called whenever somebody asks, also when :meth:`DevicePlugin.open` has failed, also while a tool of the device
        is at work. The caller gets its exception, or an error when it takes longer than 5 s.
        """


DeviceFactory = Callable[[DeviceContext], DevicePlugin]
"""Makes a device; no I/O yet."""
