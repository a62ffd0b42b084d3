"""An agent makes the robot speak: a viewer and a media backend hear it, and read along on ``$message/{client-id}``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from mcp import Client

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.media import SAMPLE_RATE
from robot_node.mqtt import Broker, ConnectOptions, Subscription, connect
from robot_node.webrtc.messages import (
    BackendMessage,
    TtsBegin,
    TtsComplete,
    TtsTerminate,
    TtsText,
    messages_topic,
    parse_message,
)
from tests.end_to_end.agents import agent, status, structured
from tests.end_to_end.robot_process import SERVER_ID, RobotProcess, wait_until_online
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.media_backend import media_backend
from tests.webrtc.peer import peer
from tests.webrtc.test_audio import offer, sound_of

_LOUD = 1000
_SILENT = 50


@contextlib.asynccontextmanager
async def speaking_robot(broker: PrivateBroker, folder: Path, **settings: str) -> AsyncIterator[RobotProcess]:
    voice = {"ROBOT_NODE_VOICE__ENGINE": "espeak-ng", "ROBOT_NODE_AUDIO__LOUDSPEAKER": "default"}
    robot = RobotProcess(broker, folder, settings={**voice, **settings})
    await robot.start()
    try:
        await wait_until_online(broker)
        yield robot
    finally:
        await robot.kill()
        print(robot.log)


class Reader:
    """Whoever reads along."""

    def __init__(self) -> None:
        self.messages: list[BackendMessage] = []

    def kinds(self, task_id: str) -> list[str]:
        return [type(m).__name__ for m in self.messages if getattr(m, "task_id", "") == task_id]

    async def has(self, message: BackendMessage) -> None:
        await eventually(lambda: message in self.messages, f"{message} among {self.messages}")


@contextlib.asynccontextmanager
async def reading_along(broker: PrivateBroker, client_id: str) -> AsyncIterator[Reader]:
    """Read what is said to that client."""
    reader = Reader()
    async with connect(
        Broker.from_url(broker.url),
        ConnectOptions(f"reader-of-{client_id}"),
        lambda incoming: reader.messages.append(parse_message(incoming.payload)),
    ) as connection:
        await connection.subscribe(Subscription(messages_topic(client_id)))
        yield reader


class Ear:
    """Hears a track until it ends."""

    def __init__(self, track: MediaStreamTrack) -> None:
        self._track = track
        self.loud_s = 0.0
        self.loudest = 0

    async def listen(self) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await self._track.recv()
                assert isinstance(frame, av.AudioFrame)
                peak = int(np.abs(frame.to_ndarray().astype(int)).max())
                self.loudest = max(self.loudest, peak)
                self.loud_s += (frame.samples / SAMPLE_RATE) * (peak > _SILENT)


async def say(client: Client, text: str, **arguments: object) -> str:
    return str((await structured(client, "say", text=text, **arguments))["task_id"])


@pytest.mark.slow
async def test_a_viewer_hears_what_an_agent_says_and_reads_along(broker: PrivateBroker, tmp_path: Path) -> None:
    async with (
        speaking_robot(broker, tmp_path) as robot,
        agent(broker) as client,
        reading_along(broker, "watcher") as reader,
        reading_along(broker, "stranger") as stranger,
    ):
        async with peer(Broker.from_url(broker.url), "watcher", answerer=SERVER_ID) as viewer:
            assert await offer(viewer) == "sendonly"
            ear = Ear(sound_of(viewer))
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(ear.listen())
                await until_status(client, viewers=1)
                first = await say(client, "Good morning. The button was pressed.", emotion="happy")
                await reader.has(TtsComplete(first))
                await eventually(lambda: ear.loud_s > 1.0, "speech is heard")
                assert ear.loudest > _LOUD
                cut = await say(client, "Nobody hears this to its end. " * 20)
                await reader.has(TtsBegin(cut))
                assert (await client.call_tool("stop_speaking", {})).structured_content == {"stopped": 1}
                await reader.has(TtsTerminate(cut))
                listening.cancel()
        assert reader.kinds(first) == ["TtsBegin", "TtsText", "TtsText", "TtsComplete"]
        told = [m for m in reader.messages if isinstance(m, TtsText) and m.task_id == first]
        assert [m.text for m in told] == ["Good morning. ", "The button was pressed."]
        assert (reader.kinds(cut)[0], reader.kinds(cut)[-1]) == ("TtsBegin", "TtsTerminate")
        assert stranger.messages == []
        assert (await status(client))["emotion"] == "happy"
        assert await robot.stop() == 0


async def until_status(client: Client, **expected: object) -> None:
    async def as_expected() -> bool:
        return expected.items() <= (await status(client)).items()

    await eventually(as_expected, str(expected))


@pytest.mark.slow
async def test_the_backend_of_a_call_hears_and_reads_it_too(broker: PrivateBroker, tmp_path: Path) -> None:
    async with (
        speaking_robot(broker, tmp_path, ROBOT_NODE_DIALER__ENABLED="true", ROBOT_NODE_DIALER__CALL_AT_START="false"),
        agent(broker) as client,
        reading_along(broker, f"{SERVER_ID}-dialer") as reader,
        media_backend(Broker.from_url(broker.url)) as backend,
    ):
        await say(client, "Nobody is there")
        await until_status(client, speaking=True)
        await until_status(client, speaking=False)
        await client.call_tool("call_backend", {})
        await backend.answer()
        await until_status(client, call="connected")
        assert reader.messages == []
        ear = Ear(next(t.receiver.track for t in backend.rtc.getTransceivers() if t.kind == "audio"))
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(ear.listen())
            said = await say(client, "Hello backend, I am the robot.")
            await reader.has(TtsComplete(said))
            await eventually(lambda: ear.loud_s > 0.7, "speech is heard")
            listening.cancel()
        assert reader.kinds(said) == ["TtsBegin", "TtsText", "TtsComplete"]


async def test_a_missing_engine_is_reported_and_the_robot_runs(broker: PrivateBroker, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    async with speaking_robot(broker, tmp_path, PATH=str(empty)) as robot, agent(broker) as client:
        await eventually(lambda: "sudo apt install espeak-ng" in robot.log, "the reason in the log")
        assert "sudo apt install espeak-ng" in (await status(client))["voice_error"]
        result = await client.call_tool("say", {"text": "Hello"})
        assert result.is_error
        assert "sudo apt install espeak-ng" in str(result.content)


async def test_an_engine_that_does_not_exist_is_refused_at_start(broker: PrivateBroker, tmp_path: Path) -> None:
    robot = RobotProcess(broker, tmp_path, settings={"ROBOT_NODE_VOICE__ENGINE": "festival"})
    await robot.start()
    try:
        assert robot.process is not None
        async with asyncio.timeout(DEADLINE_S):
            assert await robot.process.wait() != 0
        assert "There is no speech engine 'festival'" in robot.log
        assert "Traceback" not in robot.log
    finally:
        await robot.kill()
