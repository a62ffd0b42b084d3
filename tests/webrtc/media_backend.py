"""A media backend that a test drives by hand: it answers the robot's offers with an aiortc connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import TypeVar

import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from robot_node.mqtt import Broker, Connection, ConnectOptions, Incoming, Subscription, connect
from robot_node.webrtc.messages import BackendMessage, encode_message, messages_topic
from robot_node.webrtc.negotiation import rtc_candidate
from robot_node.webrtc.signaling import (
    PROXY_NAME,
    Candidate,
    EndOfCandidates,
    Message,
    Offer,
    answers_topic,
    encode,
    offering_client,
    offers_filter,
    parse,
    strip_candidates,
)
from tests.waiting import DEADLINE_S

M = TypeVar("M", bound=Message)


class MediaBackend:
    """One MQTT client that answers on ``$webrtc/+/multimedia_proxy``."""

    def __init__(self, connection: Connection, inbox: asyncio.Queue[Incoming]) -> None:
        self._connection = connection
        self._inbox = inbox
        self._peers: list[RTCPeerConnection] = []
        self.configuration = RTCConfiguration(iceServers=[])
        self.rtc = RTCPeerConnection(self.configuration)
        self.caller = ""
        self.decodes_h264 = True

    async def receive(self, kind: type[M], within_s: float = DEADLINE_S) -> M:
        """The next message that is no candidate; it must be of this kind."""
        while True:
            incoming = await asyncio.wait_for(self._inbox.get(), within_s)
            self.caller = offering_client(incoming.topic)
            message = parse(incoming.payload)
            if isinstance(message, Candidate | EndOfCandidates):
                if isinstance(message, Candidate) and self.rtc.remoteDescription is not None:
                    await self.rtc.addIceCandidate(rtc_candidate(message))
                continue
            assert isinstance(message, kind), message
            return message

    async def next_about_candidates(self) -> Candidate | EndOfCandidates:
        """The next message, which must be about candidates; a candidate is used."""
        message = parse((await asyncio.wait_for(self._inbox.get(), DEADLINE_S)).payload)
        assert isinstance(message, Candidate | EndOfCandidates), message
        if isinstance(message, Candidate):
            await self.rtc.addIceCandidate(rtc_candidate(message))
        return message

    async def take_offer(
        self, *tracks: MediaStreamTrack, with_addresses: bool = True, within_s: float = DEADLINE_S
    ) -> str:
        """Wait for an offer, and make the answer to it, if need be without looking at the addresses in the offer."""
        offer = await self.receive(Offer, within_s)
        self.rtc = RTCPeerConnection(self.configuration)
        self._peers.append(self.rtc)
        for track in tracks:
            self.rtc.addTrack(track)
        sdp = offer.sdp if self.decodes_h264 else offer.sdp.replace("packetization-mode=1", "packetization-mode=0")
        sdp = sdp if with_addresses else strip_candidates(sdp)[0]
        await self.rtc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self.rtc.setLocalDescription()
        return self.rtc.localDescription.sdp

    async def answer(self, *tracks: MediaStreamTrack, bare: bool = False, within_s: float = DEADLINE_S) -> str:
        """Wait for an offer and answer it; return the answer."""
        sdp = await self.take_offer(*tracks, within_s=within_s)
        await self.send_answer(sdp, bare=bare)
        return sdp

    async def send_answer(self, sdp: str, *, bare: bool = False) -> None:
        """Answer with an object, or with the bare SDP text, as some backends do."""
        data = sdp if bare else {"type": "answer", "sdp": sdp}
        await self.send_bytes(json.dumps({"type": "sdp_answer", "data": data}).encode())

    async def send(self, message: Message) -> None:
        await self.send_bytes(encode(message))

    async def send_bytes(self, payload: bytes, *, retain: bool = False) -> None:
        await self._connection.publish(answers_topic(self.caller), payload, qos=1, retain=retain)

    async def say(self, message: BackendMessage) -> None:
        """Speech and text beside the call."""
        await self.say_bytes(encode_message(message))

    async def say_bytes(self, payload: bytes) -> None:
        await self._connection.publish(messages_topic(self.caller), payload, qos=1)

    def silent(self) -> bool:
        """Nothing was received that has not been looked at."""
        return self._inbox.empty()

    async def frame(self, within_s: float = DEADLINE_S) -> av.VideoFrame:
        """The next decoded frame of the newest call."""
        track = next(t.receiver.track for t in self.rtc.getTransceivers() if t.kind == "video")
        frame = await asyncio.wait_for(track.recv(), within_s)
        assert isinstance(frame, av.VideoFrame)
        return frame

    async def close(self) -> None:
        for peer in self._peers:
            await peer.close()


def without_candidates(sdp: str) -> tuple[str, tuple[Candidate, ...]]:
    """An answer whose candidates travel by themselves."""
    return strip_candidates(sdp)


@contextlib.asynccontextmanager
async def media_backend(broker: Broker, name: str = PROXY_NAME) -> AsyncIterator[MediaBackend]:
    """A backend that hears every offer to it."""
    inbox: asyncio.Queue[Incoming] = asyncio.Queue()
    async with connect(broker, ConnectOptions(client_id=f"backend-{name}"), inbox.put_nowait) as connection:
        await connection.subscribe(Subscription(offers_filter(name)))
        backend = MediaBackend(connection, inbox)
        try:
            yield backend
        finally:
            await backend.close()
