"""docs/stay.md: the agent on the page outlives its robot and its broker, and sees each event once."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.agents import agent, structured
from tests.end_to_end.robot_process import SERVER_ID, SERVER_NAME, RobotProcess
from tests.guide import Running, Terminal, blocks

SCRIPT = blocks("stay.md")["stay"].replace("demo-robot", SERVER_ID).replace("demo/robot", SERVER_NAME)
pytestmark = pytest.mark.timeout(400)  # each starts several programs, on a busy machine


async def show(broker: PrivateBroker, emotion: str) -> None:
    """Another agent changes the face."""
    async with agent(broker) as other:
        await structured(other, "change_emotion", emotion=emotion)


def seen(running: Running) -> list[str]:
    """The emotions that the agent has seen."""
    return re.findall(r"The face shows (\w+)", running.printed)


@pytest.mark.slow  # kills a robot and a broker
@pytest.mark.own_broker
async def test_it_stays_when_both_are_killed(broker: PrivateBroker, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, broker)
    folder = tmp_path / "robot"
    folder.mkdir()
    robot = RobotProcess(broker, folder)
    async with robot.online():
        async with terminal.running(SCRIPT, program=sys.executable) as running:
            await running.until("Connected.")
            cursor = tmp_path / "cursor"
            while not cursor.exists():
                await show(broker, "neutral")  # no event: it is neutral
            await show(broker, "happy")
            await running.until("The face shows happy")

            await broker.stop()
            await running.until("Disconnected: ")
            await broker.start()
            await show(broker, "sad")  # perhaps before the agent is back
            await running.until("The face shows sad")

            await robot.kill()
            async with robot.online():
                await show(broker, "angry")
                await running.until("The face shows angry")
                await show(broker, "shy")
                await running.until("The face shows shy")
        assert seen(running) == ["happy", "sad", "angry", "shy"]
