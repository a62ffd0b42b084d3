"""What a connected viewer sends: messages of the data channel, and sound."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs.opus import OpusEncoder
from aiortc.mediastreams import AudioStreamTrack
from aiortc.rtp import RtpPacket

from benchmarks._observed import ANSWER_S, SETTLE_S, Action, Observed, a_stranger
from robot_node.apps.private_broker import PrivateBroker
from robot_node.webrtc.signaling import Answer, Offer, answers_topic, encode, offers_topic, parse

_SOUND_PER_S = 3000
"""Packets of sound; a call sends 50."""

_SOUND_S = 2.0


async def data_channel(observed: Observed, private: PrivateBroker, robot_id: str) -> None:
    """Send on the data channel."""
    viewer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    viewer.addTransceiver("video", direction="recvonly")
    channel = viewer.createDataChannel("status")
    opened = asyncio.Event()
    channel.on("open", opened.set)

    async def send(text: str, times: int) -> None:
        for _ in range(times):
            channel.send(text)
        async with asyncio.timeout(ANSWER_S):
            while channel.bufferedAmount:  # noqa: ASYNC110  # there is an event for the last message only
                await asyncio.sleep(SETTLE_S / 10)

    async def open_many() -> None:
        for number in range(64):
            viewer.createDataChannel(f"channel {number}")
        await asyncio.sleep(SETTLE_S)

    cases: list[tuple[str, Action]] = [
        ("a message of 256 KiB", lambda: send("x" * 262_144, 1)),
        ("256 messages of a byte", lambda: send("x", 256)),
        ("64 channels", open_many),
    ]
    async with _watching(viewer, private, robot_id):
        async with asyncio.timeout(ANSWER_S):
            await opened.wait()
        await observed.measure("data_channel", cases, lambda: asyncio.sleep(SETTLE_S))


async def sound(observed: Observed, private: PrivateBroker, robot_id: str) -> None:
    """Send sound, many times faster than it can be played."""
    viewer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    viewer.addTransceiver("video", direction="recvonly")
    speaking = viewer.addTransceiver(AudioStreamTrack(), direction="sendonly")
    frame = av.AudioFrame(format="s16", layout="stereo", samples=960)
    frame.sample_rate, frame.pts = 48_000, 0
    frame.planes[0].update(secrets.token_bytes(frame.planes[0].buffer_size))
    (payload, *_), _ = OpusEncoder().encode(frame)

    async def flood() -> None:
        loop, sent = asyncio.get_running_loop(), 0
        began = loop.time()
        while (elapsed := loop.time() - began) < _SOUND_S:
            while sent < elapsed * _SOUND_PER_S:
                packet = RtpPacket(payload_type=96, sequence_number=sent % 65_536, timestamp=960 * sent)
                packet.payload = payload
                await speaking.sender.transport._send_rtp(packet.serialize())  # noqa: SLF001  # past the pace of its own sender
                sent += 1
            await asyncio.sleep(0.005)

    async with _watching(viewer, private, robot_id):
        await observed.measure("sound", [("3000 packets/s", flood)], lambda: asyncio.sleep(SETTLE_S))


@contextlib.asynccontextmanager
async def _watching(viewer: RTCPeerConnection, private: PrivateBroker, robot_id: str) -> AsyncIterator[None]:
    name = f"viewer-{secrets.token_hex(4)}"
    connected = asyncio.Event()

    @viewer.on("connectionstatechange")
    def _on_change() -> None:
        if viewer.connectionState == "connected":
            connected.set()

    try:
        async with a_stranger(private, answers_topic(name), name=name) as stranger:
            await viewer.setLocalDescription()
            await stranger.connection.publish(offers_topic(name, robot_id), encode(Offer(viewer.localDescription.sdp)))
            answer = parse(await stranger.until(lambda payload: b"sdp_answer" in payload))
            assert isinstance(answer, Answer)
            await viewer.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
            async with asyncio.timeout(ANSWER_S):
                await connected.wait()
            yield
    finally:
        await viewer.close()
