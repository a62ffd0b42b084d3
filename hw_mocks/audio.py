"""A simulated microphone with a tone or a sound file, and a simulated loudspeaker that records.

Both have the interface of ``sounddevice``.
"""

from __future__ import annotations

import array
import math
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robot_node.devices.platform import SoundLibrary
from robot_node.errors import SettingsError

SAMPLE_RATE = 48_000
_BYTES_PER_SAMPLE = 2
_KEPT_BYTES = 60 * SAMPLE_RATE * _BYTES_PER_SAMPLE
_RECORDED_BYTES = 10 * _KEPT_BYTES
_PAUSE_BYTES = 4 * SAMPLE_RATE * _BYTES_PER_SAMPLE
_EMITTED = 200
# Buffer of the sound card: a write blocks while it is full.
_CARD_BUFFER_S = 0.04


class PortAudioError(Exception):
    """A device failed."""


@dataclass
class SimulatedMicrophone:
    """A simulated microphone. Tests inject faults and read its state.

    Attributes:
        frequency_hz: Frequency of the tone.
        amplitude: Amplitude of the tone, 0 to 1.
        repeated: Samples that replace the tone, 16 bit: from the start of a recording, repeated after pauses.
        noise: Samples, 16 bit, that are in everything it hears, repeated without a pause.
        echoes: How the loudspeaker is heard: seconds and factor of each way that its sound takes.
        absent: It is not plugged in.
        speed: Seconds of queued sound (:meth:`hear`) per second, to speed up tests.
        recording: Whether sound is being captured now: what the privacy switch must prevent.
        starts: Number of started recordings.
    """

    frequency_hz: int = 440
    amplitude: float = 0.5
    repeated: bytes = b""
    noise: bytes = b""
    echoes: tuple[tuple[float, float], ...] = ()
    absent: bool = False
    speed: float = 1.0
    recording: bool = field(default=False, init=False)
    starts: int = field(default=0, init=False)
    _once: bytearray = field(default_factory=bytearray, init=False)

    @property
    def pace(self) -> float:
        """Seconds of sound per second now: queued sound may be faster than real time."""
        return self.speed if self._once else 1.0

    def hear(self, samples: bytes) -> None:
        """Queue samples, 16 bit, that are captured once, before the repeated ones or the tone."""
        self._once += samples

    def samples(self, first: int, count: int) -> bytes:
        """Return ``count`` samples, 16 bit, from the ``first`` one after the start."""
        size = count * _BYTES_PER_SAMPLE
        if self._once:
            heard = bytes(self._once[:size])
            del self._once[:size]
            return heard.ljust(size, b"\0")
        if self.repeated:
            begin = first * _BYTES_PER_SAMPLE % (len(self.repeated) + _PAUSE_BYTES)
            return self.repeated[begin : begin + size].ljust(size, b"\0")
        step = 2 * math.pi * self.frequency_hz / SAMPLE_RATE
        peak = self.amplitude * 32767
        return array.array("h", [round(peak * math.sin(step * (first + n))) for n in range(count)]).tobytes()


def sound_of(file: Path) -> bytes:
    """Decode a sound file: 16 bit, mono, 48 kHz.

    Raises:
        SettingsError: It cannot be decoded.
    """
    import av  # takes seconds on a Pi

    to_mono = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    try:
        with av.open(str(file)) as container:
            frames = [mono for frame in container.decode(audio=0) for mono in to_mono.resample(frame)]
    except (OSError, ValueError, IndexError) as error:  # IndexError: it contains no sound
        raise SettingsError(f"The sound file {file} cannot be decoded: {error}.") from error
    frames += to_mono.resample(None)
    return b"".join(bytes(frame.planes[0])[: frame.samples * _BYTES_PER_SAMPLE] for frame in frames)


class SimulatedLoudspeaker:
    """A simulated loudspeaker. Tests inject faults and read its state.

    Args:
        recording: File for the played sound, 16 bit, mono, 48 kHz, without a header. Overwritten after ten minutes of
            sound.

    Attributes:
        absent: It is not plugged in.
        speed: Seconds of sound per second, to speed up tests.
        open: Whether a program has opened it.
        starts: Number of times it was opened.
    """

    def __init__(self, recording: Path | None = None) -> None:
        self._recording = recording
        self._recorded_bytes = 0
        if recording is not None:
            recording.write_bytes(b"")
        self.absent = False
        self.speed = 1.0
        self.open = False
        self.starts = 0
        self._lock = threading.Lock()
        self._played: deque[bytes] = deque()
        self._emitted: deque[tuple[float, bytes]] = deque(maxlen=_EMITTED)
        self._kept_bytes = 0

    @property
    def played(self) -> bytes:
        """The last minute of played sound, 16 bit, without pauses between writes."""
        with self._lock:
            return b"".join(self._played)

    def heard_at(self, time_s: float, count: int) -> bytes:
        """Return what it emits from that time on, in seconds of the monotonic clock; of the last seconds."""
        heard = bytearray(_BYTES_PER_SAMPLE * count)
        with self._lock:
            for began, samples in reversed(self._emitted):
                first = round((began - time_s) * SAMPLE_RATE) * _BYTES_PER_SAMPLE
                if first + len(samples) <= 0:
                    break
                if first < len(heard):
                    piece = samples[max(0, -first) : len(heard) - first]
                    heard[max(0, first) : max(0, first) + len(piece)] = piece
        return bytes(heard)

    def record(self, samples: bytes, time_s: float) -> None:
        """Play samples from that time on."""
        with self._lock:
            self._emitted.append((time_s, samples))
            self._played.append(samples)
            self._kept_bytes += len(samples)
            while self._kept_bytes > _KEPT_BYTES:
                self._kept_bytes -= len(self._played.popleft())
            if self._recording is not None:
                begins = self._recorded_bytes + len(samples) > _RECORDED_BYTES
                with self._recording.open("wb" if begins else "ab") as file:
                    file.write(samples)
                self._recorded_bytes = len(samples) + (0 if begins else self._recorded_bytes)


def _mixed(samples: bytes, more: bytes, factor: float) -> bytes:
    """Add sound to sound."""
    pairs = zip(array.array("h", samples), array.array("h", more), strict=True)
    return array.array("h", [max(-32768, min(32767, round(one + factor * two))) for one, two in pairs]).tobytes()


def _cut_from_loop(samples: bytes, first: int, count: int) -> bytes:
    """Return ``count`` samples from the ``first`` one of a loop."""
    begin, size = first * _BYTES_PER_SAMPLE % len(samples), count * _BYTES_PER_SAMPLE
    piece = samples[begin : begin + size]
    while len(piece) < size:
        piece += samples[: size - len(piece)]
    return piece


def _check_name(device: int | str | None, direction: str) -> None:
    if device not in {None, "hw:0"}:
        raise ValueError(f"No {direction} device matching {device!r}")


class _Stream:
    """A stream with the timing of a sound card: 48 000 samples per second."""

    def __init__(
        self,
        plugged: SimulatedMicrophone | SimulatedLoudspeaker,
        direction: str,
        *,
        samplerate: int,
        blocksize: int,
        device: str | None,
        channels: int,
        dtype: str,
        latency: str,
    ) -> None:
        del blocksize, latency  # a simulated card supports all
        _check_name(device, direction)
        if (samplerate, channels, dtype) != (SAMPLE_RATE, 1, "int16"):
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        if plugged.absent:
            raise PortAudioError("Error querying device -1")
        self._plugged = plugged
        self._moved = 0
        self._started = 0.0

    def start(self) -> None:
        self._started = time.monotonic()

    def close(self, ignore_errors: bool = True) -> None:
        del ignore_errors

    def _wait(self, until: float) -> None:
        time.sleep(max(0.0, until - time.monotonic()))
        if self._plugged.absent:
            raise PortAudioError("Unanticipated host error [PaErrorCode -9999]: 'No such device'")


def sound_library(microphone: SimulatedMicrophone, loudspeaker: SimulatedLoudspeaker) -> SoundLibrary:
    """Return the parts of ``sounddevice`` that the drivers use, with devices named ``"default"`` and ``"hw:0"``."""

    class RawInputStream(_Stream):
        def __init__(self, **settings: Any) -> None:
            super().__init__(microphone, "input", **settings)

        def start(self) -> None:
            super().start()
            self._due = self._started
            microphone.recording = True
            microphone.starts += 1

        def read(self, frames: int) -> tuple[bytes, bool]:
            self._due += frames / SAMPLE_RATE / microphone.pace
            self._wait(self._due)
            samples = microphone.samples(self._moved, frames)
            if microphone.noise:
                samples = _mixed(samples, _cut_from_loop(microphone.noise, self._moved, frames), 1.0)
            for seconds, factor in microphone.echoes:
                echo = loudspeaker.heard_at(self._due - frames / SAMPLE_RATE - seconds, frames)
                samples = _mixed(samples, echo, factor)
            self._moved += frames
            return samples, False

        def close(self, ignore_errors: bool = True) -> None:
            super().close(ignore_errors)
            microphone.recording = False

    class RawOutputStream(_Stream):
        def __init__(self, **settings: Any) -> None:
            super().__init__(loudspeaker, "output", **settings)
            loudspeaker.open = True
            loudspeaker.starts += 1

        def write(self, data: bytes) -> bool:
            played = round((time.monotonic() - self._started) * loudspeaker.speed * SAMPLE_RATE)
            underflowed = self._moved < played
            self._moved = max(self._moved, played)
            self._wait(self._started + (self._moved / SAMPLE_RATE - _CARD_BUFFER_S) / loudspeaker.speed)
            loudspeaker.record(bytes(data), self._started + self._moved / SAMPLE_RATE)
            self._moved += len(data) // _BYTES_PER_SAMPLE
            return underflowed

        def close(self, ignore_errors: bool = True) -> None:
            super().close(ignore_errors)
            loudspeaker.open = False

    def query_devices(device: int | str | None = None, kind: str | None = None) -> dict[str, Any]:
        _check_name(device, kind or "")
        if (microphone if kind == "input" else loudspeaker).absent:
            raise PortAudioError("Error querying device -1")
        return {"name": f"simulated {kind}: - (hw:0,0)"}

    return SoundLibrary(
        RawInputStream=RawInputStream,
        RawOutputStream=RawOutputStream,
        query_devices=query_devices,
        PortAudioError=PortAudioError,
    )
