"""The whole body: a button is pressed, an agent is told, makes the robot say something, and a viewer hears it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import av
import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from mcp import Client, MCPDeprecationWarning
from mcp_types import ResourceUpdatedNotification, TextResourceContents

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.media import SAMPLE_RATE
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings
from tests.end_to_end.robot_process import SERVER_ID, SERVER_NAME
from tests.robots import online_robot
from tests.sound import loudest_hz
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.peer import peer
from tests.webrtc.test_audio import offer, sound_of

BELL = "robot://pins/bell"
BELL_PIN = 17
ROOM_HZ = 2000
"""What the microphone hears; speech has little of it."""

_PIECE_S = 0.25


@pytest.fixture
async def pi(broker: PrivateBroker) -> AsyncIterator[SimulatedPi]:
    """The hardware of a robot that is online: with a bell button, sound and a voice."""
    simulated = simulated_platform(scene="clock")
    simulated.microphone.frequency_hz = ROOM_HZ
    settings = load_settings(
        None,
        {
            "broker": {"url": broker.url},
            "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME},
            "audio": {"microphone": "default", "loudspeaker": "default"},
            "voice": {"engine": "espeak-ng"},
            "pins": {"inputs": {"bell": {"kind": "button", "pin": BELL_PIN}}},
        },
    )
    async with online_robot(settings, simulated.platform):
        yield simulated
    assert not simulated.loudspeaker.open
    assert not simulated.microphone.recording


@dataclass
class Ear:
    """A viewer who tells the room from speech, a quarter of a second at a time.

    Attributes:
        heard: In order: ``room``, ``speech`` or ``silence``, repetitions left out.
    """

    heard: list[str] = field(default_factory=list)

    async def listen(self, track: MediaStreamTrack) -> None:
        samples = b""
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.AudioFrame)
                samples += frame.to_ndarray().reshape(-1, 2)[:, 0].tobytes()
                if len(samples) >= _PIECE_S * SAMPLE_RATE * 2:
                    self._note(samples)
                    samples = b""

    def _note(self, samples: bytes) -> None:
        if max(memoryview(samples).cast("h")) < 500:
            kind = "silence"
        else:
            kind = "room" if loudest_hz(samples) == pytest.approx(ROOM_HZ, abs=20) else "speech"
        if kind not in self.heard[-1:]:
            self.heard.append(kind)


@pytest.mark.slow
async def test_a_pressed_bell_makes_an_agent_greet_and_a_viewer_hears_it(
    broker: PrivateBroker, pi: SimulatedPi
) -> None:
    address, told, ear = Broker.from_url(broker.url), asyncio.Event(), Ear()

    async def hear(message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification) and str(message.params.uri) == BELL:
            told.set()

    async def pressed(client: Client) -> bool:
        (content,) = (await client.read_resource(BELL)).contents
        assert isinstance(content, TextResourceContents)
        return bool(json.loads(content.text)["active"])

    async with (
        Client(mqtt_transport(address, SERVER_ID, SERVER_NAME), mode="legacy", message_handler=hear) as client,
        peer(address, "visitor", answerer=SERVER_ID) as viewer,
    ):
        with pytest.warns(MCPDeprecationWarning):
            await client.subscribe_resource(BELL)
        assert await offer(viewer) == "sendonly"
        listening = asyncio.create_task(ear.listen(sound_of(viewer)))
        await eventually(lambda: "room" in ear.heard, "the viewer hears the room")
        assert not await pressed(client)

        pi.gpio.press(BELL_PIN)
        async with asyncio.timeout(DEADLINE_S):
            await told.wait()
        assert await pressed(client)
        result = await client.call_tool("say", {"text": "Hello! Nice to see you. Please come in.", "emotion": "happy"})
        assert not result.is_error, result.content

        await eventually(lambda: "speech" in ear.heard, "the viewer hears the robot")
        await eventually(lambda: ear.heard[-1] == "room", "the viewer hears the room again")
        listening.cancel()
        await asyncio.wait({listening})
    seconds = len(pi.loudspeaker.played) / 2 / SAMPLE_RATE
    assert seconds > 1
