"""A call that a person must confirm, and everything that hosts answer instead, at the robot and through the bridge."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from mcp.server import MCPServer

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.guard import Confirmation, Guard
from tests.apps.bridge.agents import Message, raw_agent, text_in
from tests.mcp_mqtt.peers import INITIALIZED, RawPeer, call, raw_peer, request, rpc_topic
from tests.mcp_mqtt.toys import Toy, running

ELSEWHERE = "Ask at the front desk."
SUPPORTED: Message = {"elicitation": {}}
INFO: Message = {"name": "raw", "version": "1"}

# What a host declares, what it answers, and what the model reads.
CASES: dict[str, tuple[Message, Message | None, str]] = {
    "declined": (SUPPORTED, {"result": {"action": "decline"}}, "The client declined after 0.0 s (some clients do so"),
    "cancelled": (SUPPORTED, {"result": {"action": "cancel"}}, "The client cancelled after 0.0 s (some clients do so"),
    "unknown method": (
        SUPPORTED,
        {"error": {"code": -32601, "message": "Method not found"}},
        'The client did not ask one: after 0.0 s it returned the error -32601, "Method not found".',
    ),
    "invalid parameters": (
        SUPPORTED,
        {"error": {"code": -32602, "message": "No\nform"}},
        'The client did not ask one: after 0.0 s it returned the error -32602, "No\\nform".',
    ),
    "an empty answer": (SUPPORTED, {"result": {}}, "The client's answer, after 0.0 s, is not valid"),
    "an unknown action": (SUPPORTED, {"result": {"action": "maybe"}}, "The client's answer, after 0.0 s, is not valid"),
    "never answered": (SUPPORTED, None, "No answer came within 0.3 s."),
    "not declared": ({}, None, "The client cannot ask one: it does not declare MCP's elicitation capability"),
}
FROM_THE_BRIDGE = {
    case: f'after 0.0 s it returned the error -32600, "{error}".'
    for case, error in {
        "an empty answer": "The agent's answer to elicitation/create is not valid.",
        "an unknown action": "The agent's answer to elicitation/create is not valid.",
        "not declared": "The agent does not support elicitation/create.",
    }.items()
}


class Robot:
    """A robot whose tool ``move`` a person must confirm."""

    def __init__(self, timeout_s: float) -> None:
        self.moved = 0
        confirmation = Confirmation(tools=frozenset({"move"}), timeout_s=timeout_s, elsewhere=ELSEWHERE)
        server = MCPServer("toy", middleware=[Guard(confirmation=confirmation, clock=lambda: 0.0)])
        server.add_tool(self.move)
        self.toy = Toy(server)

    def move(self) -> str:
        """Move."""
        self.moved += 1
        return "done"


def robot_for(answer: Message | None) -> Robot:
    return Robot(0.3 if answer is None else 60.0)  # the deadline of a busy machine, unless it is what is tested


@contextlib.asynccontextmanager
async def mqtt_agent(
    broker: PrivateBroker, capabilities: Message, answer: Message | None
) -> AsyncIterator[Callable[[], Awaitable[Message]]]:
    async with raw_peer(broker, "host") as peer:
        params = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": INFO}
        await peer.control(request(0, "initialize", params))
        await peer.answer(0)
        await peer.rpc(INITIALIZED)

        async def move() -> Message:
            await peer.rpc(call(1, "move"))
            if capabilities:
                asked = await peer.until(lambda got: got.topic == rpc_topic("host") and "method" in got.json)
                assert asked.json["method"] == "elicitation/create"
                if answer is not None:
                    await peer.rpc({"jsonrpc": "2.0", "id": asked.json["id"]} | answer)
            return await peer.answer(1)

        yield move


@contextlib.asynccontextmanager
async def bridged_agent(
    broker: PrivateBroker, capabilities: Message, answer: Message | None
) -> AsyncIterator[Callable[[], Awaitable[Message]]]:
    async with raw_agent(broker, capabilities=capabilities) as agent:
        agent.answer_to = lambda _: answer
        yield lambda: agent.call("move")


@pytest.mark.parametrize("host", [mqtt_agent, bridged_agent], ids=["at the robot", "through the bridge"])
@pytest.mark.parametrize("case", CASES)
async def test_the_model_reads_which_call_needs_a_person_what_came_back_and_where_to_confirm(
    broker: PrivateBroker, host: Any, case: str
) -> None:
    capabilities, answer, outcome = CASES[case]
    robot = robot_for(answer)
    async with running(broker, robot.toy), host(broker, capabilities, answer) as move:
        text = text_in(await move(), is_error=True)
    if host is bridged_agent:
        outcome = FROM_THE_BRIDGE.get(case, outcome)
    assert text.startswith("move was not carried out: a person must confirm it. ")
    assert outcome in text
    assert text.endswith(ELSEWHERE)
    assert robot.moved == 0


@pytest.mark.parametrize("host", [mqtt_agent, bridged_agent], ids=["at the robot", "through the bridge"])
async def test_an_accepted_call_is_carried_out(broker: PrivateBroker, host: Any) -> None:
    accepted: Message = {"result": {"action": "accept", "content": {}}}
    robot = robot_for(accepted)
    async with running(broker, robot.toy), host(broker, SUPPORTED, accepted) as move:
        assert (await move())["result"]["content"][0]["text"] == "done"
    assert robot.moved == 1


async def test_an_agent_of_2026_07_28_that_uses_the_bridge_is_told_so(broker: PrivateBroker) -> None:
    robot = Robot(60.0)
    meta = envelope(SUPPORTED)
    async with running(broker, robot.toy), raw_agent(broker, handshake=False) as agent:
        text = text_in(await agent.call("move", **meta), is_error=True)
    assert "The bridge cannot send elicitation/create to an agent with MCP 2026-07-28." in text
    assert text.endswith(ELSEWHERE)


def envelope(capabilities: Message) -> Message:
    prefix = "io.modelcontextprotocol"
    return {
        "_meta": {
            f"{prefix}/protocolVersion": "2026-07-28",
            f"{prefix}/clientInfo": INFO,
            f"{prefix}/clientCapabilities": capabilities,
        }
    }


async def modern_move(peer: RawPeer, number: int, capabilities: Message, **more: object) -> Message:
    message = call(number, "move")
    message["params"] |= envelope(capabilities) | more
    await peer.rpc(message)
    answer: Message = await peer.answer(number)
    return answer


@pytest.mark.parametrize("case", ["declined", "cancelled", "an empty answer", "an unknown action", "not declared"])
async def test_the_same_in_2026_07_28_where_the_call_is_repeated_with_the_answer(
    broker: PrivateBroker, case: str
) -> None:
    capabilities, answer, outcome = CASES[case]
    robot = Robot(60.0)
    async with running(broker, robot.toy), raw_peer(broker, "host") as peer:
        await peer.control(request(1, "server/discover", envelope(capabilities)))
        await peer.answer(1)
        told = await modern_move(peer, 2, capabilities)
        if answer is not None:
            state = told["result"]["requestState"]
            replies = {"confirm": answer["result"]}
            told = await modern_move(peer, 3, capabilities, inputResponses=replies, requestState=state)
    text = text_in(told, is_error=True)
    assert outcome in text
    assert text.endswith(ELSEWHERE)
    assert robot.moved == 0
