"""A device for robot-node: the temperature of the processor."""

import asyncio
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from robot_node.plugin import DeviceContext

URI = "robot://thermometer"


class Thermometer:
    """Created at start; no I/O in the constructor."""

    def __init__(self, robot: DeviceContext) -> None:
        self.robot = robot
        self.file = Path(robot.settings.get("file", "/sys/class/thermal/thermal_zone0/temp"))
        self.limit = float(robot.settings.get("limit", 80))
        self.degrees: float | None = None  # None: no reading

    async def open(self) -> None:
        self.degrees = await self.measure()
        self.task = asyncio.create_task(self.watch(), name="thermometer")

    async def close(self) -> None:
        if hasattr(self, "task"):
            self.task.cancel()
            await asyncio.wait((self.task,))

    async def measure(self) -> float | None:
        try:
            degrees = int(await asyncio.to_thread(self.file.read_text)) / 1000
        except (OSError, ValueError) as error:
            self.robot.report_fault(f"The temperature cannot be read: {error}.")
            return None
        self.robot.report_fault("")
        return degrees

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(self.robot.settings.get("every_s", 5))
            before, self.degrees = self.degrees, await self.measure()
            if before != self.degrees:
                self.robot.resource_updated(URI)
            if before and self.degrees and before <= self.limit < self.degrees:
                self.robot.events.add("thermometer", f"The processor is hot: {self.degrees:.0f} degrees.")

    def offer(self, server: MCPServer) -> None:
        @server.tool(title="Get the temperature")
        async def get_temperature() -> float:
            """Return the temperature of the robot's processor, in degrees Celsius."""
            if self.degrees is None:
                raise ToolError("The temperature cannot be read; faults in get_status has the reason.")
            return self.degrees

        @server.resource(URI, name="thermometer", mime_type="text/plain")
        async def temperature() -> str:
            """The same, with notifications of changes."""
            return "unknown" if self.degrees is None else f"{self.degrees:.1f}"
