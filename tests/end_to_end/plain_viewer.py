"""A WebRTC viewer that knows nothing of our code: aiortc, aiomqtt and the messages of the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import aiomqtt
import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.robot_process import SERVER_ID, plain_client
from tests.waiting import DEADLINE_S


class PlainViewer:
    """One viewer; see :func:`watching`."""

    def __init__(self, client: aiomqtt.Client, client_id: str, codec: str = "") -> None:
        self.client_id = client_id
        self.terminated = ""
        self.frames_seen = 0
        self._client = client
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._track: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
        transceiver = self._peer.addTransceiver("video", "recvonly")
        if codec:
            known = RTCRtpReceiver.getCapabilities("video")
            assert known is not None
            transceiver.setCodecPreferences([each for each in known.codecs if each.mimeType == codec])
        self._peer.on("track", self._track.set_result)
        self._frames: asyncio.Queue[av.VideoFrame] = asyncio.Queue(maxsize=300)

    @property
    def connection_state(self) -> str:
        return self._peer.connectionState

    async def offer(self) -> None:
        await self._peer.setLocalDescription(await self._peer.createOffer())
        description = {"type": "offer", "sdp": self._peer.localDescription.sdp}
        await self.send({"type": "sdp_offer", "data": description})

    async def send(self, message: dict[str, object]) -> None:
        await self._client.publish(f"$webrtc/{self.client_id}/{SERVER_ID}", json.dumps(message))

    async def read_signaling(self) -> None:
        async for message in self._client.messages:
            assert isinstance(message.payload, bytes)
            said = json.loads(message.payload)
            if said["type"] == "sdp_answer":
                await self._peer.setRemoteDescription(RTCSessionDescription(said["data"]["sdp"], "answer"))
            elif said["type"] == "webrtc_terminated":
                self.terminated = said["reason"]

    async def receive_frames(self) -> None:
        track = await self._track
        while True:
            frame = await track.recv()
            assert isinstance(frame, av.VideoFrame)
            self.frames_seen += 1
            if self._frames.full():
                self._frames.get_nowait()
            self._frames.put_nowait(frame)

    async def frames(self, count: int) -> list[av.VideoFrame]:
        """The next so many decoded frames."""
        async with asyncio.timeout(DEADLINE_S + count / 5):
            return [await self._frames.get() for _ in range(count)]

    async def quiet(self, seconds: float = 0.5) -> None:
        """Wait until no frame arrives any more, and forget those that did."""
        with contextlib.suppress(TimeoutError):
            while True:
                await asyncio.wait_for(self._frames.get(), seconds)

    async def close(self) -> None:
        await self._peer.close()


@contextlib.asynccontextmanager
async def watching(broker: PrivateBroker, client_id: str, *, codec: str = "") -> AsyncIterator[PlainViewer]:
    """A viewer that has sent its offer; its peer connection is closed at the end, without a goodbye.

    Args:
        broker: The robot's.
        client_id: The viewer's.
        codec: The only one that the viewer has; empty for all that aiortc has.
    """
    async with plain_client(broker, client_id) as client:
        await client.subscribe(f"$webrtc/{client_id}")
        viewer = PlainViewer(client, client_id, codec)
        tasks = [
            asyncio.create_task(viewer.read_signaling(), name="signalling"),
            asyncio.create_task(viewer.receive_frames(), name="frames"),
        ]
        try:
            await viewer.offer()
            yield viewer
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await viewer.close()
            unexpected = [error for error in ended if not isinstance(error, asyncio.CancelledError | MediaStreamError)]
            assert not unexpected, unexpected
