"""Where speech goes beside what is there already: the microphone's listeners, and the loudspeaker's other users.

While the robot speaks, viewers hear its voice instead of the microphone, which would bring it to them a second time
from the loudspeaker, and what peers say is not played.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE, AudioPacketSink, AudioSink, AudioSource, EncodedAudio


class OutgoingSound:
    """What viewers hear: the microphone, and in its place the robot's voice.

    It is a :class:`robot_node.core.media.AudioSource`. Used from the event loop only.

    Args:
        microphone: None without one: viewers hear the voice alone.
        clock: Monotonic time in seconds.
    """

    def __init__(self, microphone: AudioSource | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._microphone = microphone
        self._clock = clock
        self._sink: AudioPacketSink | None = None
        self._listened = False
        self._speaking = False
        self._continues = False  # the packet before was of the same source, and there is no gap between
        self._timestamp = 0
        self._microphone_at = 0

    def set_sink(self, sink: AudioPacketSink | None) -> None:
        """Choose who receives the packets."""
        self._sink = sink
        if self._microphone is not None:
            self._microphone.set_sink(self._from_microphone if sink is not None else None)

    def set_listened(self, listened: bool) -> None:
        """Say whether anybody listens: the microphone is open only then."""
        self._listened = listened
        if self._microphone is not None:
            self._microphone.set_listened(listened)

    def begin_speech(self) -> None:
        """The robot begins to speak, also after a pause: the microphone is not heard until :meth:`end_speech`."""
        self._speaking, self._continues = True, False

    def end_speech(self) -> None:
        """The robot has ended."""
        self._speaking = self._continues = False

    def speak(self, packet: bytes) -> None:
        """Let the next 20 ms of the voice, as Opus, be heard."""
        if self._listened and packet:
            self._emit(packet, FRAME_SAMPLES)

    def _from_microphone(self, packet: EncodedAudio) -> None:
        if not self._speaking:
            self._emit(packet.data, packet.timestamp - self._microphone_at)
            self._microphone_at = packet.timestamp

    def _emit(self, data: bytes, step: int) -> None:
        if not self._continues:
            # RFC 3550, 5.1: the timestamp goes on with the time when nothing was sent in between.
            step = int(self._clock() * SAMPLE_RATE) - self._timestamp
        self._continues = True
        self._timestamp += max(FRAME_SAMPLES, step)
        if self._sink is not None:
            self._sink(EncodedAudio(data, self._timestamp))


class PeersLoudspeaker:
    """The loudspeaker for peers: silent for them while the robot speaks. A :class:`robot_node.core.media.AudioSink`.

    Args:
        loudspeaker: What plays.
        speaking: Whether the robot speaks.
    """

    def __init__(self, loudspeaker: AudioSink, speaking: Callable[[], bool]) -> None:
        self._loudspeaker = loudspeaker
        self._speaking = speaking

    def play(self, samples: bytes) -> None:
        """Play, unless the robot speaks."""
        if not self._speaking():
            self._loudspeaker.play(samples)

    def flush(self) -> None:
        """Forget what is queued and not played yet, unless it is the robot's own."""
        if not self._speaking():
            self._loudspeaker.flush()
