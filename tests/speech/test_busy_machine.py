"""On a busy machine the robot's own voice does not interrupt it, and a person still does."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from robot_node.core.media import SAMPLE_RATE, Played
from robot_node.speech.decimation import Decimator
from robot_node.speech.interruption import InterruptionDetector
from robot_node.speech.silero import SileroDetector
from tests.speech.busy_machine import BusyMachine
from tests.speech.sounds import recorded, spoken

LONG = (
    "The sun rose over the hills while a small dog ran along the river. Nobody had expected the rain to stop so early. "
    "Seven ships sailed past the harbour, and each of them carried wheat and wine from the islands in the south."
)
SPEAKS_S, PERSON_S, WITHIN_S = 12, 8.0, 1.0
GAIN = 0.3


@functools.cache
def voice() -> np.ndarray:
    """What the robot says."""
    return np.frombuffer(spoken(LONG, voice="en", rate=160), np.int16).astype(float)[: SPEAKS_S * SAMPLE_RATE]


def room(*, with_person: bool) -> np.ndarray:
    """What is heard besides the robot: next to nothing, or a person who speaks in the middle of the answer."""
    sound = np.random.default_rng(1).normal(0, 10, len(voice()))
    if with_person:
        person = np.frombuffer(recorded()["front left"], np.int16)
        begin = round((PERSON_S - 0.5) * SAMPLE_RATE)  # a pause before it
        sound[begin : begin + len(person)] += person
    return sound


def noticed(machine: BusyMachine, *, with_person: bool) -> list[float]:
    """When a person is noticed, in seconds of the microphone's sound."""
    detector, decimator = InterruptionDetector(SileroDetector(), 0.5), Decimator()
    found, seconds = [], 0.0
    for each in machine.speaks(voice(), GAIN, room(with_person=with_person)):
        if isinstance(each, Played):
            detector.played(each)
            continue
        seconds += 0.02
        if detector.overhear(decimator.decimate(each.samples), each.at)[1]:
            found.append(seconds)
    return found


@pytest.mark.parametrize("wait_s", [0.0, 0.003])
def test_its_own_voice_is_no_person(wait_s: float) -> None:
    assert noticed(BusyMachine(0, wait_s), with_person=False) == []


def test_a_person_is_noticed_although_threads_wait() -> None:
    first, *_ = noticed(BusyMachine(2, 0.003), with_person=True)
    assert PERSON_S < first < PERSON_S + WITHIN_S


@pytest.mark.slow  # 40 answers
def test_of_twenty_answers_none_is_interrupted_by_itself_and_most_by_a_person() -> None:
    machines = [BusyMachine(seed, wait_s, stalls_per_s=0.5) for seed in range(10) for wait_s in (0.002, 0.004)]
    assert [noticed(machine, with_person=False) for machine in machines] == [[]] * len(machines)
    machines = [BusyMachine(seed, wait_s, stalls_per_s=0.5) for seed in range(10) for wait_s in (0.002, 0.004)]
    persons = [noticed(machine, with_person=True) for machine in machines]
    assert sum(bool(found) for found in persons) >= len(machines) * 0.7
