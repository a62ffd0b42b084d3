"""docs/bridge.md: its program runs, what it prints is true."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from tests.apps.bridge.agents import Message, scripted_robot
from tests.command import command
from tests.end_to_end.robot_process import environment
from tests.waiting import DEADLINE_S

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "bridge.md").read_text()
DEFAULT_BROKER = "mqtt://127.0.0.1:1883"
INSTALLED = "/home/you/robot-node/.venv/bin/robot-node"


@pytest.mark.slow
async def test_the_program_of_the_guide_reaches_the_robots(broker: PrivateBroker, tmp_path: Path) -> None:
    found = re.search(r"^<!-- tested -->\n```python\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    assert found
    executable = str(Path(sys.executable).with_name("robot-node"))
    program = found[1].replace(DEFAULT_BROKER, broker.url).replace(".venv/bin/robot-node", executable)
    (tmp_path / "program.py").write_text(program)
    tools: list[Message] = [{"name": "change_emotion", "inputSchema": {"type": "object"}}]
    async with scripted_robot(broker, tools) as robot:
        robot.on_call = lambda _: [{"result": {"content": []}}]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "program.py",
            cwd=tmp_path,
            env=environment(None),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, complaints = await asyncio.wait_for(process.communicate(), 2 * DEADLINE_S)
        assert process.returncode == 0, complaints.decode()
        assert f"1 online at {broker.url}:\n- scripted (tests/scripted)" in printed.decode()
        call = await robot.until(lambda message: message["method"] == "tools/call")
        assert call["params"]["arguments"] == {"emotion": "happy"}


def test_the_settings_in_the_guide_are_those_that_are_printed() -> None:
    shown = re.search(r"^```json\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    assert shown
    printed = command("bridge", "--print-config", "claude-desktop").stdout
    here = json.loads(printed)["mcpServers"]["robots"]["command"]
    assert printed == shown[1].replace(INSTALLED, here)


def test_every_command_of_the_guide_is_understood() -> None:
    commands = re.findall(r"^\.venv/bin/robot-node (bridge .*--print-config .*)$", GUIDE, re.MULTILINE)
    assert len(commands) == 5
    for arguments in commands:
        printed = command(*arguments.split())
        assert printed.status == 0, printed.stderr
        assert "robots" in json.loads(printed.stdout).popitem()[1]
        assert "secret" not in printed.stdout
