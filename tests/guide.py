"""Runs what a page of the documentation shows, as it is written there, against a robot of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_node import hardware
from robot_node.apps.private_broker import PrivateBroker
from robot_node.devices.platform import Platform
from robot_node.settings.loading import load_settings
from robot_node.settings.root import Settings
from tests.end_to_end.robot_process import environment
from tests.robots import online_robot
from tests.waiting import DEADLINE_S, eventually

DOCS = Path(__file__).parents[1] / "docs"
_SCRIPT_DEADLINE_S = 4 * DEADLINE_S
"""A script may start several programs, one after the other, on a busy machine."""

_FROM_COMMAND_LINE = {"bash": "-euc", "node": "-e"}
_BLOCK = re.compile(r"^<!-- tested: ([a-z0-9 -]+) -->\n```(?:\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> dict[str, str]:
    """What a page marks as tested, by the name in its mark."""
    found = _BLOCK.findall((DOCS / page).read_text())
    assert len(dict(found)) == len(found), f"{page} has two blocks of one name"
    return dict(found)


@contextlib.asynccontextmanager
async def robot(
    broker: PrivateBroker,
    server_id: str = "demo-robot",
    server_name: str = "demo/robot",
    **sections: Any,
) -> AsyncIterator[tuple[Settings, Platform]]:
    """A simulated robot that is online, in this process."""
    who = {"server_id": server_id, "server_name": server_name}
    small = {"width": 320, "height": 240}
    settings = load_settings(None, {"broker": {"url": broker.url}, "robot": who, "camera": small, **sections})
    platform = hardware.choose(settings, simulated=True)
    async with online_robot(settings, platform):
        yield settings, platform


@dataclass
class Running:
    """A script that runs, and what it prints."""

    process: asyncio.subprocess.Process
    output: Path

    @property
    def printed(self) -> str:
        """What it has printed until now, errors too."""
        return self.output.read_text()

    async def until(self, text: str) -> str:
        """Wait until it has printed this."""

        def has_come() -> bool:
            assert text in self.printed or self.process.returncode is None, self.printed
            return text in self.printed

        await eventually(has_come, text)
        return self.printed


class Terminal:
    """A folder with robot-node in it, where scripts are run as a person would.

    The programs of mosquitto and robot-node find the test's broker by their settings: what they are told stays as
    written.

    Args:
        folder: Where scripts run.
        broker: The broker that stands for the demo's.
    """

    def __init__(self, folder: Path, broker: PrivateBroker) -> None:
        self.folder = folder
        self._broker = broker
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "robot-node").symlink_to(folder)
        for program in ("mosquitto_sub", "mosquitto_pub"):
            (folder / program).write_text(f"-p {broker.port}\n")

    @contextlib.asynccontextmanager
    async def running(self, script: str, *, program: str = "bash", **extra: str) -> AsyncIterator[Running]:
        """Run a script, and end it and whatever it has started at the end of the block."""
        output = self.folder / f"output-{len(list(self.folder.iterdir()))}"
        environ = {"XDG_CONFIG_HOME": str(self.folder), "PYTHONUNBUFFERED": "1", **extra}
        with output.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *(program, _FROM_COMMAND_LINE.get(program, "-c"), script),
                cwd=self.folder,
                env=environment(self._broker, environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            yield Running(process, output)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def run(self, script: str, *, program: str = "bash", extra: Mapping[str, str] | None = None) -> str:
        """Run a script to its end; returns what it printed."""
        async with self.running(script, program=program, **(extra or {})) as running:
            async with asyncio.timeout(_SCRIPT_DEADLINE_S):
                status = await running.process.wait()
            assert status == 0, running.printed
            return running.printed
