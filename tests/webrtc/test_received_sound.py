"""What a peer sends faster than it can be played: dropped before anything is queued, and forgotten without a wait."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import av
import pytest
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, rtcrtpreceiver
from aiortc.rtp import RtcpByePacket, RtpPacket

from robot_node.core.media import SAMPLE_RATE, PlayedSink
from robot_node.core.mixer import Input, Mixer
from robot_node.devices.opus import OpusEncoder
from robot_node.webrtc import aiortc_hooks
from robot_node.webrtc.audio import PeerSound, Sound
from robot_node.webrtc.peer_connection import PeerConnection
from tests.sound import loudest_hz, tone
from tests.waiting import eventually
from tests.webrtc.test_audio import Voice

FLOOD = 6000
"""Packets: two minutes of sound."""


@dataclass
class Recorder:
    """A loudspeaker that keeps what it is given."""

    heard: bytearray = field(default_factory=bytearray)
    queued_s = 0.0

    def play(self, samples: bytes) -> None:
        self.heard += samples

    def flush(self) -> None: ...

    def set_level_sink(self, sink: Callable[[float], None]) -> None: ...

    def set_played_sink(self, sink: PlayedSink | None) -> None: ...

    @property
    def seconds(self) -> float:
        """Of sound."""
        return len(self.heard) / 2 / SAMPLE_RATE


@dataclass
class Call:
    """A robot's connection and that of its peer, who sends sound."""

    robot: RTCPeerConnection
    peer: RTCPeerConnection
    recorder: Recorder

    @property
    def receiver(self) -> RTCRtpReceiver:
        """The robot's."""
        return self.robot.getTransceivers()[0].receiver

    @property
    def sender(self) -> RTCRtpSender:
        """The peer's."""
        return self.peer.getTransceivers()[0].sender


@contextlib.asynccontextmanager
async def connected(source: Input = Input.VIEWER, *, heard: bool = True) -> AsyncIterator[Call]:
    """A viewer, or a backend, whose voice is played."""
    recorder, robot, peer = Recorder(), PeerConnection(), PeerConnection()
    sound = PeerSound(Sound(Mixer(loudspeaker=recorder, viewer_may_speak=True)), source)
    if source is Input.VIEWER:
        peer.addTransceiver(Voice(440), direction="sendonly")
        await peer.setLocalDescription()
        sound.answer(robot, peer.localDescription.sdp)
        await negotiate(peer, robot)
    else:
        sound.offer(robot)
        await robot.setLocalDescription()
        peer.addTrack(Voice(440))
        await negotiate(robot, peer)
    playing = asyncio.create_task(sound.play_received())
    try:
        await eventually(lambda: recorder.seconds > 0.2 or not heard, "the viewer is heard")
        yield Call(robot, peer, recorder)
    finally:
        sound.stop()
        await robot.close()
        await peer.close()
        await playing


async def negotiate(offering: RTCPeerConnection, answering: RTCPeerConnection) -> None:
    await answering.setRemoteDescription(offering.localDescription)
    await answering.setLocalDescription()
    await offering.setRemoteDescription(answering.localDescription)


async def flood(call: Call, packets: int = FLOOD, *, sources: int = 1) -> float:
    """Send packets as fast as can be, and return how many seconds that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    encoder, ssrcs = OpusEncoder(), [random.getrandbits(32) for _ in range(sources)]
    payload = encoder.encode(tone(440, 0.02), 0)[0]
    for number, ssrc in zip(range(packets), itertools.cycle(ssrcs), strict=False):
        packet = RtpPacket(payload_type=96, sequence_number=number % 65536, timestamp=960 * number, ssrc=ssrc)
        packet.payload = payload
        await call.sender.transport._send_rtp(packet.serialize())
        if number % 2 == 0:
            await asyncio.sleep(0)  # what was sent is received
    return loop.time() - began


@pytest.mark.parametrize("source", [Input.VIEWER, Input.CALL])
async def test_of_a_flood_no_more_is_decoded_than_could_be_played(
    source: Input, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(source) as call:
        call.recorder.heard.clear()
        seconds = await flood(call)
        await asyncio.sleep(0.1)
        assert call.recorder.seconds < 0.02 * (25 + 125 * (seconds + 1)) + 1
        assert caplog.text.count("more sound than can be played") == 1


async def test_sources_that_a_peer_invents_are_not_remembered() -> None:
    async with connected() as call:
        await flood(call, 500, sources=500)
        assert len(call.receiver.transport._rtp_router.ssrc_table) < 10
        assert len(call.receiver.getSynchronizationSources()) < 10


async def test_the_voice_is_heard_again_after_a_flood() -> None:
    async with connected() as call:
        await flood(call, 1000)
        call.recorder.heard.clear()
        await eventually(lambda: call.recorder.seconds > 1, "sound is played")
        assert loudest_hz(bytes(call.recorder.heard[-SAMPLE_RATE:])) == pytest.approx(440, abs=10)


class StuckDecoder:
    """A decoder that does not return until it is told to."""

    def __init__(self) -> None:
        self.began, self.may_return, self.returned = (threading.Event() for _ in range(3))

    def decode(self, _frame: object) -> list[av.AudioFrame]:
        self.began.set()
        self.may_return.wait(20)
        self.returned.set()
        return []


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> StuckDecoder:
    decoder = StuckDecoder()
    monkeypatch.setattr(rtcrtpreceiver, "get_decoder", lambda _codec: decoder)
    return decoder


async def test_closing_waits_for_a_decoder_and_the_event_loop_does_not(stuck: StuckDecoder) -> None:
    async with connected(heard=False) as call:
        await eventually(stuck.began.is_set, "a packet is decoded")
        threads = {thread for thread in threading.enumerate() if thread.name == "audio-decoder"}
        closing = asyncio.create_task(call.robot.close())
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not closing.done()
        stuck.may_return.set()
        await closing
        assert not threads & set(threading.enumerate())


async def test_a_peer_that_says_goodbye_does_not_hold_up_the_event_loop(stuck: StuckDecoder) -> None:
    async with connected(heard=False) as call:
        await eventually(stuck.began.is_set, "a packet is decoded")
        source = call.receiver.getSynchronizationSources()[0].source
        await call.sender.transport._send_rtp(bytes(RtcpByePacket(sources=[source])))
        await eventually(lambda: getattr(call.receiver, aiortc_hooks._DECODER_THREAD) is None, "it has ended")
        assert not stuck.returned.is_set()
        stuck.may_return.set()


async def test_while_a_decoder_is_stuck_little_waits_for_it(stuck: StuckDecoder) -> None:
    async with connected(heard=False) as call:
        await eventually(stuck.began.is_set, "a packet is decoded")
        await flood(call, 1000)
        waiting = getattr(call.receiver, aiortc_hooks._DECODER_QUEUE)
        assert 0 < waiting.qsize() <= 25
        stuck.may_return.set()


@pytest.mark.parametrize("name", ["_handle_rtp_packet", aiortc_hooks._STOP_DECODER])
async def test_an_aiortc_without_the_hook_is_an_error_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = RTCPeerConnection().addTransceiver("audio").receiver
    monkeypatch.delattr(RTCRtpReceiver, name)
    with pytest.raises(AttributeError, match=name):
        aiortc_hooks.bound_decoding(receiver, lambda: True, backlog=1)
