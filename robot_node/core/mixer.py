"""The mixer: routes sound, and decides which sound mutes which.

It is in ``core`` because both sides use it: ``speech`` feeds and taps it, ``webrtc`` connects peers to it. It knows
no device, codec or network: sound comes in as samples or packets, and leaves by the sinks that it was given.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from robot_node.core.media import (
    FRAME_SAMPLES,
    SAMPLE_RATE,
    AudioPacketSink,
    EncodedAudio,
    LoudspeakerSink,
    MicrophoneSource,
    RecognitionTap,
    SpeechFrame,
    level_of,
)


class Input(enum.StrEnum):
    """A source of sound."""

    SPEECH = "speech"  # the robot's own voice
    CALL = "call"  # the media backend that the robot called
    VIEWER = "viewer"
    MICROPHONE = "microphone"


class Output(enum.StrEnum):
    """A destination of sound."""

    LOUDSPEAKER = "loudspeaker"
    PEERS = "peers"  # viewers, and the backend in a call
    RECOGNITION = "recognition"  # tap: speech recognition
    WAKE_WORD = "wake_word"  # tap: a wake word that interrupts the robot
    MOUTH = "mouth"  # tap: the loudness moves the face's mouth


class Route(NamedTuple):
    """Route from one input to one output."""

    source: Input
    to: Output


ECHO_S = 0.4
"""Latency of sound card and room after the loudspeaker's queue."""

VIEWER_PAUSE_S = 1.0
"""Silence after which a viewer has finished speaking; until then the microphone is not recognised."""

_VOICE = Route(Input.SPEECH, Output.LOUDSPEAKER)

SILENCED_BY: Mapping[Route, Mapping[Route, float]] = MappingProxyType(
    {
        # The robot's own voice comes first everywhere.
        _VOICE: {},
        Route(Input.SPEECH, Output.PEERS): {},
        Route(Input.SPEECH, Output.MOUTH): {},
        Route(Input.CALL, Output.LOUDSPEAKER): {_VOICE: 0.0},
        Route(Input.CALL, Output.MOUTH): {_VOICE: 0.0},
        Route(Input.VIEWER, Output.LOUDSPEAKER): {_VOICE: 0.0},
        Route(Input.VIEWER, Output.MOUTH): {_VOICE: 0.0},
        # The microphone would bring the voice to peers a second time, from the loudspeaker.
        Route(Input.MICROPHONE, Output.PEERS): {_VOICE: 0.0},
        # What the loudspeaker plays is not recognised: the robot would answer itself. A viewer goes before the room.
        Route(Input.MICROPHONE, Output.RECOGNITION): {
            _VOICE: ECHO_S,
            Route(Input.CALL, Output.LOUDSPEAKER): ECHO_S,
            Route(Input.VIEWER, Output.LOUDSPEAKER): ECHO_S,
            Route(Input.VIEWER, Output.RECOGNITION): VIEWER_PAUSE_S,
        },
        Route(Input.VIEWER, Output.RECOGNITION): {_VOICE: 0.0},
        # The robot does not say it, but others may whom the loudspeaker plays.
        Route(Input.MICROPHONE, Output.WAKE_WORD): {
            Route(Input.CALL, Output.LOUDSPEAKER): ECHO_S,
            Route(Input.VIEWER, Output.LOUDSPEAKER): ECHO_S,
            Route(Input.VIEWER, Output.RECOGNITION): VIEWER_PAUSE_S,
        },
    }
)
"""All routes, each with the routes that mute it while they carry loud sound, and for how many seconds
after. Of viewers and calls, only the :class:`Peer` that holds the floor is heard: the first one, until it leaves."""

LOUD = 0.15
"""Level above which sound counts as loud; quieter speech is not intelligible (0.15: a peak of 370 of 32767)."""

_SILENCE = bytes(SAMPLE_RATE * 2)
_LONG_AGO = float("-inf")


class Taken(enum.StrEnum):
    """What becomes of a peer's sound."""

    YES = "yes"
    WAITS = "waits"  # the robot itself speaks
    STOPPED = "stopped"  # by stop_peer
    NO = "no"  # it has not the floor


@dataclass(frozen=True, slots=True, eq=False)
class Peer:
    """The other end of a connection, whose sound may be played.

    Attributes:
        source: A viewer, or the backend of a call.
        client_id: The viewer's.
        only_recognised: It speaks to the robot: its sound is recognised, and not played.
    """

    source: Input
    client_id: str = ""
    only_recognised: bool = False


class Mixer:
    """Routes sound between its inputs and outputs by :data:`SILENCED_BY`. Used from the event loop only.

    To peers it is an :class:`robot_node.core.media.AudioSource`.

    Args:
        microphone: None without one.
        loudspeaker: None without one.
        mouth: Receives the seconds until a piece is heard, and its loudness (0 to 1).
        has_voice: The robot may speak, so that peers have something to hear also without a microphone.
        recognised: The inputs that are recognised, of microphone and viewer.
        viewer_may_speak: Viewers may take the floor, not only a backend that the robot called.
        on_floor: Called when the floor is taken (True), and when it is free again (False).
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        *,
        microphone: MicrophoneSource | None = None,
        loudspeaker: LoudspeakerSink | None = None,
        mouth: Callable[[float, float], None] = lambda _delay_s, _level: None,
        has_voice: bool = False,
        recognised: frozenset[Input] = frozenset(),
        viewer_may_speak: bool = False,
        on_floor: Callable[[bool], None] = lambda _taken: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._microphone = microphone
        self._loudspeaker = loudspeaker
        self._mouth = mouth
        self._has_voice = has_voice
        self._recognised = recognised
        self._viewer_may_speak = viewer_may_speak
        self._on_floor = on_floor
        self._clock = clock
        self._sink: AudioPacketSink | None = None
        self._listened = False
        self._timestamp = 0
        self._speaking = False
        self._loud_at: dict[Route, float] = {}
        self._floor: Peer | None = None
        self._stopped: set[Peer] = set()  # by stop_peer; until they leave
        self._played = Input.VIEWER  # whose sound the loudspeaker played last
        self._tap: RecognitionTap | None = None
        self._microphone_heard = False  # an utterance may have begun in what the tap got of the microphone
        if loudspeaker is not None:
            loudspeaker.set_level_sink(self._on_played)

    def is_open(self, route: Route) -> bool:
        """Whether sound on this route passes now."""
        return not any(self._is_loud(cause, hold_s) for cause, hold_s in SILENCED_BY[route].items())

    def _is_loud(self, route: Route, hold_s: float) -> bool:
        """Whether a route carries loud sound now, or did so less than ``hold_s`` seconds ago."""
        if route == _VOICE and self._speaking:
            return True
        return self._clock() < self._loud_at.get(route, _LONG_AGO) + hold_s

    # What peers hear.

    @property
    def has_sound_for_peers(self) -> bool:
        """Whether there is, or may be, sound for peers."""
        return self._has_voice or self._microphone is not None

    def set_sink(self, sink: AudioPacketSink | None) -> None:
        """Set the receiver of the packets for peers."""
        self._sink = sink
        if self._microphone is not None:
            self._microphone.set_sink(self._from_microphone if sink is not None else None)

    def set_listened(self, listened: bool) -> None:  # the protocol's signature
        """Set whether any peer listens: for peers the microphone is open only then."""
        self._listened = listened
        if self._microphone is not None:
            self._microphone.set_listened(listened)

    def _from_microphone(self, packet: EncodedAudio) -> None:
        if self.is_open(Route(Input.MICROPHONE, Output.PEERS)):
            self._send(packet.data, packet.timestamp)

    def _send(self, data: bytes, timestamp: int) -> None:
        # Speech is sent ahead of time, and two clocks are never quite the same: then packets just follow one another.
        self._timestamp = max(self._timestamp + FRAME_SAMPLES, timestamp)
        if self._sink is not None:
            self._sink(EncodedAudio(data, self._timestamp))

    # The robot's voice.

    @property
    def speaking(self) -> bool:
        """The robot speaks, from :meth:`begin_speech` to :meth:`end_speech`."""
        return self._speaking

    @property
    def queued_s(self) -> float:
        """Seconds of sound in the loudspeaker's queue; 0 without one."""
        return 0.0 if self._loudspeaker is None else self._loudspeaker.queued_s

    def begin_speech(self) -> None:
        """Mute the routes that speech mutes, until :meth:`end_speech`."""
        self._speaking = True
        self._forget()

    def speak(self, frame: SpeechFrame, due: float) -> None:
        """Play the next frame of speech.

        Args:
            frame: To be played after what is queued.
            due: When it is heard, by the mixer's clock.
        """
        if self._loudspeaker is not None:
            self._loudspeaker.play(frame.samples)
        if self._listened and frame.packet:
            self._send(frame.packet, round(due * SAMPLE_RATE))
        self._mouth(due - self._clock(), frame.level)

    def end_speech(self, *, flush: bool = False) -> None:
        """End the effect of :meth:`begin_speech`.

        Args:
            flush: Drop what the loudspeaker has queued.
        """
        if flush and self._loudspeaker is not None:
            self._loudspeaker.flush()
        if self._speaking:
            self._speaking = False
            self._loud_at[_VOICE] = self._clock()

    # Viewers and calls.

    def accepts(self, source: Input) -> bool:
        """Whether peers of this kind may be heard anywhere."""
        if source is Input.VIEWER and not self._viewer_may_speak:
            return False
        return self._loudspeaker is not None or source in self._recognised

    def take_floor(self, peer: Peer) -> bool:
        """Give the floor to a peer if it is free, and return whether the peer has it."""
        if self._floor is None and peer not in self._stopped and self._accepts(peer):
            self._set_floor(peer)
            if peer.only_recognised and self._tap is not None:
                self._tap.expect_viewer()
        return self._floor is peer

    def _accepts(self, peer: Peer) -> bool:
        return self.accepts(peer.source) and (not peer.only_recognised or peer.source in self._recognised)

    def taken(self, peer: Peer) -> Taken:
        """Return what becomes of a peer's sound now."""
        if peer in self._stopped:
            return Taken.STOPPED
        if self._floor is not peer:
            return Taken.NO
        to = Output.RECOGNITION if peer.only_recognised else Output.LOUDSPEAKER
        return Taken.YES if self.is_open(Route(peer.source, to)) else Taken.WAITS

    def play(self, peer: Peer, samples: bytes) -> None:
        """Route the sound of a peer, if it has the floor or can take it.

        Args:
            peer: Whose sound.
            samples: Signed 16 bit, machine byte order, 48 kHz, mono.
        """
        if not self.take_floor(peer):
            return
        loud = self._tap is not None and level_of(samples) > LOUD
        if peer.source is Input.VIEWER and self._tap is not None and Input.VIEWER in self._recognised:
            self._recognise_viewer(self._tap, peer, samples, loud=loud)
        route = Route(peer.source, Output.LOUDSPEAKER)
        if self._loudspeaker is not None and not peer.only_recognised and self.is_open(route):
            if loud:
                self._loud_at[route] = self._clock()
            self._played = peer.source
            self._loudspeaker.play(samples)

    def flush(self, peer: Peer) -> None:
        """Clear the queued sound of a peer that has ended."""
        if self._floor is not peer:
            return
        own = not peer.only_recognised
        if self._loudspeaker is not None and own and self.is_open(Route(peer.source, Output.LOUDSPEAKER)):
            self._loudspeaker.flush()
        turn = Route(Input.VIEWER, Output.RECOGNITION)
        if self._tap is not None and self._is_loud(turn, VIEWER_PAUSE_S) and self.is_open(turn):
            self._tap.hear(_SILENCE, peer.client_id)  # nothing follows by which the end of an utterance is noticed
        self._loud_at.pop(turn, None)

    def stop_peer(self) -> Peer | None:
        """Mute the peer that has the floor until it leaves, even if it continues to send; return it, if any."""
        peer = self._floor
        if peer is not None:
            self.flush(peer)
            self._set_floor(None)
            self._stopped.add(peer)
        return peer

    def leave(self, peer: Peer) -> None:
        """Free the floor, if this peer has it."""
        self._stopped.discard(peer)
        if self._floor is peer:
            self._set_floor(None)

    def _set_floor(self, peer: Peer | None) -> None:
        self._floor = peer
        self._on_floor(peer is not None)

    def _on_played(self, level: float) -> None:
        # The voice moves the mouth itself, as it is due: also where no loudspeaker plays it.
        if self.is_open(Route(self._played, Output.MOUTH)):
            self._mouth(0.0, level)

    # Speech recognition.

    def set_recognition(self, tap: RecognitionTap | None) -> None:
        """Set the receiver of sound for speech recognition. The microphone is open until it is None."""
        self._tap = tap
        self._microphone_heard = False
        if self._microphone is not None and Input.MICROPHONE in self._recognised:
            self._microphone.set_sample_sink(self._recognise_microphone if tap is not None else None)
            if self._loudspeaker is not None:
                self._loudspeaker.set_played_sink(tap.played if tap is not None else None)

    def _recognise_microphone(self, samples: bytes, heard_at: float) -> None:
        if self._tap is None:
            return
        if self.is_open(Route(Input.MICROPHONE, Output.RECOGNITION)):
            self._microphone_heard = True
            self._tap.hear(samples, "")
            return
        if self._microphone_heard:
            self._forget()
        if self.is_open(Route(Input.MICROPHONE, Output.WAKE_WORD)):
            self._tap.overhear(samples, heard_at)

    def _recognise_viewer(self, tap: RecognitionTap, viewer: Peer, samples: bytes, *, loud: bool) -> None:
        turn = Route(Input.VIEWER, Output.RECOGNITION)
        if not self.is_open(turn):
            return
        if loud:
            if not self._is_loud(turn, VIEWER_PAUSE_S):
                self._forget()  # the microphone's
            self._loud_at[turn] = self._clock()
        if self._is_loud(turn, VIEWER_PAUSE_S):
            tap.hear(samples, viewer.client_id)

    def _forget(self) -> None:
        self._microphone_heard = False
        if self._tap is not None:
            self._tap.forget()
