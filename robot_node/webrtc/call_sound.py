"""Sound of a call: the microphone to the backend, and what the backend says to the loudspeaker."""

from __future__ import annotations

from aiortc import RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver

from robot_node.core.media import AudioSink
from robot_node.webrtc.audio import Floor, MicrophoneTrack, Sound, play


class CallSound:
    """One call's part in the robot's sound, from its offer to its end.

    Args:
        sound: The robot's.
    """

    def __init__(self, sound: Sound) -> None:
        self._sound = sound
        self._track: MicrophoneTrack | None = None
        self._transceiver: RTCRtpTransceiver | None = None

    def offer(self, connection: RTCPeerConnection) -> None:
        """Add what there is: the microphone to send, the loudspeaker to receive for."""
        if self._sound.microphone is not None:
            self._track = MicrophoneTrack(self._sound.microphone)
            direction = "sendonly" if self._sound.loudspeaker is None else "sendrecv"
            self._transceiver = connection.addTransceiver(self._track, direction=direction)
        elif self._sound.loudspeaker is not None:
            self._transceiver = connection.addTransceiver("audio", direction="recvonly")
        if self._transceiver is not None:
            codecs = RTCRtpSender.getCapabilities("audio").codecs
            self._transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == "audio/opus"])

    @property
    def unheard(self) -> frozenset[str]:
        """The kinds of media that would be received for nobody."""
        return frozenset() if self._sound.loudspeaker is not None else frozenset({"audio"})

    async def play_received(self) -> None:
        """Let the backend be heard until it ends; call after the answer is set."""
        sink, transceiver = self._sound.loudspeaker, self._transceiver
        if sink is not None and transceiver is not None and "recv" in (transceiver.currentDirection or ""):
            await play(transceiver.receiver.track, _SinkWithFloor(sink, self._sound.floor, self))

    def stop(self) -> None:
        """Send nothing more, and give the floor back."""
        if self._track is not None:
            self._track.stop()
        self._sound.floor.give_back(self)


class _SinkWithFloor:
    """A loudspeaker that is silent for its user while somebody else has the floor."""

    def __init__(self, sink: AudioSink, floor: Floor, who: object) -> None:
        self._sink = sink
        self._floor = floor
        self._who = who

    def play(self, samples: bytes) -> None:
        if self._floor.take(self._who):
            self._sink.play(samples)

    def flush(self) -> None:
        if self._floor.take(self._who):
            self._sink.flush()
