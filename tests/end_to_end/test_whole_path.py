"""One robot on a real broker, from its presence to its last goodbye."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult, ImageContent, TextContent
from PIL import Image

from robot_node.apps.private_broker import PrivateBroker
from robot_node.face.expressions import Emotion
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from tests.command import command
from tests.end_to_end.agents import agent, status, text_of
from tests.end_to_end.footage import Footage, frames_of
from tests.end_to_end.plain_viewer import watching
from tests.end_to_end.robot_process import (
    PRESENCE,
    SERVER_ID,
    SERVER_NAME,
    RobotProcess,
    is_retained,
    presence,
    wait_until_online,
)
from tests.faces import emotion_in
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.peer import peer
from tests.webrtc.test_audio import offer


def photo_of(result: CallToolResult) -> Image.Image:
    assert not result.is_error, text_of(result)
    block, description = result.content
    assert isinstance(block, ImageContent)
    assert isinstance(description, TextContent)
    assert block.mime_type == "image/jpeg"
    return Image.open(io.BytesIO(base64.b64decode(block.data)))


async def comes_to_show(robot: RobotProcess, emotion: Emotion) -> None:
    """Wait until the face has turned to an emotion."""
    await eventually(lambda: emotion_in(robot.display) is emotion, f"{emotion} on the display")


async def test_presence_is_retained_and_says_what_the_robot_can_do(robot: RobotProcess) -> None:
    message = await presence(robot.broker)
    assert message.retain
    assert isinstance(message.payload, bytes)
    said = json.loads(message.payload)
    assert said["jsonrpc"] == "2.0"
    assert said["method"] == "notifications/server/online"
    assert said["params"]["server_name"] == SERVER_NAME
    assert "camera" in said["params"]["description"]
    properties = dict(getattr(message.properties, "UserProperty", []))
    assert properties["MCP-COMPONENT-TYPE"] == "mcp-server"
    assert properties["MCP-MQTT-CLIENT-ID"] == SERVER_ID


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_tools_from_the_official_client(robot: RobotProcess, mode: str) -> None:
    async with agent(robot.broker, mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        names = (
            "control_camera change_emotion show_text take_photo look get_status get_events wait_for_event stop_all ask "
            "perform"
        )
        assert set(tools) == set(names.split())
        for name, read_only in (("control_camera", False), ("take_photo", True), ("get_status", True)):
            annotations = tools[name].annotations
            assert annotations is not None
            assert bool(annotations.read_only_hint) is read_only

        refused = await client.call_tool("take_photo", {})
        assert refused.is_error
        assert "The camera is off. Call control_camera with enabled=true first." in text_of(refused)

        on = await client.call_tool("control_camera", {"enabled": True})
        assert on.structured_content == {"camera": "on"}
        photo = photo_of(await client.call_tool("take_photo", {"quality": 0.5}))
        assert photo.size == (640, 272)

        wrong = await client.call_tool("take_photo", {"quality": 7})
        assert wrong.is_error
        assert "quality" in text_of(wrong)
        unknown = await client.call_tool("change_emotion", {"emotion": "bored"})
        assert unknown.is_error
        assert "happy" in text_of(unknown)

        now = await status(client)
        assert (now["camera"], now["emotion"], now["viewers"]) == ("on", "neutral", 0)
        assert now["uptime_s"] > 0
        assert now["versions"]["robot-node"]

        off = await client.call_tool("control_camera", {"enabled": False})
        assert off.structured_content == {"camera": "off"}


@pytest.mark.slow
async def test_every_emotion_comes_to_the_glass(robot: RobotProcess) -> None:
    async with agent(robot.broker) as client:
        for emotion in Emotion:
            result = await client.call_tool("change_emotion", {"emotion": emotion.value})
            assert result.structured_content == {"emotion": emotion.value}
            await comes_to_show(robot, emotion)
        result = await client.call_tool("change_emotion", {"emotion": "laug"})
        assert result.structured_content == {"emotion": "laugh"}


async def test_two_agents_at_once_never_corrupt_the_devices(robot: RobotProcess) -> None:
    async with agent(robot.broker, "auto") as one, agent(robot.broker, "legacy") as other:

        async def toggle(client: Client, *, first: bool) -> list[CallToolResult]:
            calls: list[tuple[str, dict[str, Any]]] = []
            for turn in range(6):
                calls.append(("control_camera", {"enabled": first == (turn % 2 == 0)}))
                calls.append(("change_emotion", {"emotion": "happy" if first else "sad"}))
                calls.append(("get_status", {}))
            return [await client.call_tool(name, arguments) for name, arguments in calls]

        results = await asyncio.gather(toggle(one, first=True), toggle(other, first=False))
        assert not [text_of(result) for side in results for result in side if result.is_error]
        await one.call_tool("control_camera", {"enabled": True})
        photos = await asyncio.gather(*(client.call_tool("take_photo", {}) for client in (one, other, one, other)))
        assert all(photo_of(photo).size == (640, 272) for photo in photos)
        await comes_to_show(robot, Emotion((await status(other))["emotion"]))


async def test_a_viewer_sees_the_clip_across_off_and_on_again(robot: RobotProcess, footage: Footage) -> None:
    async with agent(robot.broker) as client:
        before = (await status(client))["streaming"]["totals"]
        async with watching(robot.broker, "viewer-1") as viewer:
            await client.call_tool("control_camera", {"enabled": True})
            await asyncio.to_thread(footage.assert_plays, await viewer.frames(60))
            now = await status(client)
            streaming = now["streaming"]
            assert [streaming["totals"][count] - before[count] for count in ("offers", "connected")] == [1, 1]
            (session,) = streaming["sessions"]
            assert (session["viewer"], session["codec"]) == ("viewer-1", "H264")
            assert session["frames_sent"] >= 60
            assert now["viewers"] == 1

            photo = photo_of(await client.call_tool("take_photo", {}))
            assert photo.size == (640, 272)
            await asyncio.to_thread(footage.assert_plays, await viewer.frames(25))

            await client.call_tool("control_camera", {"enabled": False})
            await viewer.quiet()
            assert viewer.connection_state == "connected"

            await client.call_tool("control_camera", {"enabled": True})
            await asyncio.to_thread(footage.assert_plays, await viewer.frames(60))
            assert not viewer.terminated


@pytest.mark.slow
async def test_several_viewers_share_the_stream(robot: RobotProcess, footage: Footage) -> None:
    async with agent(robot.broker) as client, contextlib.AsyncExitStack() as stack:
        await client.call_tool("control_camera", {"enabled": True})
        viewers = [await stack.enter_async_context(watching(robot.broker, f"viewer-{n}")) for n in range(3)]
        for pictures in await asyncio.gather(*(viewer.frames(30) for viewer in viewers)):
            await asyncio.to_thread(footage.assert_plays, pictures)
        await viewers[0].send({"type": "webrtc_terminated", "reason": "seen enough"})

        async def two_are_left() -> bool:
            return bool((await status(client))["viewers"] == 2)

        await eventually(two_are_left, "two viewers are left")
        await asyncio.to_thread(footage.assert_plays, await viewers[1].frames(10))


@pytest.mark.slow
def test_the_commands(robot: RobotProcess, footage: Footage, tmp_path: Path) -> None:
    listed = command("robots", "--json", broker=robot.broker)
    assert listed.status == 0, listed.stderr
    (entry,) = json.loads(listed.stdout)
    assert (entry["server_id"], entry["server_name"]) == (SERVER_ID, SERVER_NAME)
    assert entry["description"]
    table = command("robots", "--broker", robot.broker.url)
    assert SERVER_ID in table.stdout

    refused = command("call", SERVER_ID, "take_photo", broker=robot.broker)
    assert refused.status == 1
    assert "Call control_camera with enabled=true first" in refused.stderr
    assert refused.stdout == ""
    on = command("call", SERVER_NAME, "control_camera", '{"enabled": true}', "--json", broker=robot.broker)
    assert json.loads(on.stdout)["structuredContent"] == {"camera": "on"}
    photo = tmp_path / "photo.jpg"
    saved = command("call", SERVER_ID, "take_photo", "--output", str(photo), broker=robot.broker)
    assert saved.status == 0, saved.stderr
    with Image.open(photo) as picture:
        assert (picture.format, picture.size) == ("JPEG", (640, 272))
    nowhere = str(tmp_path / "no" / "photo.jpg")
    unsaved = command("call", SERVER_ID, "take_photo", "--json", "--output", nowhere, broker=robot.broker)
    assert unsaved.status == 1
    assert json.loads(unsaved.stdout)["content"][0]["mimeType"] == "image/jpeg"
    assert unsaved.stderr.endswith("photo.jpg cannot be written: No such file or directory. Choose another --output.\n")

    video = tmp_path / "video.mp4"
    watched = command("watch", SERVER_ID, "--frames", "60", "--output", str(video), "--json", broker=robot.broker)
    assert watched.status == 0, watched.stderr
    report = json.loads(watched.stdout)
    assert set(report) >= {"first_frame_ms", "frames", "width", "height", "fps"}
    assert (report["frames"], report["width"], report["height"]) == (60, 640, 272)
    assert report["first_frame_ms"] > 0
    assert report["fps"] > 1
    written = frames_of(video)
    assert len(written) == 60
    footage.assert_plays(written)


@pytest.mark.slow
async def test_viewers_with_one_codec_each_see_the_clip_at_once(robot: RobotProcess, footage: Footage) -> None:
    async with (
        agent(robot.broker) as client,
        watching(robot.broker, "h264", codec="video/H264") as h264,
        watching(robot.broker, "vp8", codec="video/VP8") as vp8,
    ):
        await client.call_tool("control_camera", {"enabled": True})
        for viewer in (h264, vp8):
            await asyncio.to_thread(footage.assert_plays, await viewer.frames(25))


async def test_a_robot_does_not_call_unless_its_owner_allows_it(robot: RobotProcess) -> None:
    heard: asyncio.Queue[Incoming] = asyncio.Queue()
    async with connect(Broker.from_url(robot.broker.url), ConnectOptions("listener"), heard.put_nowait) as connection:
        await connection.subscribe(Subscription("$webrtc/#"))
        async with agent(robot.broker) as client:
            assert not {"call_backend", "hang_up"} & {tool.name for tool in (await client.list_tools()).tools}
            assert (await status(client))["call"] == "disconnected"
        assert "dialer" not in robot.log.lower()
        assert heard.empty()


async def test_unasked_a_robot_has_no_sound_no_voice_and_no_speech_recognition(robot: RobotProcess) -> None:
    async with agent(robot.broker) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert not {"control_volume", "say", "stop_speaking"} & tools
    async with peer(Broker.from_url(robot.broker.url), answerer=SERVER_ID) as viewer:
        assert await offer(viewer) == "inactive"
    assert robot.children() == []


def test_an_unknown_tool_is_answered_with_those_that_exist(robot: RobotProcess) -> None:
    failed = command("call", SERVER_ID, "take_foto", broker=robot.broker)
    assert failed.status == 1
    assert failed.stderr.startswith("Unknown tool 'take_foto'. Did you mean take_photo? The robot has: ")
    assert failed.stderr.count("\n") == 1


def test_watching_a_camera_that_is_off_says_so_at_once(robot: RobotProcess) -> None:
    failed = command("watch", SERVER_ID, "--frames", "5", broker=robot.broker)
    assert failed.status == 1
    off = "The camera of the robot is off. Switch it on: call control_camera with enabled=true."
    assert failed.stderr == f"robot-node: {off}\n"


async def test_a_broker_restart_is_survived(robot: RobotProcess, footage: Footage) -> None:
    async with agent(robot.broker) as client:
        await client.call_tool("control_camera", {"enabled": True})
    signalling = robot.log.count("WebRTC connection")
    robot.broker.signal(signal.SIGKILL)
    await robot.broker.stop()
    await robot.broker.start()
    await wait_until_online(robot.broker)
    async with agent(robot.broker) as client:
        assert (await status(client))["camera"] == "on"
    await eventually(lambda: robot.log.count("WebRTC connection") > signalling, "signalling is up again")
    async with watching(robot.broker, "after-the-restart") as viewer:
        await asyncio.to_thread(footage.assert_plays, await viewer.frames(10))


async def test_sigterm_leaves_nothing_behind(own_robot: RobotProcess) -> None:
    robot = own_robot
    async with agent(robot.broker) as client:
        await client.call_tool("control_camera", {"enabled": True})
        await client.call_tool("change_emotion", {"emotion": "happy"})
    async with watching(robot.broker, "viewer-1") as viewer:
        await viewer.frames(5)
        assert await robot.stop() == 0
        await eventually(lambda: bool(viewer.terminated), "the viewer is told that the robot leaves")
    assert not await is_retained(robot.broker, PRESENCE)
    assert robot.display.getbbox() is None
    assert "Traceback" not in robot.log


async def test_a_killed_robot_does_not_look_alive(own_robot: RobotProcess) -> None:
    robot = own_robot
    await robot.kill()
    await presence(robot.broker, retained=False, empty=True) if await is_retained(robot.broker, PRESENCE) else None
    assert not await is_retained(robot.broker, PRESENCE)


async def test_a_broker_that_is_down_at_start_is_waited_for(tmp_path: Path) -> None:
    broker = PrivateBroker()
    robot = RobotProcess(broker, tmp_path)
    await robot.start()
    try:
        await eventually(lambda: "Cannot reach the MQTT broker" in robot.log, "the log says that the broker is down")
        async with broker:
            await wait_until_online(broker)
            assert await robot.stop() == 0
    finally:
        await robot.kill()


@pytest.mark.slow
async def test_a_robot_that_cannot_reach_its_broker_still_stops_at_once(tmp_path: Path) -> None:
    never_started = PrivateBroker()
    robot = RobotProcess(never_started, tmp_path)
    await robot.start()
    try:
        await eventually(lambda: "Cannot reach the MQTT broker" in robot.log, "the log says that the broker is down")
        assert await robot.stop() == 0
    finally:
        await robot.kill()
        never_started.close()


def test_a_missing_robot_is_one_clear_line(broker: PrivateBroker) -> None:
    missing = command("call", "nobody", "get_status", broker=broker)
    assert missing.status == 1
    assert missing.stderr == (
        f"robot-node: No robot nobody is online at mqtt://127.0.0.1:{broker.port}. Online now: none.\n"
    )
    empty = command("robots", "--json", broker=broker)
    assert (empty.status, json.loads(empty.stdout)) == (0, [])


@pytest.mark.parametrize("arguments", [("robots",), ("call", "x", "get_status"), ("watch", "x")])
def test_a_broker_that_is_down_is_one_clear_line(arguments: tuple[str, ...]) -> None:
    failed = command(*arguments, "--broker", "mqtt://127.0.0.1:1")
    assert failed.status == 1
    assert failed.stdout == ""
    assert failed.stderr.count("\n") == 1
    assert "Cannot reach the MQTT broker at mqtt://127.0.0.1:1" in failed.stderr


async def test_systemd_is_told_ready_when_the_robot_is_reachable_and_not_before(tmp_path: Path) -> None:
    broker = PrivateBroker()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        robot = RobotProcess(broker, tmp_path, settings={"NOTIFY_SOCKET": str(tmp_path / "notify")}, warm=False)
        await robot.start()
        loop = asyncio.get_running_loop()
        try:
            await eventually(lambda: "Cannot reach the MQTT broker" in robot.log, "the log says that it is down")
            with pytest.raises(BlockingIOError):
                manager.recv(1000)
            async with broker:
                ready = await asyncio.wait_for(loop.sock_recv(manager, 1000), DEADLINE_S)
                assert ready.startswith(b"READY=1")
                assert await is_retained(broker, PRESENCE)
                assert await robot.stop() == 0
                assert (await loop.sock_recv(manager, 1000)).startswith(b"STOPPING=1")
        finally:
            await robot.kill()
