"""EMQX's bridge plugin and a robot that moves: each renewal of the presence makes it open its session again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.settings.loading import load_settings
from tests.mcp_mqtt.emqx_bridge_plugin import CALL_LIMIT_S, EmqxBridgePlugin, emqx_bridge_plugin
from tests.mcp_mqtt.peers import INITIALIZED, RawPeer, initialize, raw_peer
from tests.robots import online_robot
from tests.waiting import DEADLINE_S, eventually

SERVER_ID, SERVER_NAME = "moving-robot", "tests/moving"
CONTROL = f"$mcp-server/{SERVER_ID}/{SERVER_NAME}"
AHEAD, BACK, NECK = 20, 21, 18
_RENEWALS = 3  # of a presence while it is valid


@contextlib.asynccontextmanager
async def moving_robot(broker: PrivateBroker, *, presence_expiry_s: int) -> AsyncIterator[SimulatedPi]:
    pi = simulated_platform(scene="clock")
    outputs = {
        "wheel": {"kind": "motor", "pins": [AHEAD, BACK], "max_duration_s": 60, "max_acceleration": 100},
        "neck": {"kind": "servo", "pin": NECK},
    }
    settings = load_settings(
        None,
        {
            "broker": {"url": broker.url},
            "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME},
            "mcp": {"presence_expiry_s": presence_expiry_s},
            "display": {"driver": "none"},
            "webrtc": {"enabled": False},
            "pins": {"outputs": outputs},
        },
    )
    async with online_robot(settings, pi.platform):
        yield pi


@dataclass(frozen=True)
class Pace:
    """How long the robot moves, and how often it renews its presence meanwhile."""

    motion_s: float
    renewal_s: int
    call_limit_s: float


FAST = Pace(motion_s=1.5, renewal_s=1, call_limit_s=0.2)
AS_IN_THE_FIELD = pytest.param(Pace(motion_s=12, renewal_s=5, call_limit_s=CALL_LIMIT_S), marks=pytest.mark.slow)


async def call(plugin: EmqxBridgePlugin, tool: str, pace: Pace, **arguments: object) -> dict[str, object]:
    return await plugin.call(SERVER_ID, SERVER_NAME, tool, arguments, limit_s=pace.call_limit_s)


@pytest.mark.peer("EMQX MCP bridge plugin", works="calls and motions outlast its `initialize` at each presence")
@pytest.mark.parametrize("pace", [FAST, AS_IN_THE_FIELD])
async def test_motions_of_the_plugin_outlast_the_renewals_of_the_presence(broker: PrivateBroker, pace: Pace) -> None:
    async with (
        moving_robot(broker, presence_expiry_s=_RENEWALS * pace.renewal_s) as pi,
        emqx_bridge_plugin(broker) as plugin,
    ):
        await eventually(lambda: "move_servo" in {tool["name"] for tool in plugin.tools.get(SERVER_NAME, [])})
        patient = Pace(pace.motion_s, pace.renewal_s, DEADLINE_S)
        driving = {"name": "wheel", "speed": 1, "duration": pace.motion_s}
        assert not (await call(plugin, "drive_motor", patient, **driving)).get("isError")
        await eventually(lambda: pi.gpio.level(AHEAD) == 1)
        started, before = asyncio.get_running_loop().time(), len(plugin.welcomes)
        with pytest.raises(TimeoutError):
            await call(plugin, "move_servo", pace, name="neck", angle=90, duration=pace.motion_s)
        await eventually(lambda: plugin.late)  # the servo's call has ended, and was answered
        assert not plugin.late[0].get("isError"), plugin.late
        assert plugin.late[0]["structuredContent"] == {"angle": 90, "reached": True}
        await eventually(lambda: pi.gpio.level(AHEAD) == 0)
        assert asyncio.get_running_loop().time() - started >= pace.motion_s * 0.9, "the motor stopped before its time"
        assert len(plugin.welcomes) > before, "there was a renewal meanwhile"
        assert plugin.welcomes == [plugin.welcomes[0]] * len(plugin.welcomes)
        assert plugin.dropped == []


async def test_a_session_that_another_one_replaces_lets_its_motions_end(broker: PrivateBroker) -> None:
    rpc = f"$mcp-rpc/agent/{SERVER_ID}/{SERVER_NAME}"
    async with moving_robot(broker, presence_expiry_s=600) as pi, raw_peer(broker, "agent") as agent:
        await agent.subscribe(rpc)

        async def result(request_id: int) -> dict[str, object]:
            answer = await agent.until(lambda message: message.json.get("id") == request_id and message.topic == rpc)
            found: dict[str, object] = answer.json["result"]
            return found

        await open_session(agent, rpc, version="1")
        await result(0)
        for number, (tool, arguments) in enumerate(
            [
                ("move_servo", {"name": "neck", "angle": 90, "duration": 1}),
                ("drive_motor", {"name": "wheel", "speed": 1, "duration": 60}),
            ],
            start=1,
        ):
            params = {"name": tool, "arguments": arguments}
            await agent.publish(rpc, {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
        await result(2)
        await eventually(lambda: pi.gpio.level(AHEAD) == 1)
        await open_session(agent, rpc, version="2")
        await result(0)
        assert (await result(1))["structuredContent"] == {"angle": 90, "reached": True}
        # The replaced session has ended now, with its last call. Another one:
        await open_session(agent, rpc, version="3")
        await result(0)
        assert pi.gpio.level(AHEAD) == 1, "the wheel turns on"
        await agent.leave()
        await eventually(lambda: pi.gpio.level(AHEAD) == 0, "what moves stops when its client leaves")


async def open_session(agent: RawPeer, rpc: str, *, version: str) -> None:
    await agent.publish(CONTROL, initialize(version=version))
    await agent.publish(rpc, INITIALIZED)
