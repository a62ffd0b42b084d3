"""What a media backend hears of the robot it was called by, and where it is heard itself."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.media import SAMPLE_RATE
from robot_node.core.mixer import Input, Mixer, Peer
from robot_node.core.state import CallState, RobotState
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.devices.microphone import Microphone
from robot_node.mqtt import Broker
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.answerer import answer
from robot_node.webrtc.signaling import Terminated
from robot_node.webrtc.streams import Streams
from tests.sound import loudest_hz
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.caller import Caller, calling_robot
from tests.webrtc.media_backend import MediaBackend, media_backend
from tests.webrtc.peer import peer
from tests.webrtc.scene import SERVER_ID, difference
from tests.webrtc.test_audio import Voice


@contextlib.asynccontextmanager
async def call_with_sound(
    broker: PrivateBroker, pi: SimulatedPi, *, microphone: bool = True, loudspeaker: bool = True
) -> AsyncIterator[tuple[Caller, MediaBackend]]:
    """A robot with sound that calls, and the backend that it calls."""
    state = RobotState()
    heard = Microphone(pi.platform, "default", state) if microphone else None
    played = Loudspeaker(pi.platform, "default", state, volume=100, idle_s=0.2) if loudspeaker else None
    mixer = Mixer(microphone=heard, loudspeaker=played, viewer_may_speak=True)
    try:
        async with (
            media_backend(Broker.from_url(broker.url)) as backend,
            calling_robot(broker, make_streams=lambda camera: Streams(camera, mixer)) as caller,
        ):
            yield caller, backend
    finally:
        for device in (heard, played):
            if device is not None:
                await device.close()


@pytest.fixture
def pi() -> SimulatedPi:
    made = simulated_platform(scene="clock")
    made.microphone.frequency_hz = 1000
    return made


async def hear(track: MediaStreamTrack, seconds: float = 0.5) -> bytes:
    """What the backend hears: 16 bit, one of the two channels."""
    samples = b""
    async with asyncio.timeout(DEADLINE_S):
        while len(samples) < seconds * SAMPLE_RATE * 2:
            frame = await track.recv()
            assert isinstance(frame, av.AudioFrame)
            samples += frame.to_ndarray().reshape(-1, 2)[:, 0].tobytes()
    return samples


def sound_of(backend: MediaBackend) -> MediaStreamTrack:
    return next(t.receiver.track for t in backend.rtc.getTransceivers() if t.kind == "audio")


def audible(pi: SimulatedPi, seconds: float = 0.5) -> bytes:
    """The last that came out of the loudspeaker; empty while it is too little to tell anything."""
    wanted = int(seconds * SAMPLE_RATE) * 2
    played = pi.loudspeaker.played
    return played[-wanted:] if len(played) >= wanted and np.frombuffer(played, np.int16).any() else b""


async def test_both_hear_each_other_beside_the_picture(broker: PrivateBroker, pi: SimulatedPi) -> None:
    async with call_with_sound(broker, pi) as (caller, backend):
        offered = await backend.take_offer(Voice(440))
        assert backend.rtc.remoteDescription is not None
        assert re.findall(r"^m=(\w+)", backend.rtc.remoteDescription.sdp, re.MULTILINE) == ["video", "audio"]
        assert backend.rtc.remoteDescription.sdp.count("a=sendrecv") == 2
        assert not pi.microphone.recording
        await backend.send_answer(offered)
        assert difference(await backend.frame()) < 8
        assert loudest_hz(await hear(sound_of(backend))) == pytest.approx(1000, abs=10)
        await eventually(lambda: loudest_hz(audible(pi) or bytes(9600)) == pytest.approx(440, abs=10))
        await caller.control.hang_up()
        await backend.receive(Terminated)
        await eventually(lambda: not pi.microphone.recording)


async def test_a_robot_with_a_microphone_only_is_told_nothing(broker: PrivateBroker, pi: SimulatedPi) -> None:
    async with call_with_sound(broker, pi, loudspeaker=False) as (_, backend):
        await backend.answer(Voice(440))
        assert loudest_hz(await hear(sound_of(backend))) == pytest.approx(1000, abs=10)
        audio = next(t for t in backend.rtc.getTransceivers() if t.kind == "audio")
        assert audio.currentDirection == "recvonly"
        assert not pi.loudspeaker.played


async def test_a_robot_with_a_loudspeaker_only_is_not_heard(broker: PrivateBroker, pi: SimulatedPi) -> None:
    async with call_with_sound(broker, pi, microphone=False) as (_, backend):
        await backend.answer(Voice(440))
        await eventually(lambda: loudest_hz(audible(pi) or bytes(9600)) == pytest.approx(440, abs=10))
        assert pi.microphone.starts == 0


async def test_the_backend_is_heard_when_the_viewer_who_had_the_floor_has_left(
    broker: PrivateBroker, pi: SimulatedPi
) -> None:
    async with call_with_sound(broker, pi) as (caller, backend):
        mixer, viewer = (await caller.streams.sound()).mixer, Peer(Input.VIEWER)
        assert mixer.take_floor(viewer)
        await backend.answer(Voice(440))
        await backend.frame()
        await hear(sound_of(backend))
        assert not pi.loudspeaker.played
        mixer.leave(viewer)
        await eventually(lambda: loudest_hz(audible(pi) or bytes(9600)) == pytest.approx(440, abs=10))


@pytest.mark.slow
async def test_a_viewer_has_the_floor_only_when_no_backend_has_it(broker: PrivateBroker, pi: SimulatedPi) -> None:
    async with call_with_sound(broker, pi) as (caller, backend):
        ready = asyncio.Event()
        answering = asyncio.create_task(
            answer(caller.broker, SERVER_ID, caller.streams, WebRtcSettings(), caller.state, on_ready=ready.set)
        )
        try:
            await backend.answer(Voice(440))
            await caller.is_in(CallState.CONNECTED)
            await eventually(lambda: bool(audible(pi)))
            async with asyncio.timeout(DEADLINE_S):
                await ready.wait()
            async with peer(caller.broker, "late") as late:
                late.rtc.addTransceiver(Voice(2000), direction="sendonly")
                await late.offer()
                await late.frame()
                audio = next(t for t in late.rtc.getTransceivers() if t.kind == "audio")
                assert audio.currentDirection == "inactive"
            await caller.control.hang_up()
            async with peer(caller.broker, "next") as following:
                following.rtc.addTransceiver(Voice(2000), direction="sendonly")
                await following.offer()
                await eventually(lambda: loudest_hz(audible(pi) or bytes(9600)) == pytest.approx(2000, abs=10))
        finally:
            answering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await answering
