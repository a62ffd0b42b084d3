"""Sound on a peer connection: the mixer's output to many listeners, and what one peer says to the mixer."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import av
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import SessionDescription

from robot_node.core.media import SAMPLE_RATE, AudioSource, EncodedAudio
from robot_node.core.mixer import Input, Mixer, Peer, Taken
from robot_node.core.rate_limit import TokenBucket
from robot_node.webrtc import aiortc_hooks

logger = logging.getLogger(__name__)

AudioPacket: TypeAlias = "av.Packet[Any]"
"""One Opus packet, as aiortc takes it; shared by all listeners and never changed."""

_TIME_BASE = Fraction(1, SAMPLE_RATE)

_PACKETS_PER_S = 125
"""That a peer may send: 100 when a packet has the 10 ms that WebRTC allows at least (RFC 7587, 6.1: minptime)."""

_BURST_PACKETS = 125
"""That may come at once, after a second in which the network held them up."""

_BACKLOG = 25
"""Packets and frames that may wait to be decoded and played: half a second, as much as the loudspeaker queues."""


class Listener:
    """One peer's queue in the broadcast. Made by :meth:`AudioBroadcast.join`."""

    def __init__(self, broadcast: AudioBroadcast, queue_packets: int) -> None:
        self._broadcast = broadcast
        # Each packet can be decoded without the others: a slow peer loses the oldest.
        self._queue: deque[AudioPacket] = deque(maxlen=queue_packets)
        self._arrived = asyncio.Event()
        self._left = False

    async def next_packet(self) -> AudioPacket | None:
        """Return the next packet; None when the listener has left."""
        while not self._queue:
            if self._left:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()

    def offer(self, packet: AudioPacket) -> None:
        """Queue a packet; the oldest is dropped when the queue is full."""
        self._queue.append(packet)
        self._arrived.set()

    def leave(self) -> None:
        """Leave the broadcast; a wait for the next packet ends."""
        if not self._left:
            self._left = True
            self._queue.clear()
            self._arrived.set()
            self._broadcast.remove(self)


class AudioBroadcast:
    """Passes the packets of one source to any number of listeners. Used from the event loop only.

    Args:
        source: Encodes once, and only while somebody listens.
        queue_packets: Packets of 20 ms in the queue of each listener.
    """

    def __init__(self, source: AudioSource, *, queue_packets: int = 10) -> None:
        self._source = source
        self._queue_packets = queue_packets
        self._listeners: list[Listener] = []
        source.set_sink(self._publish)

    def join(self) -> Listener:
        """Add a listener."""
        listener = Listener(self, self._queue_packets)
        self._listeners.append(listener)
        if len(self._listeners) == 1:
            self._source.set_listened(True)
        return listener

    def remove(self, listener: Listener) -> None:
        """Remove a listener; called by :meth:`Listener.leave`."""
        self._listeners.remove(listener)
        if not self._listeners:
            self._source.set_listened(False)

    def close(self) -> None:
        """Release the source; remaining listeners get no more packets."""
        for listener in tuple(self._listeners):
            listener.leave()
        self._source.set_sink(None)

    def _publish(self, encoded: EncodedAudio) -> None:
        packet: AudioPacket = av.Packet(encoded.data)
        packet.pts = packet.dts = encoded.timestamp
        packet.time_base = _TIME_BASE
        for listener in self._listeners:
            listener.offer(packet)


class MicrophoneTrack(MediaStreamTrack):
    """A listener as aiortc's track; its packets are already encoded."""

    kind = "audio"

    def __init__(self, broadcast: AudioBroadcast) -> None:
        super().__init__()
        self._broadcast = broadcast
        self._listener: Listener | None = None

    async def recv(self) -> AudioPacket:
        """Return the next packet.

        Raises:
            MediaStreamError: the track has ended.
        """
        if self.readyState != "live":
            raise MediaStreamError
        if self._listener is None:
            # aiortc asks for the first packet when DTLS is up: the microphone stays closed until then.
            self._listener = self._broadcast.join()
        packet = await self._listener.next_packet()
        if packet is None:
            raise MediaStreamError
        return packet

    def stop(self) -> None:
        """End the track and leave the broadcast."""
        super().stop()
        if self._listener is not None:
            self._listener.leave()


@dataclass(frozen=True, slots=True)
class Sound:
    """A robot's sound, shared by all of its peers.

    Attributes:
        mixer: Plays what peers say.
        broadcast: What peers hear; None when there is nothing.
    """

    mixer: Mixer
    broadcast: AudioBroadcast | None = None


class PeerSound:
    """One peer's part in the robot's sound, from the negotiation to the end of its connection.

    Args:
        sound: The robot's; None for a robot without sound.
        source: A viewer, or the backend of a call.
        client_id: The viewer's.
        only_recognised: What it says is for speech recognition, and not played.
    """

    def __init__(
        self, sound: Sound | None, source: Input, client_id: str = "", *, only_recognised: bool = False
    ) -> None:
        self._mixer = Mixer() if sound is None else sound.mixer
        self._broadcast = None if sound is None else sound.broadcast
        self._peer = Peer(source, client_id, only_recognised)
        self._track: MicrophoneTrack | None = None
        self._transceiver: RTCRtpTransceiver | None = None
        self._clock = asyncio.get_running_loop().time
        self._rate = TokenBucket(_PACKETS_PER_S, _BURST_PACKETS, self._clock())
        self._exceeded = False

    def offer(self, connection: RTCPeerConnection, *, only_sends: bool = False) -> None:
        """Add an audio section to the robot's own offer, for what there is to send and, if wanted, to play."""
        receives = not only_sends and self._mixer.accepts(self._peer.source)
        self._add_section(connection, sends=True, receives=receives)

    def answer(self, connection: RTCPeerConnection, offer_sdp: str) -> RTCRtpTransceiver | None:
        """Answer the audio section of a peer's offer, before the offer is set: only then can Opus be chosen.

        A peer that offers to send takes the floor; while another one has it, the answer is to send nothing.

        Returns:
            The transceiver; None when there is nothing to send to the peer and nothing to hear from it.
        """
        direction = _opus_direction(offer_sdp)
        receives = direction in {"sendonly", "sendrecv"} and self._mixer.take_floor(self._peer)
        self._add_section(connection, sends=direction in {"recvonly", "sendrecv"}, receives=receives)
        return self._transceiver

    def _add_section(self, connection: RTCPeerConnection, *, sends: bool, receives: bool) -> None:
        if sends and self._broadcast is not None:
            self._track = MicrophoneTrack(self._broadcast)
            direction = "sendrecv" if receives else "sendonly"
            self._transceiver = connection.addTransceiver(self._track, direction=direction)
        elif receives:
            self._transceiver = connection.addTransceiver("audio", direction="recvonly")
        if self._transceiver is not None:
            codecs = RTCRtpSender.getCapabilities("audio").codecs
            self._transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == "audio/opus"])
            aiortc_hooks.bound_decoding(self._transceiver.receiver, self._admit, backlog=_BACKLOG)

    def _admit(self) -> bool:
        """Say whether one more packet of the peer may be decoded."""
        if self._rate.take(self._clock()):
            return True
        if not self._exceeded:
            self._exceeded = True
            logger.warning("A peer sends more sound than can be played: the rest is dropped.")
        return False

    @property
    def taken(self) -> Taken | None:
        """What becomes of the peer's sound; None when it sends none."""
        transceiver = self._transceiver
        sends = transceiver is not None and "recv" in (transceiver.currentDirection or "")
        return self._mixer.taken(self._peer) if sends else None

    @property
    def unwanted(self) -> frozenset[str]:
        """The kinds of media that the peer must not send, because nothing plays them."""
        return frozenset() if self._mixer.accepts(self._peer.source) else frozenset({"audio"})

    async def play_received(self) -> None:
        """Play what the peer sends while it has the floor, until its track ends; call after the negotiation."""
        transceiver = self._transceiver
        if transceiver is None or "recv" not in (transceiver.currentDirection or ""):
            return
        track, to_mono = transceiver.receiver.track, av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        try:
            while True:
                frame = await track.recv()
                if isinstance(frame, av.AudioFrame):
                    for mono in to_mono.resample(frame):
                        self._mixer.play(self._peer, bytes(mono.planes[0])[: mono.samples * 2])
        except MediaStreamError:
            pass
        finally:
            self._mixer.flush(self._peer)

    def stop(self) -> None:
        """Send nothing more, and leave the floor."""
        if self._track is not None:
            self._track.stop()
        self._mixer.leave(self._peer)


def _opus_direction(sdp: str) -> str | None:
    """Return the direction of the first audio section, when Opus is offered in it."""
    try:
        sections = SessionDescription.parse(sdp).media
    except Exception:  # noqa: BLE001  # whatever a broken description makes aiortc's parser stumble over: no audio in it
        return None
    audio = next((section for section in sections if section.kind == "audio"), None)
    if audio is None or all(codec.mimeType.lower() != "audio/opus" for codec in audio.rtp.codecs):
        return None
    return audio.direction
