"""Speech, silence and noise for tests: 16 bit, mono, 48 kHz."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from hw_mocks.audio import sound_of
from robot_node.core.media import SAMPLE_RATE
from tests.waiting import DEADLINE_S


def silence(seconds: float) -> bytes:
    """Nothing to be heard: 16 bit, mono, 48 kHz."""
    return bytes(2 * round(seconds * SAMPLE_RATE))


def noise(seconds: float, amplitude: float) -> bytes:
    """White noise: 16 bit, mono, 48 kHz."""
    samples = np.random.default_rng(1).normal(0, amplitude * 32767, round(seconds * SAMPLE_RATE))
    return samples.clip(-32768, 32767).astype(np.int16).tobytes()


@functools.cache
def spoken(text: str, *, voice: str = "en-us+f3", rate: int = 130) -> bytes:
    """Somebody who says it, with a pause before and after: 16 bit, mono, 48 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        return (
            silence(0.5) + sound_of(spoken_file(Path(folder) / "said.wav", text, voice=voice, rate=rate)) + silence(0.7)
        )


def spoken_file(file: Path, text: str, *, voice: str = "en-us+f3", rate: int = 130) -> Path:
    """A file of somebody who says it."""
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(rate), "-w", file, text], check=True, timeout=DEADLINE_S)
    return file


def pieces(samples: bytes) -> list[bytes]:
    """As it comes: 20 ms at a time."""
    return [samples[start : start + 1920] for start in range(0, len(samples), 1920)]


def recorded() -> dict[str, bytes]:
    """A woman who says eight things, with a pause before and after: the recordings of Debian's package alsa-utils."""
    files = [file for file in sorted(Path("/usr/share/sounds/alsa").glob("*.wav")) if file.stem != "Noise"]
    assert len(files) == 8, "the package alsa-utils is missing"
    return {file.stem.replace("_", " ").lower(): silence(0.5) + sound_of(file) + silence(1) for file in files}


def pink_noise(seconds: float, loudness: float) -> bytes:
    """Noise like that of a fan or of many voices, with a root mean square of so much: 16 bit, mono, 48 kHz."""
    count = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(1).normal(size=count))
    frequencies = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    sound = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequencies, 20.0)), count)
    return (sound * loudness / loudness_of(sound)).clip(-32768, 32767).astype(np.int16).tobytes()


def loudness_of(sound: np.ndarray) -> float:
    """Root mean square of the parts that are not silence."""
    loud = sound[np.abs(sound) > 0.02 * np.abs(sound).max()]
    return float(np.sqrt(np.mean(np.square(loud.astype(float)))))


def in_noise(sound: bytes, snr_db: float) -> bytes:
    """The sound, and so much less of pink noise."""
    clean = np.frombuffer(sound, np.int16).astype(float)
    noise = np.frombuffer(pink_noise(len(clean) / 48_000 + 1, loudness_of(clean) / 10 ** (snr_db / 20)), np.int16)
    return bytes((clean + noise[: len(clean)]).clip(-32768, 32767).astype(np.int16).tobytes())
