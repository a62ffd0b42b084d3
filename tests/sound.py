"""Sounds for tests: made, and recognised."""

from __future__ import annotations

import numpy as np

from robot_node.core.media import SAMPLE_RATE


def tone(frequency_hz: float, seconds: float, *, amplitude: float = 0.5) -> bytes:
    """A sine tone: 16 bit, mono, 48 kHz."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (amplitude * 32767 * np.sin(2 * np.pi * frequency_hz * times)).astype(np.int16).tobytes()


def loudest_hz(samples: bytes) -> float:
    """The frequency at which there is most sound."""
    signal = np.frombuffer(samples, np.int16).astype(float)
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    return float(np.argmax(spectrum) * SAMPLE_RATE / len(signal))
