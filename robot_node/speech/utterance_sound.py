"""The sound of what somebody says in a turn, as a model gets it. May block."""

from __future__ import annotations

import base64

from robot_node.speech.decimation import Decimator

RATE = 24_000
"""Samples per second: the only rate of the protocol OpenAI Realtime."""

BYTES_PER_S = 2 * RATE

_FACTOR = 2
_PIECE_BYTES = BYTES_PER_S // 10
"""Of each message: 0.1 s."""


class UtteranceSound:
    """Makes pieces of one utterance, of 0.1 s each.

    Raises:
        DeviceError: numpy is missing.
    """

    def __init__(self) -> None:
        self._decimator = Decimator(_FACTOR)
        self._rest = b""

    def add(self, samples: bytes) -> list[str]:
        """Take the sound that comes next: signed 16 bit, machine byte order, mono, 48 kHz; return what is complete."""
        self._rest += self._decimator.decimate(samples)
        end = len(self._rest) - len(self._rest) % _PIECE_BYTES
        complete, self._rest = self._rest[:end], self._rest[end:]
        return [_base64(complete[start : start + _PIECE_BYTES]) for start in range(0, end, _PIECE_BYTES)]

    def rest(self) -> list[str]:
        """Return what is left at the end."""
        rest, self._rest = self._rest, b""
        return [_base64(rest)] if rest else []


def _base64(samples: bytes) -> str:
    # Machine byte order is little endian, as the protocol wants it: other machines have no robot-node.
    return base64.b64encode(samples).decode("ascii")
