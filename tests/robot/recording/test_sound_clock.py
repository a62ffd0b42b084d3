"""Sound keeps step with the pictures for days, whatever the sound card's clock does."""

from __future__ import annotations

import random

import pytest

from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE
from robot_node.robot.recording.sound_clock import SoundClock

PACKET_S = FRAME_SAMPLES / SAMPLE_RATE


@pytest.mark.parametrize("speed", [0.999, 1.0, 1.001])
def test_a_sound_card_that_is_too_fast_or_slow_is_followed(speed: float) -> None:
    chance, clock, worst = random.Random(1), SoundClock(), 0.0
    for number in range(50 * 300):
        captured = 1000 + number * PACKET_S / speed  # that many samples take this long by the card's clock
        arrived = captured + 0.03 + (chance.random() ** 8) * 0.4
        reported = clock.time_us(SAMPLE_RATE * 1000 + number * FRAME_SAMPLES, arrived) / 1e6
        worst = max(worst, abs(reported - captured))
    assert worst < 0.05, "without it: 0.3 s after five minutes"


def test_a_busy_machine_changes_nothing() -> None:
    chance, clock = random.Random(2), SoundClock()
    for number in range(5000):
        captured = 1000 + number * PACKET_S
        reported = clock.time_us(SAMPLE_RATE * 1000 + number * FRAME_SAMPLES, captured + 0.03 + chance.random() ** 2)
        assert abs(reported / 1e6 - captured) < 0.1


def test_a_microphone_that_was_closed_begins_with_the_clock_again() -> None:
    clock = SoundClock()
    for number in range(1000):
        clock.time_us(number * FRAME_SAMPLES, number * PACKET_S * 1.01)
    assert clock.time_us(SAMPLE_RATE * 500, 500.03) == 500_000_000
