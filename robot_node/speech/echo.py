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

_FORGETTING = 0.999
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
"""Frames of loud sound from which the filter knows, after the loudspeaker has begun, the way to the microphone."""

_KNOWN_FRAMES = 100
_LOUDER = 6.0
"""By how much, in power, all that is heard must exceed the echo that is expected by its loudness alone, until then; and
how long the filter must have known the way before."""

_GAIN_SMOOTHING = 0.99
_EXPECTED_FADES = 0.95
"""From one frame to the next: until the way is known, sound may come up to 0.3 s after it was played."""

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
        self._gain = (0.0, 0.0)  # power of the echo, and of what was played, while the way was known
        self._known_frames = 0
        self._expected = self._heard = self._left = self._unknown = 0.0

    @property
    def sure(self) -> bool:
        """It knows the way from the loudspeaker to the microphone; else it judges by loudness alone."""
        return self._warm >= _WARM_FRAMES

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
        unknown = self._learn(left)
        cleaned = left if self.sure else microphone  # a filter that learns makes a person less clear
        samples: bytes = np.rint(cleaned * _FULL_SCALE).clip(-32_768, 32_767).astype(np.int16).tobytes()
        all_heard, rest, expected, given = (float(np.mean(each**2)) for each in (microphone, left, echo, loudspeaker))
        return samples, self._exceeds_echo(all_heard, rest, expected, given, unknown)

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

    def _learn(self, left: Any) -> float:
        """Learn from what is left; return the power of the echo that may be in it, for all that the filter knows."""
        np = self._np
        error = np.fft.rfft(np.concatenate((np.zeros(FRAME_SAMPLES), left)))
        self._noise = _NOISE_SMOOTHING * self._noise + (1 - _NOISE_SMOOTHING) * np.abs(error) ** 2
        power = np.abs(self._spectra) ** 2
        unknown = 0.5 * (power * self._doubt).sum(axis=0)
        step = self._doubt / (unknown + self._noise + _FLOOR)
        change = np.fft.irfft(step * np.conj(self._spectra) * error, axis=1)
        change[:, FRAME_SAMPLES:] = 0  # a filter of one frame for each partition: no circular convolution
        self._filter = _FORGETTING * (self._filter + np.fft.rfft(change, axis=1))
        kept = _FORGETTING**2
        self._doubt = kept * (1 - 0.5 * step * power) * self._doubt + (1 - kept) * np.abs(self._filter) ** 2
        np.maximum(self._doubt, 1e-9, out=self._doubt)
        return float(unknown.sum()) / FRAME_SAMPLES**2

    def _exceeds_echo(self, heard: float, left: float, echo: float, played: float, unknown: float) -> bool:
        """Whether a person may be in what is left: more than the filter lately left of the echo alone."""
        if self.sure:
            self._gain = (_GAIN_SMOOTHING * self._gain[0] + echo, _GAIN_SMOOTHING * self._gain[1] + played)
            self._known_frames += 1
        self._expected = max(self._gain[0] / (self._gain[1] + _FLOOR) * played, _EXPECTED_FADES * self._expected)
        self._heard = _RATIO_SMOOTHING * self._heard + (1 - _RATIO_SMOOTHING) * heard
        self._left = _RATIO_SMOOTHING * self._left + (1 - _RATIO_SMOOTHING) * left
        self._unknown = _RATIO_SMOOTHING * self._unknown + (1 - _RATIO_SMOOTHING) * unknown
        self._echo = max(echo, _ECHO_FADES * self._echo)
        self._ratio = _RATIO_SMOOTHING * self._ratio + (1 - _RATIO_SMOOTHING) * left / (self._echo + _FLOOR)
        if self.sure:
            more = self._ratio > _MARGIN * self._leak and self._left > self._unknown
        else:
            more = self._known_frames > _KNOWN_FRAMES and self._heard > _LOUDER * self._expected
        exceeds = more and left > _QUIETEST
        if self._ratio < self._leak:
            self._leak += _LEAK_FALL * (self._ratio - self._leak)
        else:
            self._leak = min(1.0, self._leak * _LEAK_RISE)
        return exceeds
