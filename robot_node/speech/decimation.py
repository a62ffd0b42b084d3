"""Sound of 48 kHz as the detectors of voice and wake words take it: 16 kHz."""

from __future__ import annotations

from typing import Any

from robot_node.speech.optional_package import import_package

RATE = 16_000
"""Samples per second of what the detectors hear."""

BYTES_PER_S = 2 * RATE

_FACTOR = 3
_TAPS = 63
"""Of the filter: what it mirrors into speech is 50 dB down, at a five-hundredth of a core of a PC."""

_CUTOFF_HZ, _INPUT_HZ = 7_200, 48_000


class Decimator:
    """Lets through a third of the samples, without what would be mirrored into them; 0.7 ms late.

    Raises:
        DeviceError: numpy is missing.
    """

    def __init__(self) -> None:
        np = import_package("numpy", what="detection of speech")
        self._np = np
        self._taps = _low_pass(np)
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
        rows = np.lib.stride_tricks.sliding_window_view(sound, _TAPS)[self._skip :: _FACTOR] if count > 0 else ()
        self._skip = (self._skip - count) % _FACTOR
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
        self._taps = _low_pass(self._np) * _FACTOR
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


def _low_pass(np: Any) -> Any:
    at = np.arange(_TAPS) - (_TAPS - 1) / 2
    share = 2 * _CUTOFF_HZ / _INPUT_HZ
    taps = share * np.sinc(share * at) * np.blackman(_TAPS)
    return (taps / taps.sum()).astype(np.float32)
