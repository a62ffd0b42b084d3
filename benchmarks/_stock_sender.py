"""The usual way to stream with aiortc, to compare with: ``MediaRelay``, and an encoder for each viewer.

Usage: ``python -m benchmarks._stock_sender BROKER_URL SCENE``; answers offers to ``$webrtc/+/stock`` and shows what
the simulated camera of a robot would see, 1280x720 at 30 frames/s.
"""

from __future__ import annotations

import asyncio
import sys
import time
from fractions import Fraction

import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay

from benchmarks._processes import LOOPBACK, requests
from hw_mocks.scenes import Scene, open_scene
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from robot_node.settings.devices import CameraSettings
from robot_node.webrtc import aiortc_hooks
from robot_node.webrtc.negotiation import GATHERING_LIMIT_S
from robot_node.webrtc.signaling import (
    Answer,
    Offer,
    answers_topic,
    encode,
    offering_client,
    offers_filter,
    parse,
)

STOCK_ID = "stock"
_CAMERA = CameraSettings()
_RTP_TIME_BASE = Fraction(1, 90_000)


class _SceneTrack(MediaStreamTrack):
    """Raw pictures at the camera's frame rate."""

    kind = "video"

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene = scene
        self._due = 0.0

    async def recv(self) -> av.VideoFrame:
        self._due = max(self._due + 1 / _CAMERA.frame_rate, time.monotonic())
        await asyncio.sleep(self._due - time.monotonic())
        return await asyncio.to_thread(self._picture, self._due)

    def _picture(self, monotonic_s: float) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(self._scene.picture(monotonic_s), format="yuv420p")
        frame.pts, frame.time_base = int(monotonic_s / _RTP_TIME_BASE), _RTP_TIME_BASE
        return frame


async def _answer(offer: Offer, track: MediaStreamTrack) -> tuple[RTCPeerConnection, Answer]:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTrack(track)
    await connection.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
    for transport in aiortc_hooks.ice_transports(connection):
        aiortc_hooks.limit_gathering(transport, GATHERING_LIMIT_S, only=(LOOPBACK,))
    await connection.setLocalDescription()
    return connection, Answer(connection.localDescription.sdp)


async def _serve(broker: Broker, scene: Scene) -> None:
    relay, source = MediaRelay(), _SceneTrack(scene)
    inbox: asyncio.Queue[Incoming] = asyncio.Queue()
    connections: list[RTCPeerConnection] = []
    async with connect(broker, ConnectOptions(client_id=STOCK_ID), inbox.put_nowait) as signaling:

        async def answer_offers() -> None:
            while True:
                incoming = await inbox.get()
                message = parse(incoming.payload)
                if isinstance(message, Offer):
                    connection, answer = await _answer(message, relay.subscribe(source))
                    connections.append(connection)
                    await signaling.publish(answers_topic(offering_client(incoming.topic)), encode(answer))

        await signaling.subscribe(Subscription(offers_filter(STOCK_ID)))
        answering = asyncio.create_task(answer_offers(), name="answering")
        try:
            async for _ in requests():
                pass
        finally:
            answering.cancel()
            source.stop()
            for connection in connections:
                await connection.close()


if __name__ == "__main__":
    shown = open_scene(sys.argv[2], _CAMERA.width, _CAMERA.height)
    asyncio.run(_serve(Broker.from_url(sys.argv[1]), shown))
