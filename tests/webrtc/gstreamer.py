"""A viewer made of GStreamer, in a process of the system's Python."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from robot_node.mqtt import Broker
from tests.waiting import DEADLINE_S
from tests.webrtc.scene import SERVER_ID

SCRIPT = Path(__file__).with_name("gstreamer_viewer.py")


class GStreamer:
    """The process, and what it has told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def told(self, event: str) -> dict[str, Any]:
        """The next event of this kind; others before it are passed over."""
        assert self.process.stdout
        async with asyncio.timeout(DEADLINE_S):
            async for line in self.process.stdout:
                told: dict[str, Any] = json.loads(line)
                if told["event"] == event:
                    return told
        raise AssertionError(f"GStreamer ended without {event!r}")

    async def finish(self) -> None:
        """Ask it to end; what it tells then can be read."""
        await self._write(b"end\n")

    async def request_keyframe(self) -> None:
        """Let it ask the robot for a keyframe."""
        await self._write(b"keyframe\n")

    async def _write(self, line: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(line)
        await self.process.stdin.drain()


@contextlib.asynccontextmanager
async def gstreamer(robot: Broker | str, *options: str) -> AsyncIterator[GStreamer]:
    """A viewer that offers at once, through the robot's broker, or to the URL of its WHEP endpoint."""
    signaling = (robot, "--whep") if isinstance(robot, str) else (SERVER_ID, "--port", str(robot.port))
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "TERM", "/usr/bin/python3", str(SCRIPT), *signaling, *options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=1 << 20,
    )
    viewer = GStreamer(process)
    try:
        yield viewer
        await viewer.finish()
        async with asyncio.timeout(DEADLINE_S):
            while process.stdout and await process.stdout.read(65536):
                pass
            await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
