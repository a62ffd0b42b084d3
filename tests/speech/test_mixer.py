"""Who is heard while the robot speaks: the robot."""

from __future__ import annotations

import pytest

from robot_node.core.media import SAMPLE_RATE, AudioPacketSink, EncodedAudio
from robot_node.speech.mixer import OutgoingSound, PeersLoudspeaker


class Ears:
    """A microphone that a test speaks into."""

    def __init__(self) -> None:
        self.sink: AudioPacketSink | None = None
        self.listened = False

    def set_sink(self, sink: AudioPacketSink | None) -> None:
        self.sink = sink

    def set_listened(self, listened: bool) -> None:
        self.listened = listened

    def hear(self, data: bytes, timestamp: int) -> None:
        assert self.sink is not None
        self.sink(EncodedAudio(data, timestamp))


class Clock:
    """A clock that a test sets."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_the_voice_takes_the_place_of_the_microphone_and_time_goes_on() -> None:
    ears, clock, heard = Ears(), Clock(), list[EncodedAudio]()
    outgoing = OutgoingSound(ears, clock=clock)
    outgoing.set_sink(heard.append)
    outgoing.set_listened(True)
    assert ears.listened
    ears.hear(b"room 1", 5000)
    ears.hear(b"room 2", 5960)
    ears.hear(b"room 3", 9800)  # it was closed in between
    clock.seconds = 101.0
    outgoing.begin_speech()
    outgoing.speak(b"voice 1")
    ears.hear(b"room 4", 10760)
    outgoing.speak(b"voice 2")
    clock.seconds = 101.01  # the voice is sent in advance
    outgoing.end_speech()
    ears.hear(b"room 5", 11720)
    ears.hear(b"room 6", 12680)
    start = 100 * SAMPLE_RATE
    assert [(packet.data, packet.timestamp - start) for packet in heard] == [
        (b"room 1", 0),
        (b"room 2", 960),
        (b"room 3", 4800),
        (b"voice 1", SAMPLE_RATE),
        (b"voice 2", SAMPLE_RATE + 960),
        (b"room 5", SAMPLE_RATE + 2 * 960),
        (b"room 6", SAMPLE_RATE + 3 * 960),
    ]


@pytest.mark.parametrize("with_microphone", [True, False])
def test_nobody_is_sent_what_nobody_hears(with_microphone: bool) -> None:
    heard = list[EncodedAudio]()
    outgoing = OutgoingSound(Ears() if with_microphone else None)
    outgoing.set_sink(heard.append)
    outgoing.begin_speech()
    outgoing.speak(b"voice")
    assert heard == []
    outgoing.set_listened(True)
    outgoing.speak(b"voice")
    assert [packet.data for packet in heard] == [b"voice"]
    outgoing.set_sink(None)
    outgoing.speak(b"voice")
    assert len(heard) == 1


class Played:
    """A loudspeaker that remembers."""

    def __init__(self) -> None:
        self.samples = b""

    def play(self, samples: bytes) -> None:
        self.samples += samples

    def flush(self) -> None:
        self.samples = b""


def test_peers_are_silent_while_the_robot_speaks_and_cannot_silence_it() -> None:
    loudspeaker, speaking = Played(), [False]
    peers = PeersLoudspeaker(loudspeaker, lambda: speaking[0])
    peers.play(b"peer")
    speaking[0] = True
    peers.play(b"over")
    loudspeaker.play(b" robot")
    peers.flush()
    assert loudspeaker.samples == b"peer robot"
    speaking[0] = False
    peers.flush()
    assert loudspeaker.samples == b""
