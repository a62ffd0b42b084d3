"""A robot that speaks on a busy machine, as its ear notices it: its threads wait for a processor. Time is simulated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from robot_node.core.media import SAMPLE_RATE, Played
from robot_node.devices.microphone_clock import MicrophoneClock

PIECE = 960
PIECE_S = PIECE / SAMPLE_RATE
_CARD_S = 0.04
"""Sound that the loudspeaker's card holds."""

_LATENCY_S = 0.03
"""From the card to the air."""

_ROOM = ((0.0, 1.0), (0.013, 0.5), (0.031, -0.3), (0.057, 0.2))
"""Ways from the loudspeaker to the microphone: seconds, and what is left of the sound."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the microphone heard, and when its clock says that the last sample was."""

    samples: bytes
    at: float


@dataclass
class BusyMachine:
    """Makes threads wait for a processor.

    Args:
        seed: Of chance.
        wait_s: How long a thread waits, on the average, before each step.
        stall_s: How long the voice waits, on the average, once in a while: longer than what the card holds.
        stalls_per_s: How often.
    """

    seed: int
    wait_s: float
    stall_s: float = 0.2
    stalls_per_s: float = 0.3

    def __post_init__(self) -> None:
        self._chance = np.random.default_rng(self.seed)

    def speaks(self, voice: np.ndarray, gain: float, person: np.ndarray) -> Iterator[Played | Heard]:
        """What reaches the robot's ear, in the order in which it does.

        Args:
            voice: What the robot says, 48 kHz.
            gain: How loud it is at the microphone.
            person: What else is heard there, from the same moment on.
        """
        air = np.zeros(len(voice) + 30 * SAMPLE_RATE)
        told: list[tuple[float, Played | Heard]] = [*self._play(voice, air)]
        told += self._hear(gain * _through_room(air)[: len(person)] + person)
        told.sort(key=lambda each: each[0])
        return (each for _, each in told)

    def _play(self, voice: np.ndarray, air: np.ndarray) -> Iterator[tuple[float, Played]]:
        ends = now = 0.0  # when the card has played all; when the thread goes on
        for start in range(0, len(voice), PIECE):
            if self._chance.random() < self.stalls_per_s * PIECE_S:
                now += self._chance.exponential(self.stall_s)
            at = now = max(now, ends - _CARD_S) + self._wait()
            written = at + self._wait()
            ran_out = written > ends
            begins = written if ran_out else ends
            piece = voice[start : start + PIECE]
            first = round((begins + _LATENCY_S) * SAMPLE_RATE)
            air[first : first + len(piece)] = piece
            ends = begins + PIECE_S
            now = written + self._wait()
            yield now, Played(_bytes(piece), at, ran_out)

    def _hear(self, sound: np.ndarray) -> Iterator[tuple[float, Heard]]:
        clock, now = MicrophoneClock(), 0.0
        for number, start in enumerate(range(0, len(sound) - PIECE, PIECE), start=1):
            now = max(now, number * PIECE_S) + self._wait()
            heard = Heard(_bytes(sound[start : start + PIECE]), clock.time_of(number * PIECE_S, now))
            now += self._wait()
            yield now, heard

    def _wait(self) -> float:
        return float(self._chance.exponential(self.wait_s)) if self.wait_s else 0.0


def _through_room(air: np.ndarray) -> np.ndarray:
    heard = np.zeros(len(air))
    for seconds, factor in _ROOM:
        shift = round(seconds * SAMPLE_RATE)
        heard[shift:] += factor * air[: len(air) - shift]
    return heard


def _bytes(sound: np.ndarray) -> bytes:
    return sound.clip(-32768, 32767).astype(np.int16).tobytes()
