"""The loudspeaker's sound in what the microphone hears: estimated from what was played, and subtracted.

A frequency domain adaptive filter in partitions, each bin of which is a Kalman filter that tracks how far its own
coefficients are off (Enzner and Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free
telephones", Signal Processing 86, 2006; partitions as Kuech, Mabande and Enzner, ICASSP 2014). It learns by itself how
sound gets from loudspeaker to microphone, also while a person speaks, and keeps what it has learnt.
"""

from __future__ import annotations

from typing import Any

from robot_node.speech.optional_package import import_package

FRAME_S = 0.02
"""Seconds of one frame."""

FRAME_SAMPLES = 320
"""Samples of one frame, at 16 kHz."""

_PARTITIONS = 20
"""Frames that sound may take from loudspeaker to microphone, reverberation included: 0.4 s."""

_DOUBT = 1.0
"""How far the filter may be off at first, in power: it knows nothing."""

_FORGETTING = 0.9998
_FLOOR = 1e-8
_FULL_SCALE = 32_768.0
_NOISE_SMOOTHING = 0.7

_RATIO_SMOOTHING = 0.8
_ECHO_FADES = 0.85
"""From one frame to the next: reverberation that the filter is too short for."""

_LEAK_FALL, _LEAK_RISE = 0.03, 1.0005
_MARGIN = 4.0
"""By how much, in power, what is left must exceed what was left lately of the echo alone."""

_WARM_FRAMES = 40
"""Frames of loud sound from which the filter knows, after the loudspeaker was opened, the way to the microphone."""

_LOUD = 1e-5
"""Power of what is played, above which the filter learns from it: -50 dB of full scale."""

_QUIETEST = 3e-7
"""Power of what is left below which nobody speaks: -65 dB of full scale."""


class EchoCanceller:
    """Subtracts what the loudspeaker plays from what the microphone hears.

    Raises:
        DeviceError: numpy is missing.
    """

    def __init__(self) -> None:
        self._np: Any = import_package("numpy", what="detection of speech")
        np, bins = self._np, FRAME_SAMPLES + 1
        self._spectra = np.zeros((_PARTITIONS, bins), np.complex128)
        self._filter = np.zeros((_PARTITIONS, bins), np.complex128)
        self._doubt = np.full((_PARTITIONS, bins), _DOUBT)
        self._before = np.zeros(FRAME_SAMPLES)
        self._noise = np.full(bins, 1e-6)
        self._ratio = self._leak = 1.0
        self._echo = 0.0
        self._warm = 0

    def clean(self, heard: bytes, played: bytes) -> tuple[bytes, bool]:
        """Return the microphone's next frame without the loudspeaker's sound, and whether more is left than echo.

        Args:
            heard: What the microphone heard: :data:`FRAME_SAMPLES` of signed 16 bit, machine byte order, mono, 16 kHz.
            played: What was given to the loudspeaker by then, as much; not later than it is heard, and at most 0.3 s
                earlier.
        """
        np = self._np
        microphone = np.frombuffer(heard, np.int16) / _FULL_SCALE
        loudspeaker = np.frombuffer(played, np.int16) / _FULL_SCALE
        echo = self._echo_of(loudspeaker)
        self._warm += bool(np.mean(loudspeaker**2) > _LOUD)
        left = microphone - echo
        self._learn(left)
        samples: bytes = np.rint(left * _FULL_SCALE).clip(-32_768, 32_767).astype(np.int16).tobytes()
        return samples, self._exceeds_echo(float(np.mean(left**2)), float(np.mean(echo**2)))

    def begin(self) -> None:
        """The loudspeaker begins again: sound may take a little more or less time than before."""
        self._ratio = self._leak = 1.0
        self._warm = 0
        self._doubt[:] = _DOUBT

    def _echo_of(self, played: Any) -> Any:
        np = self._np
        self._spectra = np.roll(self._spectra, 1, axis=0)
        self._spectra[0] = np.fft.rfft(np.concatenate((self._before, played)))
        self._before = played
        return np.fft.irfft((self._spectra * self._filter).sum(axis=0))[FRAME_SAMPLES:]

    def _learn(self, left: Any) -> None:
        np = self._np
        error = np.fft.rfft(np.concatenate((np.zeros(FRAME_SAMPLES), left)))
        self._noise = _NOISE_SMOOTHING * self._noise + (1 - _NOISE_SMOOTHING) * np.abs(error) ** 2
        power = np.abs(self._spectra) ** 2
        step = self._doubt / (0.5 * (power * self._doubt).sum(axis=0) + self._noise + _FLOOR)
        change = np.fft.irfft(step * np.conj(self._spectra) * error, axis=1)
        change[:, FRAME_SAMPLES:] = 0  # a filter of one frame for each partition: no circular convolution
        self._filter = _FORGETTING * (self._filter + np.fft.rfft(change, axis=1))
        kept = _FORGETTING**2
        self._doubt = kept * (1 - 0.5 * step * power) * self._doubt + (1 - kept) * np.abs(self._filter) ** 2
        np.maximum(self._doubt, 1e-9, out=self._doubt)

    def _exceeds_echo(self, left: float, echo: float) -> bool:
        """Whether a person may be in what is left: more than the filter lately left of the echo alone."""
        self._echo = max(echo, _ECHO_FADES * self._echo)
        self._ratio = _RATIO_SMOOTHING * self._ratio + (1 - _RATIO_SMOOTHING) * left / (self._echo + _FLOOR)
        exceeds = self._warm >= _WARM_FRAMES and left > _QUIETEST and self._ratio > _MARGIN * self._leak
        if self._ratio < self._leak:
            self._leak += _LEAK_FALL * (self._ratio - self._leak)
        else:
            self._leak = min(1.0, self._leak * _LEAK_RISE)
        return exceeds
