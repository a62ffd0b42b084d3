"""A device for robot-node: how warm the processor is."""

import asyncio
import contextlib
from pathlib import Path

from mcp.server.mcpserver import MCPServer

from robot_node.plugin import DeviceContext

URI = "robot://thermometer"


class Thermometer:
    """Made at start; no I/O here."""

    def __init__(self, robot: DeviceContext) -> None:
        self.robot = robot
        self.file = Path(robot.settings.get("file", "/sys/class/thermal/thermal_zone0/temp"))
        self.limit = float(robot.settings.get("limit", 80))
        self.degrees = 0.0

    async def open(self) -> None:
        self.degrees = await asyncio.to_thread(self.read)
        self.task = asyncio.create_task(self.watch(), name="thermometer")

    async def close(self) -> None:
        if hasattr(self, "task"):
            self.task.cancel()
            await asyncio.wait((self.task,))

    def read(self) -> float:
        return int(self.file.read_text()) / 1000

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(self.robot.settings.get("every_s", 5))
            with contextlib.suppress(OSError, ValueError):  # the next reading, then
                before, self.degrees = self.degrees, await asyncio.to_thread(self.read)
                if before != self.degrees:
                    self.robot.resource_updated(URI)
                if before <= self.limit < self.degrees:
                    self.robot.events.add("thermometer", f"The processor is hot: {self.degrees:.0f} degrees.")

    def offer(self, server: MCPServer) -> None:
        @server.tool(title="Get the temperature")
        async def get_temperature() -> float:
            """How warm the robot's processor is, in degrees Celsius."""
            return self.degrees

        @server.resource(URI, name="thermometer", mime_type="text/plain")
        async def temperature() -> str:
            """The same, announced when it changes."""
            return f"{self.degrees:.1f}"
