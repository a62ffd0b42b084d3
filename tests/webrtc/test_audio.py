"""What viewers hear of the robot, and who of them is heard: real peers, the real drivers, simulated sound devices."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc import AudioStreamTrack, MediaStreamTrack, RTCRtpSender
from aiortc.rtcrtpreceiver import RemoteStreamTrack

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE, Played, VideoSource
from robot_node.core.mixer import Input, Mixer
from robot_node.core.state import RobotState
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.devices.microphone import Microphone
from robot_node.webrtc.audio import AudioBroadcast
from robot_node.webrtc.signaling import Offer, Terminated
from robot_node.webrtc.streams import Streams
from tests.sound import loudest_hz, tone
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.conftest import Robot, running_robot
from tests.webrtc.counts import counts
from tests.webrtc.peer import Peer, peer, with_candidates


class Voice(MediaStreamTrack):
    """A person who hums one note."""

    kind = "audio"

    def __init__(self, frequency_hz: float) -> None:
        super().__init__()
        self._pace = AudioStreamTrack()  # silence, in time
        self._second = np.frombuffer(tone(frequency_hz, 1.0), np.int16)
        self._position = 0

    async def recv(self) -> av.AudioFrame:
        await self._pace.recv()
        samples = np.take(self._second, range(self._position, self._position + FRAME_SAMPLES), mode="wrap")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._position, Fraction(1, SAMPLE_RATE)
        self._position += FRAME_SAMPLES
        return frame


class SpokenTrack(MediaStreamTrack):
    """A person who says what a test has recorded, and else nothing."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._pace = AudioStreamTrack()  # silence, in time
        self._said = bytearray()
        self._position = 0

    @property
    def has_said_all(self) -> bool:
        return not self._said

    def say(self, samples: bytes) -> None:
        """Say it after what is being said."""
        self._said += samples

    def be_quiet(self) -> None:
        self._said.clear()

    async def recv(self) -> av.AudioFrame:
        await self._pace.recv()
        piece = bytes(self._said[: 2 * FRAME_SAMPLES]).ljust(2 * FRAME_SAMPLES, b"\0")
        del self._said[: 2 * FRAME_SAMPLES]
        frame = av.AudioFrame.from_ndarray(np.frombuffer(piece, np.int16).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._position, Fraction(1, SAMPLE_RATE)
        self._position += FRAME_SAMPLES
        return frame


@dataclass
class SoundRobot:
    """A robot with sound.

    Attributes:
        recognised: What the speech recognition was given, by the client id of the viewer who said it.
    """

    robot: Robot
    pi: SimulatedPi
    recognised: dict[str, bytearray]


class Tap:
    """Keeps what is to be recognised, by the client id of who said it."""

    def __init__(self) -> None:
        self.heard: dict[str, bytearray] = {}

    def hear(self, samples: bytes, by: str) -> None:
        self.heard.setdefault(by, bytearray()).extend(samples)

    def overhear(self, samples: bytes, heard_at: float) -> None: ...

    def played(self, played: Played) -> None: ...

    def expect_viewer(self) -> None: ...

    def forget(self) -> None: ...


@contextlib.asynccontextmanager
async def robot_with_sound(
    private: PrivateBroker, *, viewer_may_speak: bool = False, microphone: bool = True
) -> AsyncIterator[SoundRobot]:
    pi = simulated_platform(scene="clock")
    pi.microphone.frequency_hz = 1000
    tap = Tap()
    async with contextlib.AsyncExitStack() as devices:

        def make_streams(camera: VideoSource, state: RobotState) -> Streams:
            loudspeaker = Loudspeaker(pi.platform, "default", state, volume=100, idle_s=0.2)
            devices.push_async_callback(loudspeaker.close)
            heard = Microphone(pi.platform, "default", state, retry_s=0.05) if microphone else None
            if heard is not None:
                devices.push_async_callback(heard.close)
            mixer = Mixer(
                microphone=heard,
                loudspeaker=loudspeaker,
                recognised=frozenset({Input.VIEWER}),
                viewer_may_speak=viewer_may_speak,
            )
            mixer.set_recognition(tap)
            return Streams(camera, mixer)

        robot = await devices.enter_async_context(running_robot(private, make_streams=make_streams))
        yield SoundRobot(robot, pi, tap.heard)
    assert not pi.microphone.recording
    assert not pi.loudspeaker.open


@pytest.fixture
async def listening(broker: PrivateBroker) -> AsyncIterator[SoundRobot]:
    """A robot that can be heard."""
    async with robot_with_sound(broker) as running:
        yield running


@pytest.fixture
async def talking(broker: PrivateBroker) -> AsyncIterator[SoundRobot]:
    """A robot that can be heard, and lets a viewer be heard."""
    async with robot_with_sound(broker, viewer_may_speak=True) as running:
        yield running


async def offer(viewer: Peer, voice: MediaStreamTrack | None = None, *, direction: str = "recvonly") -> str:
    """Offer video and audio, and return the direction of audio in the answer."""
    if voice is not None:
        viewer.rtc.addTransceiver(voice, direction=direction)
    else:
        viewer.rtc.addTransceiver("audio", direction=direction)
    await viewer.offer()
    description = viewer.rtc.remoteDescription.sdp
    audio = next(section for section in re.split(r"(?m)^m=", description) if section.startswith("audio"))
    found = re.search(r"a=(sendrecv|sendonly|recvonly|inactive)", audio)
    assert found is not None
    return found[1]


def sound_of(viewer: Peer) -> RemoteStreamTrack:
    track = next(t.receiver.track for t in viewer.rtc.getTransceivers() if t.kind == "audio")
    assert isinstance(track, RemoteStreamTrack)
    return track


async def hear(viewer: Peer, seconds: float = 0.5) -> bytes:
    """What the viewer hears: 16 bit, one of the two channels."""
    track, samples = sound_of(viewer), b""
    async with asyncio.timeout(DEADLINE_S):
        while len(samples) < seconds * SAMPLE_RATE * 2:
            frame = await track.recv()
            assert isinstance(frame, av.AudioFrame)
            samples += frame.to_ndarray().reshape(-1, 2)[:, 0].tobytes()
    return samples


async def test_two_viewers_hear_the_tone_of_one_encoder(listening: SoundRobot) -> None:
    broker = listening.robot.broker
    async with peer(broker, "a") as a, peer(broker, "b") as b:
        for viewer in (a, b):
            assert await offer(viewer) == "sendonly"
        for viewer in (a, b):
            assert loudest_hz(await hear(viewer)) == pytest.approx(1000, abs=10)
        assert listening.pi.microphone.starts == 1
        assert sum(thread.name == "microphone" for thread in threading.enumerate()) == 1


async def test_the_microphone_is_closed_until_a_viewer_hears_it_and_when_the_last_has_left(
    listening: SoundRobot,
) -> None:
    robot, microphone = listening.robot, listening.pi.microphone
    async with peer(robot.broker, "watcher") as watcher:
        await watcher.offer()
        await watcher.frame()
        assert microphone.starts == 0
        async with peer(robot.broker, "a") as a, peer(robot.broker, "b") as b:
            await offer(a)
            await offer(b)
            await hear(a)
            await b.close()
            await robot.has_viewers(2)
            assert microphone.recording
        await eventually(lambda: not microphone.recording)
        assert not robot.state.snapshot.microphone_on
        await watcher.frame()


@pytest.mark.peer("aiortc", works="sound alone, without video")
async def test_a_listener_without_video_hears_the_robot_and_starts_no_encoder(listening: SoundRobot) -> None:
    robot = listening.robot
    async with peer(robot.broker) as viewer:
        viewer.rtc.addTransceiver("audio", direction="recvonly")
        await viewer.rtc.setLocalDescription()
        await viewer.send(Offer(viewer.rtc.localDescription.sdp))
        await viewer.take_answer()
        assert loudest_hz(await hear(viewer)) == pytest.approx(1000, abs=10)
        assert robot.viewers == 1
        assert not robot.scene.encoding
    await robot.has_viewers(0)


async def test_sound_alone_is_refused_by_a_robot_without_microphone(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        viewer.rtc.addTransceiver("audio", direction="recvonly")
        await viewer.rtc.setLocalDescription()
        await viewer.send(Offer(viewer.rtc.localDescription.sdp))
        assert "no video section" in (await viewer.receive(Terminated)).reason


async def test_sound_and_picture_come_together(listening: SoundRobot) -> None:
    async with peer(listening.robot.broker) as viewer:
        await offer(viewer)
        await viewer.frame()
        assert loudest_hz(await hear(viewer)) == pytest.approx(1000, abs=10)


async def test_opus_is_chosen_whatever_a_viewer_would_rather_have(listening: SoundRobot) -> None:
    async with peer(listening.robot.broker) as viewer:
        codecs = RTCRtpSender.getCapabilities("audio").codecs
        viewer.rtc.addTransceiver("audio", direction="recvonly").setCodecPreferences(codecs[::-1])
        await viewer.offer()
        assert "opus" not in viewer.rtc.localDescription.sdp.partition("a=rtpmap:")[2].partition("\n")[0]
        assert loudest_hz(await hear(viewer)) == pytest.approx(1000, abs=10)


async def test_a_viewer_without_opus_sees_the_picture_and_hears_nothing(listening: SoundRobot) -> None:
    async with peer(listening.robot.broker) as viewer:
        viewer.rtc.addTransceiver("audio", direction="recvonly")
        sdp, candidates = await viewer.make_offer()
        without = re.sub(r"a=(rtpmap|fmtp|rtcp-fb):96[^\n]*\n", "", sdp)
        without = re.sub(r"(m=audio \d+ \S+ )96 ", r"\1", without)
        assert "opus" not in without
        await viewer.send(Offer(with_candidates(without, candidates)))
        await viewer.take_answer()
        await viewer.frame()
        assert listening.pi.microphone.starts == 0


async def test_a_robot_without_a_microphone_sends_no_sound(broker: PrivateBroker) -> None:
    async with robot_with_sound(broker, microphone=False) as running, peer(running.robot.broker) as viewer:
        assert await offer(viewer) == "inactive"
        await viewer.frame()


async def test_a_missing_microphone_leaves_the_picture_alone(listening: SoundRobot) -> None:
    listening.pi.microphone.absent = True
    async with peer(listening.robot.broker) as viewer:
        await offer(viewer)
        await viewer.frame()
        await eventually(lambda: "cannot be used" in listening.robot.state.snapshot.fault("microphone"))
        await viewer.frame()


async def test_nobody_is_heard_unless_the_owner_allows_it(listening: SoundRobot) -> None:
    async with peer(listening.robot.broker) as viewer:
        assert await offer(viewer, Voice(440), direction="sendrecv") == "sendonly"
        await hear(viewer)
        assert listening.pi.loudspeaker.starts == 0


async def test_the_viewer_with_the_floor_is_heard_and_hears(talking: SoundRobot) -> None:
    loudspeaker = talking.pi.loudspeaker
    async with peer(talking.robot.broker) as viewer:
        assert await offer(viewer, Voice(440), direction="sendrecv") == "sendrecv"
        assert loudest_hz(await hear(viewer)) == pytest.approx(1000, abs=10)
        await eventually(lambda: len(loudspeaker.played) >= SAMPLE_RATE)
        assert loudest_hz(loudspeaker.played[-SAMPLE_RATE:]) == pytest.approx(440, abs=10)


async def test_one_viewer_has_the_floor_until_it_leaves(talking: SoundRobot) -> None:
    robot, loudspeaker = talking.robot, talking.pi.loudspeaker
    async with peer(robot.broker, "second") as second:
        async with peer(robot.broker, "listener") as listener, peer(robot.broker, "first") as first:
            assert await offer(listener) == "sendonly"  # whoever only listens does not take the floor
            assert await offer(first, Voice(440), direction="sendrecv") == "sendrecv"
            assert await offer(second, Voice(2000), direction="sendrecv") == "sendonly"
            await hear(second)
            await eventually(lambda: len(loudspeaker.played) >= SAMPLE_RATE)
            assert loudest_hz(loudspeaker.played[-SAMPLE_RATE:]) == pytest.approx(440, abs=10)
            assert set(talking.recognised) == {"first"}
        await robot.has_viewers(1)
        second.new_connection()
        assert await offer(second, Voice(2000), direction="sendrecv") == "sendrecv"
        before = len(loudspeaker.played)
        await eventually(lambda: len(loudspeaker.played) >= before + SAMPLE_RATE)
        assert loudest_hz(loudspeaker.played[-SAMPLE_RATE:]) == pytest.approx(2000, abs=10)
        await eventually(lambda: "second" in talking.recognised)


async def test_who_only_speaks_is_heard_by_a_robot_without_a_microphone(broker: PrivateBroker) -> None:
    async with (
        robot_with_sound(broker, viewer_may_speak=True, microphone=False) as running,
        peer(running.robot.broker) as viewer,
    ):
        assert await offer(viewer, Voice(440), direction="sendonly") == "recvonly"
        await eventually(lambda: len(running.pi.loudspeaker.played) >= SAMPLE_RATE)


async def test_an_offer_that_fails_gives_the_floor_back(talking: SoundRobot) -> None:
    async with peer(talking.robot.broker, "broken") as broken:
        broken.rtc.addTransceiver(Voice(440), direction="sendrecv")
        sdp, _ = await broken.make_offer()
        await broken.send(Offer(re.sub(r"a=fingerprint:[^\r\n]*\r\n", "", sdp)))
        await eventually(lambda: not broken.silent())
    async with peer(talking.robot.broker) as viewer:
        assert await offer(viewer, Voice(440), direction="sendrecv") == "sendrecv"


@pytest.mark.slow  # as the sessions of tests/webrtc/test_leaks.py
async def test_talkers_come_and_go_without_a_trace(talking: SoundRobot) -> None:
    async def come_and_go(times: int) -> None:
        for _ in range(times):
            async with peer(talking.robot.broker) as viewer:
                await offer(viewer, Voice(440), direction="sendrecv")
                await hear(viewer, 0.04)
            await talking.robot.has_viewers(0)
        await eventually(lambda: not talking.pi.microphone.recording and not talking.pi.loudspeaker.open)

    await come_and_go(2)
    await eventually(lambda: not any(task.get_name().startswith("WebRTC viewer") for task in asyncio.all_tasks()))
    gc.collect()
    before = counts()
    await come_and_go(8)
    gc.collect()
    await eventually(lambda: counts().no_more_than(before))


async def test_a_listener_that_is_behind_loses_the_oldest_and_holds_up_nobody() -> None:
    pi = simulated_platform(scene="clock")
    microphone = Microphone(pi.platform, "default", RobotState())
    broadcast = AudioBroadcast(microphone, queue_packets=3)
    slow, quick = broadcast.join(), broadcast.join()
    times = [packet.pts or 0 for packet in [await quick.next_packet() for _ in range(8)] if packet is not None]
    assert np.diff(times).tolist() == [FRAME_SAMPLES] * 7
    waiting = await slow.next_packet()
    assert waiting is not None
    assert (waiting.pts or 0) >= times[-1] - 2 * FRAME_SAMPLES
    broadcast.close()
    assert await quick.next_packet() is None
    await microphone.close()
    assert not pi.microphone.recording
