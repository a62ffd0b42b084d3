"""The library guide, docs/mcp-over-mqtt.md: its programs print what it says, its tables are true."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import sys
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.jsonrpc import ErrorCode
from robot_node.mcp_mqtt.options import ServerLimits
from robot_node.mcp_mqtt.presence import online_servers
from robot_node.mqtt import Broker
from tests.waiting import DEADLINE_S

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "mcp-over-mqtt.md").read_text()
PROGRAM = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
DEFAULT_BROKER = "mqtt://127.0.0.1:1883"


async def start(folder: Path, number: int, program: str, broker: PrivateBroker) -> asyncio.subprocess.Process:
    path = folder / f"program_{number}.py"
    path.write_text(program.replace(DEFAULT_BROKER, broker.url))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    return await asyncio.create_subprocess_exec(
        sys.executable, str(path), env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


@pytest.mark.slow
async def test_every_program_of_the_guide_prints_what_the_guide_says(
    broker: PrivateBroker, address: Broker, tmp_path: Path
) -> None:
    (server, nothing), *clients = PROGRAM.findall(GUIDE)
    assert len(clients) == GUIDE.count("```python") - 1 >= 4
    assert not nothing
    serving = await start(tmp_path, 0, server, broker)
    try:
        async with asyncio.timeout(DEADLINE_S * 2):
            while not await online_servers(address):
                assert serving.returncode is None
            running = [await start(tmp_path, number, text, broker) for number, (text, _) in enumerate(clients, 1)]
            for process, (program, promised) in zip(running, clients, strict=True):
                printed, complaints = await process.communicate()
                assert process.returncode == 0, f"{program}\n{complaints.decode()}"
                assert promised
                assert printed.decode() == promised
    finally:
        serving.kill()
        await serving.wait()


def test_every_error_code_and_every_limit_stands_in_the_guide() -> None:
    for code in ErrorCode:
        assert f"| {code.value} | `{code.name}` |" in GUIDE
    limits = [limit for kind in (ServerLimits, Broker) for limit in dataclasses.fields(kind) if limit.name != "qos"]
    numbers = [limit for limit in limits if isinstance(limit.default, int | float)]
    assert len(numbers) > 10
    for limit in numbers:
        assert f"| `{limit.name}` | {limit.default} |" in GUIDE
