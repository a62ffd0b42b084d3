"""What an agent may read and follow, with the official client over a real broker; updates are counted on the wire."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiomqtt
import pytest
from mcp import Client, MCPDeprecationWarning, MCPError
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import BlobResourceContents, ResourceUpdatedNotification, TextResourceContents
from PIL import Image

from hw_mocks.platform import simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.devices.camera.camera import Camera
from robot_node.face.expressions import Emotion
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.mcp_mqtt.server import ServerOptions, serve
from robot_node.mqtt import Broker
from robot_node.robot.robot import Robot
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.devices import CameraSettings
from robot_node.tools.resources import ResourceAnnouncer
from robot_node.tools.server import build_server
from tests.faces import emotion_in
from tests.robots import make_robot
from tests.waiting import DEADLINE_S

SERVER_ID, SERVER_NAME = "robot-1", "tests/robot"
CAPABILITY = f"$mcp-server/capability/{SERVER_ID}/{SERVER_NAME}"
MODES = pytest.mark.parametrize("mode", ["legacy", "auto"])


@dataclass
class Tap:
    """What crosses the broker on the robot's capability topic."""

    updates: list[str] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            said = json.loads(message.payload)
            assert said["method"] == "notifications/resources/updated"
            self.updates.append(said["params"]["uri"])
            self.more.set()

    async def until(self, uri: str, times: int = 1) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while self.updates.count(uri) < times:
                self.more.clear()
                await self.more.wait()


@dataclass
class OnlineRobot:
    """A robot that is online, and what a stranger sees of its updates."""

    broker: PrivateBroker
    parts: Robot
    tap: Tap

    @contextlib.asynccontextmanager
    async def agent(self, mode: str = "auto", client_id: str | None = None) -> AsyncIterator[Agent]:
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def hear(message: object) -> None:
            if isinstance(message, ResourceUpdatedNotification):
                heard.put_nowait(str(message.params.uri))

        broker = Broker.from_url(self.broker.url)
        transport = mqtt_transport(broker, SERVER_ID, SERVER_NAME, client_id=client_id)
        async with Client(transport, mode=mode, message_handler=hear) as client:
            yield Agent(client, heard)


@dataclass
class Agent:
    """The official client, and the updates that it was told of."""

    client: Client
    heard: asyncio.Queue[str]

    async def read(self, uri: str) -> Any:
        content, *_ = (await self.client.read_resource(uri)).contents  # robot://face has its picture, too
        assert isinstance(content, TextResourceContents)
        assert content.mime_type == "application/json"
        return json.loads(content.text)

    async def call(self, tool: str, **arguments: object) -> None:
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result.content

    async def subscribe(self, uri: str) -> None:
        with pytest.warns(MCPDeprecationWarning):
            await self.client.subscribe_resource(uri)

    async def unsubscribe(self, uri: str) -> None:
        with pytest.warns(MCPDeprecationWarning):
            await self.client.unsubscribe_resource(uri)


@pytest.fixture
async def robot(broker: PrivateBroker, parts: Robot) -> AsyncIterator[OnlineRobot]:
    """The robot, online on a real broker, with a tap on its capability topic."""
    notifier, online, tap = Notifier(), asyncio.Event(), Tap()
    server = build_server(parts, name=SERVER_NAME, description="A robot.", notifier=notifier)
    options = ServerOptions(server_id=SERVER_ID, server_name=SERVER_NAME)
    address = Broker.from_url(broker.url)
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as listener:
        await listener.subscribe(CAPABILITY)
        tasks = [
            asyncio.create_task(tap.read(listener)),
            asyncio.create_task(ResourceAnnouncer(parts.telemetry, notifier.resource_updated, settle_s=0.05).run()),
            asyncio.create_task(serve(address, server, options, notifier=notifier, on_online=online.set)),
        ]
        async with asyncio.timeout(DEADLINE_S):
            await online.wait()
        yield OnlineRobot(broker, parts, tap)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            assert task.cancelled(), task.exception()


@MODES
async def test_the_resources_are_listed_and_what_they_hold_is_json(robot: OnlineRobot, mode: str) -> None:
    async with robot.agent(mode) as agent:
        listed = {str(resource.uri): resource for resource in (await agent.client.list_resources()).resources}
        picture = listed.pop("robot://face.png")
        assert picture.mime_type == "image/png"
        assert set(listed) == {"robot://status", "robot://camera", "robot://face", "robot://events"}
        for resource in listed.values():
            assert resource.mime_type == "application/json"
            assert resource.description
        (template,) = (await agent.client.list_resource_templates()).resource_templates
        assert template.uri_template == "robot://events{?after}"

        status = (await agent.client.call_tool("get_status", {"details": True})).structured_content
        assert status is not None
        read = await agent.read("robot://status")
        assert set(read) == set(status)
        assert (read["camera"], read["emotion"], read["versions"]) == ("off", "neutral", status["versions"])
        assert await agent.read("robot://camera") == {
            "camera": "off",
            "camera_error": "",
            "privacy": False,
            "recording": None,
            "viewers": 0,
        }
        assert await agent.read("robot://face") == {"emotion": "neutral", "display_error": ""}
        assert await agent.read("robot://events") == {"last": 0, "events": []}
        with pytest.raises(MCPError, match="robot://nothing"):
            await agent.client.read_resource("robot://nothing")


@MODES
async def test_the_server_says_that_resources_can_be_subscribed_to(robot: OnlineRobot, mode: str) -> None:
    async with robot.agent(mode) as agent:
        capabilities = agent.client.server_capabilities
        assert capabilities.resources is not None
        assert capabilities.resources.subscribe


@MODES
async def test_the_picture_of_the_face_is_what_it_looks_like_now(robot: OnlineRobot, mode: str) -> None:
    async with robot.agent(mode) as agent:
        await agent.call("change_emotion", emotion="laugh")
        async with asyncio.timeout(DEADLINE_S):
            while emotion_in(await picture_of_the_face(agent)) is not Emotion.LAUGH:  # it takes its time to turn
                pass


async def picture_of_the_face(agent: Agent) -> Image.Image:
    (content,) = (await agent.client.read_resource("robot://face.png")).contents
    assert isinstance(content, BlobResourceContents)
    assert content.mime_type == "image/png"
    picture = Image.open(io.BytesIO(base64.b64decode(content.blob)))
    assert picture.size == (128, 64)
    return picture


async def test_what_another_agent_does_is_one_update_of_each_resource_it_changes(robot: OnlineRobot) -> None:
    async with robot.agent("legacy") as agent, robot.agent("auto", "the-other") as other:
        for uri in ("robot://face", "robot://events", "robot://camera"):
            await agent.subscribe(uri)
        await other.call("change_emotion", emotion="happy")
        async with asyncio.timeout(DEADLINE_S):
            assert {await agent.heard.get(), await agent.heard.get()} == {"robot://face", "robot://events"}
        assert await agent.read("robot://face") == {"emotion": "happy", "display_error": ""}
        (event,) = (await agent.read("robot://events"))["events"]
        assert (event["kind"], event["text"], event["by"]) == ("emotion", "The face shows happy.", "the-other")

        # A second change comes after everything that the first one caused.
        await other.call("change_emotion", emotion="sad")
        await robot.tap.until("robot://events", 2)
        await robot.tap.until("robot://face", 2)
        assert sorted(robot.tap.updates) == ["robot://events"] * 2 + ["robot://face"] * 2


async def test_an_update_is_published_once_however_many_have_subscribed(robot: OnlineRobot) -> None:
    async with robot.agent("legacy") as one, robot.agent("legacy") as two, robot.agent("auto") as three:
        for agent in (one, two):
            await agent.subscribe("robot://face")
        for emotion in ("happy", "sad"):
            await three.call("change_emotion", emotion=emotion)
            async with asyncio.timeout(DEADLINE_S):
                assert {await one.heard.get(), await two.heard.get()} == {"robot://face"}
        assert robot.tap.updates == ["robot://face"] * 2


async def test_a_client_of_2026_is_told_on_its_own_stream(robot: OnlineRobot) -> None:
    async with robot.agent("auto") as agent, robot.agent("legacy", "the-other") as other:
        async with agent.client.listen(resource_subscriptions=["robot://face"]) as updates:
            for emotion in ("happy", "sad"):
                await other.call("change_emotion", emotion=emotion)
                async with asyncio.timeout(DEADLINE_S):
                    assert await anext(updates) == ResourceUpdated("robot://face")
                assert (await agent.read("robot://face"))["emotion"] == emotion
        assert robot.tap.updates == []


async def test_whoever_unsubscribes_is_told_no_more(robot: OnlineRobot) -> None:
    async with robot.agent("legacy") as agent:
        for uri in ("robot://face", "robot://camera"):
            await agent.subscribe(uri)
        await agent.unsubscribe("robot://face")
        await agent.call("change_emotion", emotion="happy")
        await agent.call("control_camera", enabled=True)
        await robot.tap.until("robot://camera")
        assert "robot://face" not in robot.tap.updates


async def test_nobody_subscribes_to_a_resource_that_there_is_not(robot: OnlineRobot) -> None:
    nowhere = "robot://" + "x" * 100_000
    async with robot.agent("legacy") as agent, robot.agent("auto", "modern") as modern:
        for uri in ("robot://nothing", nowhere, "robot://pins/nothing"):
            with pytest.raises(MCPError, match="There is no resource 'robot://"):
                await agent.subscribe(uri)
            with pytest.raises(MCPError, match="There is no resource 'robot://"):
                async with modern.client.listen(resource_subscriptions=["robot://face", uri]):
                    pass
        for uri in ("robot://events", "robot://events?after=7"):
            await agent.subscribe(uri)


async def test_a_subscription_ends_with_its_session(robot: OnlineRobot) -> None:
    async with robot.agent("legacy") as gone:
        await gone.subscribe("robot://face")
    async with robot.agent("legacy") as agent:
        await agent.subscribe("robot://camera")
        await agent.call("change_emotion", emotion="happy")
        await agent.call("control_camera", enabled=True)
        await robot.tap.until("robot://camera")
        assert "robot://face" not in robot.tap.updates


@MODES
async def test_the_camera_is_followed_and_events_say_who_switched_it(robot: OnlineRobot, mode: str) -> None:
    async with robot.agent(mode, "agent-1") as agent, robot.agent("legacy") as follower:
        await follower.subscribe("robot://camera")
        assert (await agent.read("robot://camera"))["camera"] == "off"
        await agent.call("control_camera", enabled=True)
        await robot.tap.until("robot://camera")
        assert (await agent.read("robot://camera"))["camera"] == "on"
        await agent.call("control_camera", enabled=False)
        events = (await agent.read("robot://events"))["events"]
        assert [(event["text"], event["by"]) for event in events] == [
            ("The camera was switched on.", "agent-1"),
            ("The camera was switched off.", "agent-1"),
        ]


async def test_viewers_and_faults_come_and_go(robot: OnlineRobot) -> None:
    async with robot.agent("legacy") as agent:
        for uri in ("robot://status", "robot://events"):
            await agent.subscribe(uri)
        changes: list[dict[str, Any]] = [{"viewers": 1}, {"viewers": 0}, {"faults": {"display": "Gone."}}]
        for number, change in enumerate(changes, 1):
            robot.parts.telemetry.state.update(**change)
            await robot.tap.until("robot://events", number)
            await robot.tap.until("robot://status", number)
        texts = [event["text"] for event in (await agent.read("robot://events"))["events"]]
        assert texts == ["A viewer came: 1 now.", "A viewer left: 0 now.", "The display failed: Gone."]
        assert (await agent.read("robot://status"))["display_error"] == "Gone."


async def test_a_reader_asks_for_what_is_new(robot: OnlineRobot) -> None:
    async with robot.agent() as agent:
        for emotion in ("happy", "sad", "angry"):
            await agent.call("change_emotion", emotion=emotion)
        assert (await agent.read("robot://events"))["last"] == 3
        newer = await agent.read("robot://events?after=2")
        assert [event["sequence"] for event in newer["events"]] == [3]
        with pytest.raises(MCPError):
            await agent.client.read_resource("robot://events?after=yesterday")


async def test_a_camera_that_switches_itself_off_does_it_for_nobody(broker: PrivateBroker) -> None:
    pi = simulated_platform(scene="clock")
    telemetry = Telemetry()
    camera = Camera(pi.platform, CameraSettings(off_when_unwatched_s=0.05), telemetry.state)
    parts = make_robot(pi.platform, telemetry, camera=camera)
    off = asyncio.Event()
    parts.telemetry.events.listen(lambda event: off.set() if event.text.endswith("off.") else None)
    online = asyncio.Event()
    server = build_server(parts, name=SERVER_NAME, description="A robot.")
    options = ServerOptions(server_id=SERVER_ID, server_name=SERVER_NAME)
    task = asyncio.create_task(serve(Broker.from_url(broker.url), server, options, on_online=online.set))
    try:
        async with asyncio.timeout(DEADLINE_S):
            await online.wait()
            transport = mqtt_transport(Broker.from_url(broker.url), SERVER_ID, SERVER_NAME, client_id="agent-1")
            async with Client(transport) as client:
                await client.call_tool("control_camera", {"enabled": True})
            await off.wait()
        assert [(event.text, event.by) for event in parts.telemetry.events.after()] == [
            ("The camera was switched on.", "agent-1"),
            ("The camera was switched off.", ""),
        ]
    finally:
        task.cancel()
        await asyncio.wait([task])
        await camera.close()
