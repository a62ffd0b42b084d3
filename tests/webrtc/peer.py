"""A peer that a test drives by hand: MQTT messages one by one, and an aiortc connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import TypeVar

import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, RtcpReceiverInfo, RtcpRrPacket, pack_remb_fci

from robot_node.mqtt import Broker, Connection, ConnectOptions, Incoming, Subscription, connect
from robot_node.webrtc.negotiation import VideoCodec, prefer_with_retransmission
from robot_node.webrtc.signaling import (
    Answer,
    Candidate,
    Message,
    Offer,
    answers_topic,
    encode,
    offers_topic,
    parse,
    strip_candidates,
)
from tests.waiting import DEADLINE_S
from tests.webrtc.scene import SERVER_ID

M = TypeVar("M", bound=Message)


class Peer:
    """One MQTT client, with any number of peer connections after each other."""

    def __init__(self, connection: Connection, inbox: asyncio.Queue[Incoming], answerer: str) -> None:
        self._connection = connection
        self._inbox = inbox
        self._answerer = answerer
        self._topic = offers_topic(connection.client_id, answerer)
        self._connections: list[RTCPeerConnection] = []
        self.rtc = self.new_connection()

    def new_connection(self) -> RTCPeerConnection:
        """Begin anew, as a page does that was loaded again; the old connection is left as it is."""
        return self.use(RTCPeerConnection(RTCConfiguration(iceServers=[])))

    def use(self, connection: RTCPeerConnection) -> RTCPeerConnection:
        """Begin anew with this connection."""
        self.rtc = connection
        self._connections.append(connection)
        return connection

    async def send(self, message: Message, *, retain: bool = False) -> None:
        await self.send_bytes(encode(message), retain=retain)

    async def send_bytes(self, payload: bytes, *, retain: bool = False) -> None:
        await self._connection.publish(self._topic, payload, qos=1, retain=retain)

    async def send_as(self, client_id: str, message: Message) -> None:
        """Send in somebody else's name, as a broker without access rules allows."""
        await self._connection.publish(offers_topic(client_id, self._answerer), encode(message), qos=1)

    async def receive(self, kind: type[M], within_s: float = DEADLINE_S) -> M:
        """The next message, which must be of this kind."""
        incoming = await asyncio.wait_for(self._inbox.get(), within_s)
        message = parse(incoming.payload)
        assert isinstance(message, kind), message
        return message

    def silent(self) -> bool:
        """Nothing was received that has not been looked at."""
        return self._inbox.empty()

    async def make_offer(self, *, codec: VideoCodec | None = VideoCodec.H264) -> tuple[str, tuple[Candidate, ...]]:
        """An offer to receive video in one codec, or in all, without its candidates, and those."""
        transceiver = self.rtc.addTransceiver("video", direction="recvonly")
        if codec is not None:
            prefer_with_retransmission(transceiver, codec)
        await self.rtc.setLocalDescription()
        return strip_candidates(self.rtc.localDescription.sdp)

    async def offer(self, *, codec: VideoCodec | None = VideoCodec.H264) -> str:
        """Offer with the candidates inside, and take the answer."""
        sdp, candidates = await self.make_offer(codec=codec)
        await self.send(Offer(with_candidates(sdp, candidates)))
        return await self.take_answer()

    async def take_answer(self, *, with_addresses: bool = True) -> str:
        """Receive the answer and apply it, if need be without the addresses in it."""
        answer = await self.receive(Answer)
        await self.apply(answer if with_addresses else Answer(strip_candidates(answer.sdp)[0]))
        return answer.sdp

    async def apply(self, answer: Answer) -> None:
        """Begin to connect."""
        await self.rtc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))

    async def take_last_answer(self, quiet_s: float = 1.0) -> None:
        """Apply the last of several answers: the one after which no other comes."""
        answer = await self.receive(Answer)
        with contextlib.suppress(TimeoutError):
            while True:
                answer = await self.receive(Answer, quiet_s)
        await self.apply(answer)

    async def frame(self, within_s: float = DEADLINE_S) -> av.VideoFrame:
        """The next decoded frame of the newest connection."""
        track = next(t.receiver.track for t in self.rtc.getTransceivers() if t.kind == "video")
        frame = await asyncio.wait_for(track.recv(), within_s)
        assert isinstance(frame, av.VideoFrame)
        return frame

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()


def with_candidates(sdp: str, candidates: tuple[Candidate, ...]) -> str:
    """Put candidates into the first media section."""
    lines = "".join(f"a={candidate.candidate}\r\n" for candidate in candidates)
    return re.sub(r"(a=mid:[^\r\n]*\r\n)", lambda match: match[1] + lines, sdp, count=1)


async def send_report(receiver: RTCRtpReceiver, *, estimate: int, lost: float) -> None:
    """Tell the sender what a receiver in a bad network tells: an estimate in bits per second, and a share of loss."""
    source = receiver.getSynchronizationSources()[0].source
    report = RtcpReceiverInfo(source, int(lost * 256), packets_lost=0, highest_sequence=0, jitter=0, lsr=0, dlsr=0)
    await receiver.transport._send_rtp(bytes(RtcpPsfbPacket(RTCP_PSFB_APP, 1, 0, pack_remb_fci(estimate, [source]))))
    await receiver.transport._send_rtp(bytes(RtcpRrPacket(1, [report])))


@contextlib.asynccontextmanager
async def peer(
    broker: Broker, client_id: str = "peer", *, answerer: str = SERVER_ID, video: str = ""
) -> AsyncIterator[Peer]:
    """A peer that is subscribed to what the robot answers; ``video`` is the user property of that name."""
    inbox: asyncio.Queue[Incoming] = asyncio.Queue()
    options = ConnectOptions(client_id=client_id, publish_properties=(("video", video),) if video else ())
    async with connect(broker, options, inbox.put_nowait) as connection:
        await connection.subscribe(Subscription(answers_topic(client_id)))
        made = Peer(connection, inbox, answerer)
        try:
            yield made
        finally:
            await made.close()
