"""Sound on a peer connection: the microphone to many listeners, and one speaker at a time to the loudspeaker."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

import av
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import SessionDescription

from robot_node.core.media import SAMPLE_RATE, AudioSink, AudioSource, EncodedAudio

AudioPacket: TypeAlias = "av.Packet[Any]"
"""One Opus packet, as aiortc takes it; shared by all listeners and never changed."""

_TIME_BASE = Fraction(1, SAMPLE_RATE)


class Listener:
    """One peer's place in the broadcast. Made by :meth:`AudioBroadcast.join`."""

    def __init__(self, broadcast: AudioBroadcast, queue_packets: int) -> None:
        self._broadcast = broadcast
        # Each packet can be decoded without the others: whoever is behind loses the oldest.
        self._queue: deque[AudioPacket] = deque(maxlen=queue_packets)
        self._arrived = asyncio.Event()
        self._left = False

    async def next_packet(self) -> AudioPacket | None:
        """The next packet; None when the listener has left."""
        while not self._queue:
            if self._left:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()

    def offer(self, packet: AudioPacket) -> None:
        """Take a packet."""
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
    """Hands the packets of one microphone to any number of listeners. Used from the event loop only.

    Args:
        source: Encodes once, and is open only while somebody listens.
        queue_packets: How many packets of 20 ms a listener may be behind.
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
        """Take a listener out; called by :meth:`Listener.leave`."""
        self._listeners.remove(listener)
        if not self._listeners:
            self._source.set_listened(False)

    def close(self) -> None:
        """Let the microphone go; listeners that are left get no more packets."""
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
    """A place in the broadcast, as aiortc wants it. The packets are encoded already."""

    kind = "audio"

    def __init__(self, broadcast: AudioBroadcast) -> None:
        super().__init__()
        self._broadcast = broadcast
        self._listener: Listener | None = None

    async def recv(self) -> AudioPacket:
        """The next packet.

        Raises:
            MediaStreamError: the track has ended.
        """
        if self.readyState != "live":
            raise MediaStreamError
        if self._listener is None:
            # aiortc asks for the first packet when DTLS is up: nobody is heard before somebody can hear.
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


class Floor:
    """The right to be heard from the loudspeaker: one holder at a time, until it gives it back."""

    def __init__(self) -> None:
        self._holder: object | None = None

    def take(self, who: object) -> bool:
        """Say whether ``who`` has the floor now: it was free, or had it already."""
        if self._holder is None:
            self._holder = who
        return self._holder is who

    def give_back(self, who: object) -> None:
        """Make the floor free, if it is ``who`` that has it."""
        if self._holder is who:
            self._holder = None


@dataclass(frozen=True, slots=True)
class Sound:
    """A robot's sound, shared by all of its peers.

    Attributes:
        microphone: What peers hear; None without a microphone.
        loudspeaker: Where a peer is heard; None without a loudspeaker.
        viewer_may_speak: A viewer is heard too, not only a backend that the robot called.
        ears: Where the viewer of a client id is heard besides: what it says is recognised; None when it is not.
        floor: Who is heard.
    """

    microphone: AudioBroadcast | None = None
    loudspeaker: AudioSink | None = None
    viewer_may_speak: bool = False
    ears: Callable[[str], AudioSink] | None = None
    floor: Floor = field(default_factory=Floor)

    def for_viewer(self, client_id: str) -> AudioSink | None:
        """Where a viewer who has the floor is heard; None when nowhere."""
        if not self.viewer_may_speak:
            return None
        if self.ears is None:
            return self.loudspeaker
        ears = self.ears(client_id)
        return ears if self.loudspeaker is None else _Both(ears, self.loudspeaker)


class _Both:
    """Two sinks as one."""

    def __init__(self, first: AudioSink, second: AudioSink) -> None:
        self._sinks = (first, second)

    def play(self, samples: bytes) -> None:
        for sink in self._sinks:
            sink.play(samples)

    def flush(self) -> None:
        for sink in self._sinks:
            sink.flush()


class ViewerSound:
    """One viewer's part in the robot's sound, from its offer to its end.

    Args:
        sound: The robot's.
        client_id: The viewer's.
    """

    def __init__(self, sound: Sound, client_id: str) -> None:
        self._sound = sound
        self._sink = sound.for_viewer(client_id)
        self._track: MicrophoneTrack | None = None
        self._transceiver: RTCRtpTransceiver | None = None

    def prepare(self, connection: RTCPeerConnection, offer_sdp: str) -> RTCRtpTransceiver | None:
        """Add what answers the offer's audio section, before the offer is set: only then can Opus be chosen.

        Returns:
            The transceiver; None when there is nothing to send to the viewer and nothing to hear from it.
        """
        direction = _offered_opus(offer_sdp)
        hears, speaks = direction in {"recvonly", "sendrecv"}, direction in {"sendonly", "sendrecv"}
        if hears and self._sound.microphone is not None:
            self._track = MicrophoneTrack(self._sound.microphone)
        has_floor = speaks and self._sink is not None and self._sound.floor.take(self)
        if self._track is not None:
            answered = "sendrecv" if has_floor else "sendonly"
            self._transceiver = connection.addTransceiver(self._track, direction=answered)
        elif has_floor:
            self._transceiver = connection.addTransceiver("audio", direction="recvonly")
        if self._transceiver is not None:
            codecs = RTCRtpSender.getCapabilities("audio").codecs
            self._transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == "audio/opus"])
        return self._transceiver

    async def play_received(self) -> None:
        """Let the viewer be heard, if it has the floor, until it ends."""
        transceiver = self._transceiver
        if self._sink is not None and transceiver is not None and "recv" in (transceiver.currentDirection or ""):
            await play(transceiver.receiver.track, self._sink)

    def stop(self) -> None:
        """Send nothing more, and give the floor back."""
        if self._track is not None:
            self._track.stop()
        self._sound.floor.give_back(self)


async def play(track: MediaStreamTrack, sink: AudioSink) -> None:
    """Play a peer's sound until its track ends; what is still queued then is not heard."""
    to_mono = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    try:
        while True:
            frame = await track.recv()
            if isinstance(frame, av.AudioFrame):
                for mono in to_mono.resample(frame):
                    sink.play(bytes(mono.planes[0])[: mono.samples * 2])
    except MediaStreamError:
        pass
    finally:
        sink.flush()


def _offered_opus(sdp: str) -> str | None:
    """The direction of the first audio section, when Opus is offered in it."""
    try:
        sections = SessionDescription.parse(sdp).media
    except Exception:  # noqa: BLE001  # whatever a broken description makes aiortc's parser stumble over: no audio in it
        return None
    audio = next((section for section in sections if section.kind == "audio"), None)
    if audio is None or all(codec.mimeType.lower() != "audio/opus" for codec in audio.rtp.codecs):
        return None
    return audio.direction
