"""What the bridge tells agents of robots: instructions, changes, and why none can be reached."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from robot_node.apps.private_broker import PrivateBroker
from tests.apps.bridge.agents import Message, RawAgent, raw_agent, scripted_robot, text_in
from tests.mcp_mqtt.toys import running, toy_server
from tests.waiting import eventually

NOD: Message = {"name": "nod", "inputSchema": {"type": "object"}}
LIGHT: Message = {"resources": [{"uri": "room://light", "name": "light"}]}
ENVELOPE: Message = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}


def welcome(instructions: object) -> Message:
    info = {"name": "scripted", "version": "1"}
    known: Message = {"protocolVersion": "2025-03-26", "capabilities": {"tools": {}}, "serverInfo": info}
    return {"initialize": known | {"instructions": instructions}}


async def test_the_instructions_of_each_robot_reach_the_agent(broker: PrivateBroker) -> None:
    robots: dict[str, Any] = {"one": "Be kind.\nNod \x1b[31mslowly\u202e.", "two": "x" * 9000, "three": None, "four": 7}
    async with contextlib.AsyncExitStack() as stack:
        for name, instructions in robots.items():
            robot = scripted_robot(
                broker, [NOD], server_id=name, server_name=f"tests/{name}", results=welcome(instructions)
            )
            await stack.enter_async_context(robot)
        async with raw_agent(broker, handshake=False) as agent:
            modern = (await agent.request("server/discover", ENVELOPE))["result"]["instructions"]
            legacy = (await agent.handshake())["instructions"]
    assert modern == legacy
    assert legacy.startswith("The tools of robots that are online.")
    assert "Instructions of the robot one (tests/one):\nBe kind.\nNod \\x1b[31mslowly\\u202e." in legacy
    assert "Instructions of the robot two (tests/two):\n" + "x" * 4000 in legacy
    assert "x" * 4001 not in legacy
    assert "robot three" not in legacy
    assert "robot four" not in legacy


async def announced(agent: RawAgent) -> list[str]:
    """The announcements that have arrived, in front of the answer to a request."""
    number = await agent.start("ping")
    seen: list[Message] = []
    while not seen or seen[-1].get("id") != number:
        seen.append(await agent.until(lambda _: True))
    return sorted(message["method"].removeprefix("notifications/") for message in seen[:-1])


async def test_each_change_is_announced_once(broker: PrivateBroker) -> None:
    both = ["resources/list_changed", "tools/list_changed"]

    async def until_told(method: str) -> list[str]:
        await agent.notified(f"notifications/{method}")
        await agent.tools()  # whatever belongs to the change has been sent when this is answered
        return sorted([method, *await announced(agent)])

    async with raw_agent(broker) as agent:
        assert await agent.tools() == ["list_robots"]
        assert await announced(agent) == []
        async with scripted_robot(broker, [NOD], results={"resources/list": LIGHT}) as robot:
            assert await until_told("resources/list_changed") == both
            robot.results["resources/list"] = {"resources": []}
            await robot.announce("notifications/resources/list_changed", {})
            assert await until_told("resources/list_changed") == ["resources/list_changed"]
            robot.tools = []
            await robot.announce("notifications/tools/list_changed", {})
            assert await until_told("tools/list_changed") == ["tools/list_changed"]
            robot.results["resources/list"] = LIGHT
            await robot.announce("notifications/resources/list_changed", {})
            assert await until_told("resources/list_changed") == ["resources/list_changed"]
            robot.tools = [NOD]
            await robot.announce("notifications/tools/list_changed", {})
            assert await until_told("tools/list_changed") == ["tools/list_changed"]
        assert await until_told("resources/list_changed") == both


@pytest.mark.own_broker
async def test_while_the_broker_is_away_its_reason_is_given_and_nothing_else(broker: PrivateBroker) -> None:
    async with running(broker, toy_server()), raw_agent(broker) as agent:
        assert "add" in await agent.tools()
        await broker.stop()
        await agent.until_tools(set())

        async def is_unreachable() -> bool:
            return "Cannot reach" in text_in(await agent.call("list_robots"))

        await eventually(is_unreachable, "the first attempt to connect has failed")
        answers = [
            await agent.call("add", {"a": 1, "b": 2}),
            await agent.call("no_such_tool"),
            await agent.request("resources/read", {"uri": "robot://status"}),
            await agent.request("resources/subscribe", {"uri": "robot://status"}),
        ]
        await broker.start()
    for answer in answers:
        message = answer["error"]["message"]
        assert message.startswith("The bridge has no connection to the broker: Cannot reach the MQTT broker at mqtt://")
        assert message.endswith("It keeps trying to reconnect.")
        assert "No online robot" not in message
