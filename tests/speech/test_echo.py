"""The robot's own voice is taken out of what its microphone hears, and a person who speaks meanwhile is not."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from robot_node.core.media import Played
from robot_node.speech.decimation import Decimator
from robot_node.speech.echo import FRAME_SAMPLES, EchoCanceller
from robot_node.speech.interruption import InterruptionDetector
from robot_node.speech.played_sound import PlayedSound
from robot_node.speech.progress import Progress
from robot_node.speech.silero import SileroDetector
from tests.speech.sounds import pieces, spoken

RATE = 16_000
ROBOT = "The sun rose over the hills while a small dog ran along the river. Nobody had expected the rain to stop."
CENTRE_S = 0.08
"""From the loudspeaker's buffer to the microphone."""


@functools.cache
def robot_says() -> np.ndarray:
    """Its voice, at 48 kHz."""
    return np.frombuffer(spoken(ROBOT, voice="en", rate=160), np.int16).astype(float)


def room(played: np.ndarray, gain: float, *, delay_s: float = CENTRE_S) -> np.ndarray:
    """What the microphone hears of it: directly, and from walls."""
    heard = np.zeros(len(played))
    for seconds, factor in ((0.0, 1.0), (0.013, 0.5), (0.031, -0.3), (0.057, 0.2)):
        shift = round((delay_s + seconds) * 48_000)
        heard[shift:] += gain * factor * played[: len(played) - shift]
    return heard


def samples(sound: np.ndarray) -> bytes:
    return sound.clip(-32768, 32767).astype(np.int16).tobytes()


def interruptions(
    played: np.ndarray, heard: np.ndarray, *, detector: InterruptionDetector | None = None, start_s: float = 0.0
) -> list[float]:
    """When a person is heard, in seconds from the beginning of what is played."""
    detector = detector or InterruptionDetector(SileroDetector(), 0.5)
    decimator, found, was = Decimator(), list[float](), False
    for number, (voice, sound) in enumerate(zip(pieces(samples(played)), pieces(samples(heard)), strict=True)):
        detector.played(Played(voice, start_s + number * 0.02, ran_out=False))
        _, person = detector.overhear(decimator.decimate(sound), start_s + (number + 1) * 0.02)
        if person and not was:
            found.append((number + 1) * 0.02)
        was = person
    return found


def with_person(
    heard: np.ndarray, at_s: float, factor: float, text: str = "Stop, please stop talking now."
) -> np.ndarray:
    """Somebody speaks, too; the robot goes on, or falls silent if the test ends there."""
    person = np.frombuffer(spoken(text), np.int16)
    begin = round((at_s - 0.5) * 48_000)  # a pause before it
    mixed = heard.copy()
    mixed[begin : begin + len(person)] += factor * person[: len(mixed) - begin]
    return mixed


def power(sound: bytes) -> float:
    return float(np.mean((np.frombuffer(sound, np.int16) / 32768) ** 2))


def test_of_the_echo_a_fiftieth_is_left_once_the_room_is_known() -> None:
    canceller, before, after = EchoCanceller(), 0.0, 0.0
    played, decimator = np.concatenate([robot_says(), robot_says()]), (Decimator(), Decimator())
    voice, heard = (d.decimate(samples(s)) for d, s in zip(decimator, (played, room(played, 0.3)), strict=True))
    size = 2 * FRAME_SAMPLES
    for start in range(0, len(voice) - size, size):
        left, _ = canceller.clean(heard[start : start + size], voice[start : start + size])
        if start > len(voice) // 2:
            before += power(heard[start : start + size])
            after += power(left)
    assert after < before / 50


@pytest.mark.parametrize("gain", [0.0, 0.1, 0.4])
def test_its_own_voice_is_no_person(gain: float) -> None:
    played = robot_says()
    assert interruptions(played, room(played, gain)) == []


@pytest.mark.parametrize(("gain", "factor"), [(0.0, 0.1), (0.1, 0.3), (0.4, 0.8)])
def test_a_person_is_heard_through_it_within_a_word(gain: float, factor: float) -> None:
    played = robot_says()
    first, *_ = interruptions(played, with_person(room(played, gain), 4.0, factor))
    assert 4.0 < first < 4.5


def test_a_loudspeaker_that_was_opened_again_takes_another_while() -> None:
    played, detector = robot_says(), InterruptionDetector(SileroDetector(), 0.5)
    assert interruptions(played, room(played, 0.3), detector=detector) == []
    again = room(played, 0.3, delay_s=CENTRE_S + 0.005)
    assert interruptions(played, again, detector=detector, start_s=60.0) == []


def test_what_was_played_is_found_by_the_clock() -> None:
    sound = PlayedSound()
    first, second = b"\1\0" * 320, b"\2\0" * 320
    assert sound.add(first, 10.0)
    assert not sound.add(second, 10.001), "two pieces at once: the second is played after the first"
    assert sound.since(10.0, 640) == first + second
    assert sound.since(9.99, 320) == bytes(320) + first[:320]
    assert sound.since(10.03, 320) == second[320:] + bytes(320)
    assert sound.since(5.0, 320) == sound.since(20.0, 320) == bytes(640)
    assert sound.add(first, 10.2), "a pause between two sentences"
    assert sound.since(10.04, 2560) == bytes(5120)
    assert sound.since(10.2, 320) == first
    assert sound.add(second, 20.0), "opened again"
    assert sound.since(10.2, 320) == bytes(640)
    for number in range(500):
        sound.add(first, 20.02 + 0.02 * number)
    assert sound.since(20.0, 320) == bytes(640), "no more than the last seconds are kept"


def test_how_much_was_said() -> None:
    progress = Progress()
    assert progress.said(1.0) == ""
    progress.next_chunk("Good morning, Anna. ", 2.0)
    assert progress.said(1.0) == ""
    progress.begin_chunk(10.0)
    progress.begin_chunk(11.0)
    assert progress.said(9.0) == ""
    assert progress.said(11.4) == "Good morning,"
    assert progress.said(12.5) == "Good morning, Anna."
    progress.next_chunk("How are you?", 1.0)
    progress.begin_chunk(12.0)
    assert progress.said(12.5) == "Good morning, Anna. How"
    chinese = Progress()
    chinese.next_chunk("\u4f60\u597d\u4e16\u754c", 4.0)
    chinese.begin_chunk(0.0)
    assert chinese.said(2.0) == "\u4f60\u597d"
