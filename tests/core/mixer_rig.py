"""A mixer with everything connected, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable

from robot_node.core.media import (
    SAMPLE_RATE,
    AudioPacketSink,
    AudioSampleSink,
    EncodedAudio,
    Played,
    PlayedSink,
    SpeechFrame,
)
from robot_node.core.mixer import Input, Mixer, Output, Peer, Route

LOUD = b"\x00\x40" * 960


class Clock:
    """A clock that a test sets."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class FakeMicrophone:
    """A microphone that a test speaks into."""

    def __init__(self) -> None:
        self.sink: AudioPacketSink | None = None
        self.sample_sink: AudioSampleSink | None = None
        self.listened = False

    def set_sink(self, sink: AudioPacketSink | None) -> None:
        self.sink = sink

    def set_sample_sink(self, sink: AudioSampleSink | None) -> None:
        self.sample_sink = sink

    def set_listened(self, listened: bool) -> None:
        self.listened = listened

    @property
    def is_open_for_samples(self) -> bool:
        return self.sample_sink is not None

    def hear(self, data: bytes, timestamp: int) -> None:
        assert self.sink is not None
        self.sink(EncodedAudio(data, timestamp))


class FakeLoudspeaker:
    """A loudspeaker that keeps what it was given."""

    def __init__(self) -> None:
        self.played: list[bytes] = []
        self.report_level: Callable[[float], None] = lambda _: None

    @property
    def queued_s(self) -> float:
        return len(self.played) / 50

    def play(self, samples: bytes) -> None:
        self.played.append(samples)

    def flush(self) -> None:
        self.played.clear()

    def set_played_sink(self, sink: PlayedSink | None) -> None: ...

    def set_level_sink(self, sink: Callable[[float], None]) -> None:
        self.report_level = sink


class Rig:
    """A mixer with everything connected, and what comes out of it.

    Attributes:
        heard: What the speech recognition was given, with the speaker; None where it was told to forget.
    """

    def __init__(
        self,
        *,
        microphone: bool = True,
        loudspeaker: bool = True,
        has_voice: bool = True,
        recognised: frozenset[Input] = frozenset({Input.MICROPHONE, Input.VIEWER}),
        viewer_may_speak: bool = True,
    ) -> None:
        self.clock = Clock()
        self.microphone, self.loudspeaker = FakeMicrophone(), FakeLoudspeaker()
        self.mouth: list[tuple[float, float]] = []
        self.packets: list[EncodedAudio] = []
        self.heard: list[tuple[bytes, str] | None] = []
        self.overheard: list[bytes] = []
        self.floor: list[bool] = []
        self.expected = 0
        self.mixer = Mixer(
            microphone=self.microphone if microphone else None,
            loudspeaker=self.loudspeaker if loudspeaker else None,
            mouth=lambda delay_s, level: self.mouth.append((delay_s, level)),
            has_voice=has_voice,
            recognised=recognised,
            viewer_may_speak=viewer_may_speak,
            on_floor=self.floor.append,
            clock=self.clock,
        )
        self.mixer.set_sink(self.packets.append)
        self.mixer.set_listened(True)
        self.mixer.set_recognition(self)

    def hear(self, samples: bytes, by: str) -> None:
        self.heard.append((samples, by))

    def played(self, played: Played) -> None: ...

    def overhear(self, samples: bytes, heard_at: float) -> None:  # noqa: ARG002  # the protocol's signature
        self.overheard.append(samples)

    def forget(self) -> None:
        self.heard.append(None)

    def expect_viewer(self) -> None:
        self.expected += 1

    def sends(self, route: Route) -> bool:
        """Put loud sound into the input of a route, and say whether it comes out at its output."""
        before = self._outputs()[route.to]
        match route.source:
            case Input.SPEECH:
                self.mixer.begin_speech()
                self.mixer.speak(SpeechFrame(LOUD, b"voice", 0.5), self.clock())
            case Input.MICROPHONE:
                self.microphone.hear(b"room", round(self.clock() * SAMPLE_RATE))
                if self.microphone.sample_sink is not None:
                    self.microphone.sample_sink(LOUD, self.clock())
            case Input.CALL | Input.VIEWER as source:
                peer = Peer(source, "anna")
                self.mixer.play(peer, LOUD)
                self.loudspeaker.report_level(0.5)  # it plays what it has
                self.mixer.leave(peer)
        return self._outputs()[route.to] > before

    def _outputs(self) -> dict[Output, int]:
        return {
            Output.LOUDSPEAKER: len(self.loudspeaker.played),
            Output.PEERS: len(self.packets),
            Output.MOUTH: len(self.mouth),
            Output.RECOGNITION: sum(heard is not None for heard in self.heard),
            # In what is recognised of the microphone a wake word is looked for as well.
            Output.WAKE_WORD: len(self.overheard) + sum(heard is not None and not heard[1] for heard in self.heard),
        }
