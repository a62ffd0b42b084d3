"""Sound of 48 kHz at a lower rate: 16 kHz for the detectors of voice and wake words, 24 kHz for models."""

from __future__ import annotations

from typing import Any

from robot_node.speech.optional_package import import_package

RATE = 16_000
"""Samples per second of what the detectors hear."""

BYTES_PER_S = 2 * RATE

_FACTOR = 3
_TAPS = 63
"""Of the filter: what it mirrors into speech is 50 dB down, at a five-hundredth of a core of a PC."""

_PASSED = 0.9
"""Of what the lower rate can carry."""


class Decimator:
    """Lets through a third of the samples, without what would be mirrored into them; 0.7 ms late.

    Args:
        factor: The rate is divided by it: 3 for 16 kHz, 2 for 24 kHz.

    Raises:
        DeviceError: numpy is missing.
    """

    def __init__(self, factor: int = _FACTOR) -> None:
        np = import_package("numpy", what="detection of speech")
        self._np = np
        self._factor = factor
        self._taps = _low_pass(np, factor)
        self._before = np.zeros(_TAPS - 1, np.float32)
        self._skip = 0  # samples of the input until the next one of the output

    def decimate(self, samples: bytes) -> bytes:
        """Return the sound that comes next.

        Args:
            samples: Signed 16 bit, machine byte order, 48 kHz, mono; any number.
        """
        np = self._np
        sound = np.concatenate((self._before, np.frombuffer(samples, np.int16).astype(np.float32)))
        count = len(sound) - (_TAPS - 1)
        # Each row is what one sample of the output is made of: two thirds of a convolution would be thrown away.
        rows = np.lib.stride_tricks.sliding_window_view(sound, _TAPS)[self._skip :: self._factor] if count > 0 else ()
        self._skip = (self._skip - count) % self._factor
        self._before = sound[count:]
        if not len(rows):
            return b""
        decimated: bytes = np.rint(rows @ self._taps).clip(-32_768, 32_767).astype(np.int16).tobytes()
        return decimated


class Interpolator:
    """Makes sound of 48 kHz of sound of 16 kHz, for engines that take nothing else.

    Raises:
        DeviceError: numpy is missing.
    """

    def __init__(self) -> None:
        self._np: Any = import_package("numpy", what="detection of speech")
        self._taps = _low_pass(self._np, _FACTOR) * _FACTOR
        self._before = self._np.zeros(_TAPS - 1, self._np.float32)

    def interpolate(self, samples: bytes) -> bytes:
        """Return the sound that comes next."""
        np = self._np
        if not samples:
            return b""
        sound = np.frombuffer(samples, np.int16)
        sparse = np.zeros(len(sound) * _FACTOR, np.float32)
        sparse[::_FACTOR] = sound
        sparse = np.concatenate((self._before, sparse))
        self._before = sparse[len(sparse) - (_TAPS - 1) :]
        filled: bytes = (
            np.rint(np.convolve(sparse, self._taps, "valid")).clip(-32_768, 32_767).astype(np.int16).tobytes()
        )
        return filled


def _low_pass(np: Any, factor: int) -> Any:
    at = np.arange(_TAPS) - (_TAPS - 1) / 2
    share = _PASSED / factor
    taps = share * np.sinc(share * at) * np.blackman(_TAPS)
    return (taps / taps.sum()).astype(np.float32)
