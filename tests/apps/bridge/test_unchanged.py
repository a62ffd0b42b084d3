"""What passes the bridge passes as it is: read from what the bridge writes and what the robot gets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from robot_node.apps.private_broker import PrivateBroker
from tests.apps.bridge.agents import Message, RawAgent, ScriptedRobot, raw_agent, scripted_robot

TOOL: Message = {
    "name": "act",
    "title": "Act",
    "description": "Does something.",
    "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}},
    "outputSchema": {"type": "object"},
    "annotations": {"readOnlyHint": False, "x-own": 1},
    "execution": {"taskSupport": "forbidden"},
    "x-unknown": {"kept": None},
    "_meta": {"robot.example/zone": 3},
}


@pytest.fixture
async def robot(broker: PrivateBroker) -> AsyncIterator[ScriptedRobot]:
    async with scripted_robot(broker, [TOOL]) as scripted:
        yield scripted


@pytest.fixture
async def agent(broker: PrivateBroker, robot: ScriptedRobot) -> AsyncIterator[RawAgent]:  # noqa: ARG001  # it is there first
    async with raw_agent(broker, capabilities={"elicitation": {}}) as raw:
        yield raw


async def test_a_tool_is_described_in_the_robots_own_words(agent: RawAgent) -> None:
    tools = (await agent.request("tools/list"))["result"]["tools"]
    assert tools[1:] == [TOOL]
    assert tools[0]["name"] == "list_robots"


async def test_arguments_and_results_are_not_touched(agent: RawAgent, robot: ScriptedRobot) -> None:
    result: Message = {
        "content": [
            {"type": "text", "text": "\u2028 ü\U0001f916", "annotations": {"audience": ["user"]}, "x-own": [1, None]},
            {"type": "image", "data": "/9j/AAAA", "mimeType": "image/jpeg", "_meta": {"taken": 1.0}},
            {"type": "hologram", "data": {}},
        ],
        "structuredContent": {"nothing": None, "whole": 1, "real": 2.5, "deep": {"list": [None, {}]}},
        "isError": True,
        "_meta": {"robot.example/battery": None},
        "x-unknown": [],
    }
    robot.on_call = lambda _: [{"result": result}]
    arguments = {"n": 1, "none": None, "deep": {"a": [1.5, "ü"]}}
    answer = await agent.call("act", arguments, _meta={"robot.example/why": "because"})
    assert answer["result"] == result
    assert list(answer["result"]) == list(result)
    call = await robot.until(lambda message: message["method"] == "tools/call")
    assert call["params"] == {"name": "act", "arguments": arguments, "_meta": {"robot.example/why": "because"}}


async def test_a_large_picture_passes(agent: RawAgent, robot: ScriptedRobot) -> None:
    picture = {"type": "image", "data": "Zm9v" * 1_500_000, "mimeType": "image/jpeg"}
    robot.on_call = lambda _: [{"result": {"content": [picture]}}]
    (received,) = (await agent.call("act"))["result"]["content"]
    assert received == picture


async def test_an_error_keeps_its_code_text_and_data(agent: RawAgent, robot: ScriptedRobot) -> None:
    error = {"code": -32042, "message": "Not while I sleep.", "data": {"until": "07:00", "x": None}}
    robot.on_call = lambda _: [{"error": error}]
    assert (await agent.call("act"))["error"] == error


@pytest.mark.parametrize("token", ["mine", 7])
async def test_progress_comes_complete_in_order_and_before_the_result(
    agent: RawAgent, robot: ScriptedRobot, token: str | int
) -> None:
    steps: list[Message] = [
        {"progress": 1, "total": 3, "message": "one", "x-own": True},
        {"progress": 2.5},
        *({"progress": step} for step in range(3, 200)),
        {"progress": 200, "_meta": {"last": True}},
    ]

    def on_call(message: Message) -> list[Message]:
        given = message["params"]["_meta"]["progressToken"]
        told = [{"method": "notifications/progress", "params": {"progressToken": given} | step} for step in steps]
        return [*told, {"result": {"content": []}}]

    robot.on_call = on_call
    await agent.tools()
    agent.reads.clear()  # so that all of it waits at the bridge
    number = await agent.start("tools/call", {"name": "act", "arguments": {}, "_meta": {"progressToken": token}})
    await robot.until(lambda message: message["method"] == "tools/call")
    await robot.say({"method": "ping", "id": "all of it has arrived"})
    await robot.until(lambda message: message.get("id") == "all of it has arrived")
    agent.reads.set()
    seen: list[Message] = []
    while not seen or seen[-1].get("id") != number:
        seen.append(await agent.until(lambda _: True))
    assert [message["params"] for message in seen if message.get("method") == "notifications/progress"] == [
        {"progressToken": token} | step for step in steps
    ]


async def test_a_cancelled_call_is_cancelled_at_the_robot_and_never_answered(
    agent: RawAgent, robot: ScriptedRobot
) -> None:
    number = await agent.start("tools/call", {"name": "act", "arguments": {}})
    call = await robot.until(lambda message: message["method"] == "tools/call")
    await agent.send({"method": "notifications/cancelled", "params": {"requestId": number, "reason": "never mind"}})
    cancelled = await robot.until(lambda message: message["method"] == "notifications/cancelled")
    assert cancelled["params"]["requestId"] == call["id"]
    await robot.say({"id": call["id"], "result": {"content": []}})
    robot.on_call = lambda _: [{"result": {"content": [], "structuredContent": {"second": True}}}]
    following = await agent.start("tools/call", {"name": "act", "arguments": {}})
    answer = await agent.until(lambda message: message.get("id") in {number, following})
    assert answer == {
        "jsonrpc": "2.0",
        "id": following,
        "result": {"content": [], "structuredContent": {"second": True}},
    }


QUESTION: Message = {
    "message": "May I?",
    "requestedSchema": {"type": "object", "properties": {"yes": {"type": "boolean", "x-own": None}}},
    "x-own": 1,
}


async def test_a_robot_may_ask_the_agent_back(agent: RawAgent, robot: ScriptedRobot) -> None:
    answer: dict[str, Any] = {"action": "accept", "content": {"yes": True}, "_meta": {"x": 1}}
    agent.answer_to = lambda _: {"result": answer}
    robot.on_call = lambda _: [{"method": "elicitation/create", "id": "question-1", "params": QUESTION}]
    number = await agent.start("tools/call", {"name": "act", "arguments": {}})
    asked = await agent.until(lambda message: message.get("method") == "elicitation/create")
    assert asked["params"] == QUESTION
    assert (await robot.until(lambda message: message.get("id") == "question-1"))["result"] == answer
    await robot.say({"id": "bridge-1", "result": {"content": []}})
    assert (await agent.answer(number))["result"] == {"content": []}


async def test_what_the_agents_program_cannot_be_asked_is_an_error_for_the_robot(
    agent: RawAgent, robot: ScriptedRobot
) -> None:
    for method, params in (("sampling/createMessage", {"messages": [], "maxTokens": 1}), ("roots/list", {})):
        await agent.start("tools/call", {"name": "act", "arguments": {}})
        await robot.until(lambda message: message["method"] == "tools/call")
        await robot.say({"method": method, "id": method, "params": params})
        refused = await robot.until(lambda message, method=method: message.get("id") == method)  # type: ignore[misc]  # a lambda with a default
        assert "error" in refused
        if method == "sampling/createMessage":
            assert refused["error"]["message"] == "The agent does not support sampling/createMessage."


async def test_a_question_outside_of_any_call_is_refused(agent: RawAgent, robot: ScriptedRobot) -> None:
    await agent.tools()
    await robot.say({"method": "elicitation/create", "id": "q", "params": QUESTION})
    refused = await robot.until(lambda message: message.get("id") == "q")
    assert "no agent had called this robot" in refused["error"]["message"]
    await robot.say({"method": "ping", "id": "p"})
    assert (await robot.until(lambda message: message.get("id") == "p"))["result"] == {}


async def test_a_robot_that_vanishes_in_mid_call_gives_an_error_at_once(agent: RawAgent, robot: ScriptedRobot) -> None:
    number = await agent.start("tools/call", {"name": "act", "arguments": {}})
    await robot.until(lambda message: message["method"] == "tools/call")
    await robot.offline()
    error = (await agent.answer(number))["error"]
    assert error["code"] == -32000
    assert "scripted (tests/scripted)" in error["message"]
    await agent.until_tools(set())
    assert "No online robot has the tool 'act'" in (await agent.call("act"))["error"]["message"]
    await robot.online()
    await agent.until_tools({"act"})


async def test_a_session_that_the_robot_ends_is_opened_again(agent: RawAgent, robot: ScriptedRobot) -> None:
    robot.on_call = lambda _: [{"result": {"content": []}}]
    assert "result" in await agent.call("act")
    await robot.say({"method": "notifications/disconnected"})
    await robot.until(lambda message: message.get("method") == "initialize")
    await robot.until(lambda message: message.get("method") == "initialize")
    assert "result" in await agent.call("act")
