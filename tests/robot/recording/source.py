"""A source of numbered pictures whose time the test makes pass, and a reader of what was recorded of it."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE, AudioPacketSink, EncodedAudio, EncodedFrame, FrameSink
from robot_node.core.mixer import Mixer
from robot_node.core.state import CameraState
from robot_node.devices.opus import OpusEncoder
from robot_node.robot.recording.library import Library, Limits
from robot_node.robot.recording.recorder import Recorder
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.recording import RecordingSettings
from robot_node.webrtc.streams import Streams
from tests.waiting import eventually
from tests.webrtc.scene import BITS, picture, read_number

RATE = 10
"""Pictures a second."""
GROUP = 20
"""Pictures from one keyframe to the next, unless one is asked for: two seconds."""
_US = 1_000_000 // RATE


class Source:
    """A :class:`robot_node.core.media.VideoSource`: each call of :meth:`play` captures and delivers pictures.

    Attributes:
        watched: What the broadcast has told last: watched, and in use.
        keyframes: How often it was asked for one.
        number: Of the next picture.
    """

    def __init__(self) -> None:
        self.sink: FrameSink | None = None
        self.watched = self.in_use = False
        self.keyframes = 0
        self.number = 0
        self._codec: VideoCodecContext | None = None
        self._force = False
        self.size = 1
        self.rotation = 0

    def set_sink(self, sink: FrameSink | None) -> None:
        self.sink = sink

    def set_watched(self, watched: bool, *, in_use: bool = True) -> None:
        self.watched, self.in_use = watched, in_use

    def request_keyframe(self) -> None:
        self.keyframes += 1
        self._force = True

    def set_bitrate(self, bits_per_second: int) -> None:
        """Nothing to change."""

    def resize(self, factor: int) -> None:
        """From now on pictures are so many times as large: another SPS."""
        self.size, self._codec = factor, None

    async def play(self, seconds: float, microphone: Microphone | None = None) -> list[int]:
        """Let time pass; returns the numbers of the pictures."""
        numbers = []
        for _ in range(round(seconds * RATE)):
            numbers.append(self.number)
            for packet in self._encode(self.number):
                if self.watched and self.sink is not None:
                    captured_us = 1_000_000 + self.number * _US
                    self.sink(EncodedFrame(bytes(packet), packet.is_keyframe, captured_us, rotation=self.rotation))
            if microphone is not None:
                began = (RATE + self.number) * SAMPLE_RATE // RATE
                for timestamp in range(began, began + SAMPLE_RATE // RATE, FRAME_SAMPLES):
                    microphone.packet(timestamp)
            self.number += 1
            for _ in range(3):  # the recorder's tasks take it
                await asyncio.sleep(0)
        return numbers

    def _encode(self, number: int) -> list[av.Packet[Any]]:
        grey = np.repeat(np.repeat(picture(number % (1 << BITS)), self.size, 0), self.size, 1)
        height, width = grey.shape
        if self._codec is None:
            codec = av.CodecContext.create("libx264", "w")
            codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
            codec.time_base, codec.framerate = Fraction(1, RATE), Fraction(RATE)
            codec.gop_size, codec.thread_count, codec.profile = GROUP, 1, "Baseline"
            codec.options = {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1"}
            self._codec = codec
        planes = np.concatenate([grey, np.full((height // 2, width), 128, np.uint8)])
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = number, self._codec.time_base
        if self._force:
            self._force, frame.pict_type = False, PictureType.I
        return self._codec.encode(frame)


class Microphone:
    """A :class:`robot_node.core.media.AudioSource` of the mixer, driven by the test too."""

    def __init__(self) -> None:
        self.sink: AudioPacketSink | None = None
        self.listened = False
        self._encoder = OpusEncoder(32_000)

    def set_sink(self, sink: AudioPacketSink | None) -> None:
        self.sink = sink

    def set_listened(self, listened: bool) -> None:
        self.listened = listened

    def set_sample_sink(self, sink: object) -> None:
        """No speech recognition here."""

    def packet(self, timestamp: int) -> None:
        """Deliver 20 ms of a tone."""
        if self.listened and self.sink is not None:
            time = np.arange(timestamp, timestamp + FRAME_SAMPLES) / SAMPLE_RATE
            tone = (8000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
            for data in self._encoder.encode(tone.tobytes(), timestamp):
                self.sink(EncodedAudio(data, timestamp))


@dataclass
class Studio:
    """A recorder and what it records."""

    recorder: Recorder
    source: Source
    telemetry: Telemetry
    streams: Streams
    folder: Path
    space: list[int] = field(default_factory=lambda: [10**12])

    def camera(self, state: CameraState) -> None:
        """The camera's state changes."""
        self.telemetry.state.update(camera=state)

    async def on(self) -> None:
        """Switch the camera on; with a ring buffer, returns when its first picture is in there."""
        self.camera(CameraState.ON)
        if self.recorder.settings.ring_s:
            await eventually(lambda: self.source.watched)
            await self.source.play(1 / RATE)

    async def start(self) -> str:
        """Begin to record; returns when a keyframe is asked for, at the latest a moment after the one before."""
        asked = self.source.keyframes
        name = self.recorder.start()
        await eventually(lambda: self.source.keyframes > asked)
        return name

    def files(self) -> list[str]:
        """The names of the files, the oldest first."""
        return sorted(path.name for path in self.folder.iterdir())

    def events(self) -> list[str]:
        """What was reported of recordings."""
        return [event.text for event in self.telemetry.events.after() if event.kind == "recording"]

    def numbers(self, name: str) -> list[int]:
        """The numbers of the pictures in a file."""
        return numbers_in((self.folder / name).read_bytes())

    def rotation(self, name: str) -> int:
        """By how many degrees a player is to rotate the first picture of a file, anticlockwise."""
        with av.open(str(self.folder / name), "r") as container:
            return next(container.decode(video=0)).rotation

    def sound_seconds(self, name: str) -> float | None:
        """Seconds of sound in a file; None without a track for it."""
        with av.open(str(self.folder / name), "r") as container:
            if not container.streams.audio:
                return None
            return sum(frame.samples for frame in container.decode(audio=0)) / SAMPLE_RATE


@asynccontextmanager
async def studio(
    folder: Path,
    *,
    mixer: Mixer | None = None,
    limits: Limits | None = None,
    no_pictures_s: float = 10.0,
    **settings: Any,
) -> AsyncIterator[Studio]:
    """Run a recorder over a source, the camera off at first."""
    space = [10**12]
    library = Library(folder, limits or Limits(10**9, timedelta(days=7), 0), free_bytes=lambda _: space[0])
    source, telemetry = Source(), Telemetry()
    streams = Streams(source, mixer)
    recorder = Recorder(
        RecordingSettings(enabled=True, **settings),
        telemetry,
        streams,
        library,
        clock=lambda: 1 + source.number / RATE,
        no_pictures_s=no_pictures_s,
    )
    task = asyncio.create_task(recorder.run(), name="recorder")
    try:
        yield Studio(recorder, source, telemetry, streams, folder, space)
    finally:
        await recorder.close()
        task.cancel()
        await asyncio.wait([task])
        streams.close()
    if not task.cancelled():
        task.result()


def numbers_in(data: bytes) -> list[int]:
    """The numbers of the pictures in an MP4, up to where it is cut off."""
    found: list[int] = []
    with av.open(io.BytesIO(data), "r") as container, contextlib.suppress(av.error.InvalidDataError):
        for frame in container.decode(video=0):
            grey = frame.to_ndarray(format="gray").astype(np.uint8)
            found.append(read_number(grey))
    return found
