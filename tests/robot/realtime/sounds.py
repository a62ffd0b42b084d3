"""Speech as it goes to and comes from a server of OpenAI Realtime: 16 bit, 24 kHz, mono."""

from __future__ import annotations

import base64
import functools

import numpy as np

from robot_node.speech.decimation import Decimator
from tests.speech.sounds import spoken

RATE = 24_000


@functools.cache
def said(text: str) -> bytes:
    """Somebody who says it."""
    return at_24_khz(spoken(text))


def at_24_khz(samples: bytes) -> bytes:
    """The same sound, from 48 kHz."""
    return Decimator(2).decimate(samples)


def in_base64(samples: bytes) -> list[str]:
    """As the robot hands it on: 0.1 s at a time."""
    size = 2 * RATE // 10
    return [base64.b64encode(samples[start : start + size]).decode() for start in range(0, len(samples), size)]


def share_found(sound: bytes, original: bytes) -> float:
    """How much of the original is in the sound, wherever it begins: 1 for all of it."""
    heard, said = (np.frombuffer(samples, np.int16).astype(float) for samples in (sound, original))
    size = 1 << (len(heard) + len(said) - 1).bit_length()
    match = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)), size).max()
    return float(match / np.sum(said**2))
