"""Sounds for the benchmark of conversation: recordings of people that packages carry, and speech of espeak-ng."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks._report import BenchmarkError
from hw_mocks.audio import sound_of
from robot_node.core.media import SAMPLE_RATE

COMMANDS = Path("/usr/share/sounds/alsa")
"""Eight recordings of a woman who says "front left" and so on: Debian's package alsa-utils."""

OTHERS = Path("/usr/share/asterisk")
"""Prompts in five languages, and music: Debian's packages asterisk-core-sounds-...-wav and asterisk-moh-opsound-wav."""

_VOICES = ("en-us", "en-us+f3", "en-us+m3", "en-gb", "en-gb+f4", "en-gb-scotland", "en-gb-x-rp")
_RATES = (130, 150, 170)
_SPEECH_SHARE = 0.02
"""Of the peak: what is quieter after it is the recording's silence."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Speech that is known.

    Attributes:
        text: What is said.
        samples: 16 bit, mono, 48 kHz; silence before and after is cut off.
    """

    text: str
    samples: bytes


def silence(seconds: float) -> bytes:
    """Nothing: 16 bit, mono, 48 kHz."""
    return bytes(2 * round(seconds * SAMPLE_RATE))


def with_noise(samples: bytes, share: float) -> bytes:
    """Add white noise, as a share of the loudness of the samples."""
    sound = np.frombuffer(samples, np.int16).astype(np.float64)
    noise = np.random.default_rng(1).normal(0, share * np.sqrt(np.mean(np.square(sound))), len(sound))
    return (sound + noise).clip(-32_768, 32_767).astype(np.int16).tobytes()


def recorded_commands() -> tuple[Spoken, ...]:
    """The recordings of alsa-utils.

    Raises:
        BenchmarkError: the package is not installed.
    """
    files = [file for file in sorted(COMMANDS.glob("*.wav")) if file.stem != "Noise"]
    if not files:
        raise BenchmarkError("There are no recordings. Install the package alsa-utils.")
    return tuple(Spoken(file.stem.replace("_", " ").lower(), _cut(sound_of(file))) for file in files)


def synthesised(text: str, *, voices: int = len(_VOICES), rates: int = len(_RATES)) -> Iterator[Spoken]:
    """espeak-ng says it, by several voices and at several speeds."""
    with tempfile.TemporaryDirectory() as folder:
        for voice in _VOICES[:voices]:
            for rate in _RATES[:rates]:
                file = Path(folder) / "said.wav"
                subprocess.run(["espeak-ng", "-v", voice, "-s", str(rate), "-w", file, text], check=True, timeout=60)
                yield Spoken(text, _cut(sound_of(file)))


def other_sounds(folders: Sequence[Path], most: int | None = None) -> Iterator[bytes]:
    """Everything in the folders that is in a WAV file."""
    files = [file for folder in folders for file in sorted(folder.rglob("*.wav"))]
    for file in files[:most]:
        yield sound_of(file)


def _cut(samples: bytes) -> bytes:
    sound = np.abs(np.frombuffer(samples, np.int16).astype(np.int32))
    loud = np.flatnonzero(sound > _SPEECH_SHARE * sound.max())
    return samples[2 * int(loud[0]) : 2 * int(loud[-1]) + 2]
