"""What a list of tools costs an agent, which pays for it in every conversation.

``python -m benchmarks.tool_list`` prints one JSON line, for the demo's robot and for two of them:

* ``robot_bytes``: the list of one robot, as JSON. Target: at most 6000.
* ``bridge_two_bytes``: the list of two robots with the same settings, through the bridge. Target: at most 9000.
* ``bridge_one_bytes``: that of one robot through the bridge.
* ``bridge_unlike_bytes``: that of two robots of which one has no pins, so that they have fewer tools in common.
* ``..._tools``: the number of tools; ``..._tokens``: an estimate, a quarter of the bytes.
* ``robot_largest``: the largest tools of the robot, with their bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import sys
from collections.abc import AsyncIterator
from typing import Any

from mcp import Client, StdioServerParameters

from benchmarks._report import command_line, print_result, progress
from robot_node import daemon, hardware
from robot_node.apps.demo_buttons import PIN_SETTINGS
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings

_BYTES_PER_TOKEN = 4
_LARGEST = 5


@contextlib.asynccontextmanager
async def _robot(broker: PrivateBroker, name: str, *, pins: bool = True) -> AsyncIterator[None]:
    """A robot with the settings of ``robot-node demo``."""
    settings = load_settings(
        None,
        {
            "broker": {"url": broker.url},
            "robot": {"server_id": name, "server_name": f"demo/{name}"},
            "webrtc": {"proxy": True, "loopback": True},
            "voice": {"engine": "espeak-ng" if shutil.which("espeak-ng") else "none"},
            **(PIN_SETTINGS if pins else {}),
        },
    )
    online = asyncio.Event()
    platform = hardware.choose(settings, simulated=True)
    serving = asyncio.create_task(daemon.run(settings, platform, on_online=online.set))
    waiting = asyncio.create_task(online.wait())
    try:
        await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield
    finally:
        await cancel_and_wait(serving, waiting)


async def _listed(client: Client) -> list[Any]:
    return [
        tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in (await client.list_tools()).tools
    ]


async def _through_bridge(broker: PrivateBroker, robots: int) -> list[Any]:
    arguments = ["-m", "robot_node", "bridge", "--broker", broker.url]
    async with Client(StdioServerParameters(command=sys.executable, args=arguments)) as client:
        while True:
            overview = (await client.call_tool("list_robots", {})).structured_content or {}
            if len([robot for robot in overview["robots"] if robot["tools"]]) == robots:
                return await _listed(client)
            await asyncio.sleep(0.1)


def _bytes(tools: list[Any]) -> int:
    return len(json.dumps({"tools": tools}, separators=(",", ":"), ensure_ascii=False).encode())


def _figures(name: str, tools: list[Any]) -> dict[str, int]:
    size = _bytes(tools)
    return {f"{name}_bytes": size, f"{name}_tools": len(tools), f"{name}_tokens": round(size / _BYTES_PER_TOKEN)}


async def measure() -> dict[str, Any]:
    """Return what is printed."""
    async with PrivateBroker() as broker, _robot(broker, "kitchen"):
        progress("one robot")
        address = Broker.from_url(broker.url)
        async with Client(mqtt_transport(address, "kitchen", "demo/kitchen")) as client:
            own = await _listed(client)
        one = await _through_bridge(broker, 1)
        progress("two robots")
        async with _robot(broker, "garage"):
            two = await _through_bridge(broker, 2)
        async with _robot(broker, "attic", pins=False):
            unlike = await _through_bridge(broker, 2)
    largest = sorted(((_bytes([tool]), tool["name"]) for tool in own), reverse=True)[:_LARGEST]
    return {
        **_figures("robot", own),
        **_figures("bridge_one", one),
        **_figures("bridge_two", two),
        **_figures("bridge_unlike", unlike),
        "robot_largest": {name: size for size, name in largest},
    }


def main() -> None:
    """The command line."""
    command_line("benchmarks.tool_list", __doc__).parse_args()
    logging.disable(logging.WARNING)
    print_result(measure())


if __name__ == "__main__":
    main()
