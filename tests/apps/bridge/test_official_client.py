"""The official client starts the bridge on stdio, in front of a robot process and a toy, in both protocol eras."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.session import ClientRequestContext
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp.shared.subscriptions import ResourceUpdated, ServerEvent, ToolsListChanged, event_from_wire
from mcp_types import ElicitRequestParams, ElicitResult, ImageContent, TextResourceContents

from robot_node.apps.private_broker import PrivateBroker
from tests.apps.bridge.agents import official_client, text_of
from tests.end_to_end.robot_process import RobotProcess, wait_until_online
from tests.mcp_mqtt.toys import Toy, running, toy_server
from tests.waiting import DEADLINE_S


@pytest.fixture
def toy() -> Toy:
    return toy_server()


@pytest.fixture
async def robot(broker: PrivateBroker, tmp_path: Path) -> AsyncIterator[RobotProcess]:
    process = RobotProcess(broker, tmp_path)
    await process.start()
    try:
        await wait_until_online(broker)
        yield process
    finally:
        await process.kill()
        print(process.log)


class Told:
    """What the client was told of changes."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[ServerEvent] = asyncio.Queue()

    async def legacy(self, message: Any) -> None:
        data = message.model_dump(by_alias=True)
        if (event := event_from_wire(data["method"], data["params"])) is not None:
            self._events.put_nowait(event)

    async def modern(self, client: Client, uri: str, listening: asyncio.Event) -> None:
        async with client.listen(tools_list_changed=True, resource_subscriptions=[uri]) as events:
            listening.set()
            async for event in events:
                self._events.put_nowait(event)

    async def of(self, wanted: ServerEvent) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while await self._events.get() != wanted:
                pass


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.usefixtures("robot")
async def test_an_agent_uses_all_robots_of_a_broker(broker: PrivateBroker, toy: Toy, mode: str) -> None:
    told = Told()
    handler = {"message_handler": told.legacy} if mode == "legacy" else {}
    async with official_client(broker, mode=mode, **handler) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert {"list_robots", "control_camera", "take_photo", "change_emotion"} <= tools
        assert client.server_capabilities.tools is not None
        assert client.server_capabilities.tools.list_changed
        face = "robot://face"
        assert face in {resource.uri for resource in (await client.list_resources()).resources}
        listener = await follow(client, told, face, mode)

        await client.call_tool("control_camera", {"enabled": True})
        photo = (await client.call_tool("take_photo", {})).content[0]
        assert isinstance(photo, ImageContent)
        assert base64.b64decode(photo.data).startswith(b"\xff\xd8")
        await client.call_tool("change_emotion", {"emotion": "happy"})
        await told.of(ResourceUpdated(face))
        refused = await client.call_tool("change_emotion", {"emotion": "hungry"})
        assert refused.is_error
        assert "hungry" in text_of(refused)

        async with running(broker, toy):
            await told.of(ToolsListChanged())
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert {"list_robots", "robot__take_photo", "kitchen__add"} <= tools
            await use_the_toy(client)
            happy = (await client.read_resource("bridge://robot/robot://face")).contents[0]
            assert isinstance(happy, TextResourceContents)
            assert happy.uri == "bridge://robot/robot://face"
            assert '"happy"' in happy.text
            waiting = asyncio.create_task(client.call_tool("kitchen__wait", {}))
            await toy.started.get()
        with pytest.raises(MCPError, match="robot-1"):
            await asyncio.wait_for(waiting, DEADLINE_S)
        await told.of(ToolsListChanged())
        listener.cancel()


async def follow(client: Client, told: Told, uri: str, mode: str) -> asyncio.Task[None]:
    if mode == "legacy":
        with pytest.warns(MCPDeprecationWarning):
            await client.subscribe_resource(uri)
        return asyncio.create_task(asyncio.sleep(0))
    listening = asyncio.Event()
    task = asyncio.create_task(told.modern(client, uri, listening))
    await asyncio.wait_for(listening.wait(), DEADLINE_S)
    return task


async def use_the_toy(client: Client) -> None:
    steps: list[tuple[float, float | None, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append((progress, total, message))

    counted = await client.call_tool("kitchen__count", {"to": 3}, progress_callback=on_progress)
    assert counted.structured_content == {"result": 3}
    assert steps == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]
    failed = await client.call_tool("kitchen__fail", {})
    assert failed.is_error
    assert "the toy is broken" in text_of(failed)
    with pytest.raises(MCPError, match="No online robot has the tool 'kitchen__dance'"):
        await client.call_tool("kitchen__dance", {})


@pytest.fixture
async def guarded(broker: PrivateBroker, tmp_path: Path) -> AsyncIterator[RobotProcess]:
    settings = {
        "ROBOT_NODE_ACCESS__CLIENTS": '[{"client_id": "desk", "role": "operator"}]',
        "ROBOT_NODE_ACCESS__DEFAULT_ROLE": "viewer",
        "ROBOT_NODE_ACCESS__CONFIRM_TOOLS": '["change_emotion"]',
    }
    process = RobotProcess(broker, tmp_path, settings=settings)
    await process.start()
    try:
        await wait_until_online(broker)
        yield process
    finally:
        await process.kill()
        print(process.log)


@pytest.mark.slow
@pytest.mark.usefixtures("guarded")
async def test_a_robot_knows_the_bridge_by_its_client_id_and_asks_its_person(broker: PrivateBroker) -> None:
    async with official_client(broker, mode="legacy") as viewer:
        names = {tool.name for tool in (await viewer.list_tools()).tools}
        assert names == {"list_robots", "get_status", "get_events", "wait_for_event", "take_photo", "look"}
    answers = ["accept", "decline"]
    questions = []

    async def answer(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:  # noqa: ARG001  # the SDK names it
        questions.append(params.message)
        accepted = answers[len(questions) - 1] == "accept"
        return ElicitResult(action="accept", content={}) if accepted else ElicitResult(action="decline")

    async with official_client(broker, "--client-id", "desk", mode="legacy", elicitation_callback=answer) as operator:
        assert "change_emotion" in {tool.name for tool in (await operator.list_tools()).tools}
        happy = await operator.call_tool("change_emotion", {"emotion": "happy"})
        assert not happy.is_error
        assert (await operator.call_tool("change_emotion", {"emotion": "sad"})).is_error
    assert len(questions) == 2
    assert "change_emotion" in questions[0]
