"""What the camera's tests share: a camera on one of three Pis or on USB, its frames, and a decoder."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from hw_mocks.clock_scene import read_stamp
from hw_mocks.picamera2 import camera_library
from hw_mocks.real_picamera2 import real_camera_library
from hw_mocks.sensor import Board, SimulatedSensor
from hw_mocks.v4l2 import SimulatedUsbCamera, v4l2_library
from robot_node.core.media import EncodedFrame, RawFrame
from robot_node.core.state import CameraState, RobotSnapshot, RobotState
from robot_node.devices.camera.camera import Camera, CameraLimits
from robot_node.devices.platform import CameraLibrary, Platform
from robot_node.devices.privacy import Privacy
from robot_node.devices.v4l2 import V4l2Library
from robot_node.errors import DeviceError, NotReadyError
from robot_node.settings.devices import CameraSettings
from tests.waiting import DEADLINE_S, eventually

PIS: dict[str, Callable[[SimulatedSensor], CameraLibrary]] = {
    "simulated Pi 5": lambda sensor: camera_library(sensor, Board.PI_5),
    "simulated Pi 4": lambda sensor: camera_library(sensor, Board.PI_4),
    "real picamera2": lambda sensor: real_camera_library(sensor, Board.PI_5),
}

ON_EVERY_PI = pytest.mark.parametrize("pi", PIS, indirect=True)
"""For a test of what the driver and the library do together: on others, only the driver is tried."""

USB = "USB camera"

ON_EVERY_CAMERA = pytest.mark.parametrize("pi", [*PIS, USB], indirect=True)
"""The same for a test that knows nothing of picamera2."""

ON_PIS_WITH_LIBX264 = pytest.mark.parametrize("pi", ["simulated Pi 5", "real picamera2"], indirect=True)

WITH_EACH_DRIVER = pytest.mark.parametrize(
    "pi", ["simulated Pi 5", USB, pytest.param("real picamera2", marks=pytest.mark.slow)], indirect=True
)
"""For a test that repeats: it takes several times longer with the real package."""

SETTINGS = CameraSettings(width=640, height=360, frame_rate=30, bitrate=2_000_000, keyframe_interval_s=60)


@dataclass
class Pi:
    """A Pi with a camera.

    Attributes:
        name: Which of the three; or ``"USB camera"``, for any computer.
        sensor: The sensor, with its faults.
        library: What the driver of picamera2 is given.
        cameras: Each camera that this driver has opened, as picamera2 has it.
        usb: The USB camera, where there is one.
        settings: Settings that the camera needs.
        hardware_encoder: Name of the board's encoder for a USB camera's pictures.
        encoders: Those that were made for a USB camera: ``"libx264"`` or ``"board's"``.
        decoders: Codecs that were made for decoding a USB camera's pictures.
    """

    name: str
    sensor: SimulatedSensor
    library: CameraLibrary
    cameras: list[Any]
    usb: SimulatedUsbCamera | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    hardware_encoder: str = "board's"
    encoders: list[str] = field(default_factory=list)
    decoders: list[str] = field(default_factory=list)
    _encoders: weakref.WeakSet[WatchedCodec] = field(default_factory=weakref.WeakSet)

    @property
    def limits(self) -> CameraLimits:
        """The driver's patience: short with a sensor that stalls or hangs, long enough for any busy machine else."""
        return Limits(self.sensor)

    @property
    def platform(self) -> Platform:
        """What the driver is given."""
        platform = Platform(name="simulated", camera_library=lambda: self.library, i2c=lambda _bus, _address: None)
        return platform if self.usb is None else replace(platform, v4l2=self.v4l2)

    def v4l2(self) -> V4l2Library:
        """What the driver of V4L2 is given."""
        assert self.usb is not None
        library = v4l2_library(self.usb, hardware_encoder=self.hardware_encoder)

        def codec(name: str, mode: str) -> Any:
            if mode == "r":
                self.decoders.append(name)
                return library.codec(name, mode)
            self.encoders.append(name)
            watched = WatchedCodec(library.codec("libx264" if name == "board's" else name, mode))
            self._encoders.add(watched)
            return watched

        return replace(library, codec=codec)

    def capturing(self) -> bool:
        """The sensor turns light into pictures."""
        return self.sensor.capturing

    def running_encoders(self) -> list[str]:
        """The encoders that were started and not stopped, of all cameras: ``"h264"`` or ``"raw"``."""
        if self.usb is not None:
            return ["h264"] * len(self._encoders)
        h264 = (self.library.H264Encoder, self.library.LibavH264Encoder)
        running = [encoder for camera in self.cameras for encoder in camera.encoders if encoder.running]
        return sorted("h264" if isinstance(encoder, h264) else "raw" for encoder in running)

    def with_encoder(self, **attributes: object) -> Platform:
        """The same Pi, whose H.264 encoder has some attributes of its own."""
        encoder = type("TestH264Encoder", (self.library.H264Encoder,), attributes)
        library = replace(self.library, H264Encoder=encoder)
        return replace(self.platform, camera_library=lambda: library)

    def with_camera(self, **attributes: object) -> Platform:
        """The same Pi, whose camera class has some attributes of its own."""
        library = replace(self.library, Picamera2=type("TestPicamera2", (self.library.Picamera2,), attributes))
        return replace(self.platform, camera_library=lambda: library)


class WatchedCodec:
    """PyAV's codec, of which one can see that it lives: that is how long it encodes."""

    def __init__(self, codec: Any) -> None:
        object.__setattr__(self, "codec", codec)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.codec, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.codec, name, value)


class Limits(CameraLimits):
    """See :attr:`Pi.limits`."""

    def __init__(self, sensor: SimulatedSensor, *, release: float = DEADLINE_S) -> None:
        super().__init__(release=release)
        object.__setattr__(self, "_sensor", sensor)

    def __getattribute__(self, name: str) -> Any:
        match name:
            case "picture":
                return 0.2 if self._sensor.stalled else DEADLINE_S
            case "open" | "close":
                return 0.3 if self._sensor.hangs else DEADLINE_S
            case _:
                return super().__getattribute__(name)

    _sensor: SimulatedSensor


def make_pi(name: str, scene: str = "clock") -> Pi:
    """Build the Pi of that name, or the computer with a USB camera."""
    sensor, cameras = SimulatedSensor(scene), list[Any]()
    if name == USB:
        library = PIS["simulated Pi 5"](sensor)
        settings = {"driver": "v4l2", "format": "mjpeg"}
        return Pi(name, sensor, library, cameras, SimulatedUsbCamera(sensor), settings)
    library = PIS[name](sensor)
    base = library.Picamera2

    def init(camera: Any, *arguments: Any) -> None:
        base.__init__(camera, *arguments)
        cameras.append(camera)

    library = replace(library, Picamera2=type("RecordedPicamera2", (base,), {"__init__": init}))
    return Pi(name, sensor, library, cameras)


@dataclass
class Frames:
    """Takes frames as a viewer does."""

    received: list[EncodedFrame] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, frame: EncodedFrame) -> None:
        self.received.append(frame)
        self._changed.set()

    @property
    def keyframes(self) -> list[int]:
        """Numbers of the keyframes."""
        return [number for number, frame in enumerate(self.received) if frame.keyframe]

    async def more(self, count: int) -> list[EncodedFrame]:
        """Wait for so many new frames and return them."""
        start = len(self.received)
        await self.until(lambda: len(self.received) >= start + count)
        return self.received[start : start + count]

    async def reach(self, count: int) -> None:
        """Wait until there are so many frames altogether."""
        await self.until(lambda: len(self.received) >= count)

    async def reach_keyframes(self, count: int) -> None:
        """Wait until there are so many keyframes altogether."""
        await self.until(lambda: len(self.keyframes) >= count)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition that only a new frame can make true."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@dataclass
class Pictures:
    """Takes pictures as they are, in the camera's thread."""

    received: list[RawFrame] = field(default_factory=list)

    def __call__(self, frame: RawFrame) -> None:
        self.received.append(frame)

    async def more(self, count: int) -> list[RawFrame]:
        """Wait for so many new pictures and return them."""
        start = len(self.received)
        await eventually(lambda: len(self.received) >= start + count)
        return self.received[start : start + count]


@dataclass
class IndicatorLog:
    """An indicator that remembers what it was told.

    Attributes:
        told: Lit or dark, each time.
        look: Called each time.
    """

    told: list[bool] = field(default_factory=list)
    look: Callable[[], None] = lambda: None

    async def light(self, *, lit: bool) -> None:
        """Take note."""
        self.told.append(lit)
        self.look()

    def on_failure(self, callback: Callable[[DeviceError], None]) -> None:
        """Never call back: it stays lit."""


@dataclass
class Hand:
    """A privacy switch, as a hand at the robot moves it."""

    engaged: bool = False
    _callbacks: list[Callable[[], None]] = field(default_factory=list)

    async def check(self) -> None:
        """Refuse while it is engaged."""
        if self.engaged:
            raise NotReadyError("The privacy switch is engaged.")

    def on_engaged(self, callback: Callable[[], None]) -> None:
        """Call back from now on."""
        self._callbacks.append(callback)

    def on_disengaged(self, callback: Callable[[], None]) -> None:
        """Nothing of the camera follows."""

    def engage(self) -> None:
        """Engage it."""
        self.engaged = True
        for callback in self._callbacks:
            callback()

    def release(self) -> None:
        """Disengage it."""
        self.engaged = False


@dataclass
class Rig:
    """A camera under test."""

    camera: Camera
    frames: Frames
    state: RobotState
    states: list[CameraState]
    indicator: list[bool]

    def camera_state(self) -> CameraState:
        """What the robot says of its camera now."""
        return self.state.snapshot.camera


@asynccontextmanager
async def rig(
    pi: Pi,
    *,
    platform: Platform | None = None,
    limits: CameraLimits | None = None,
    privacy: Privacy | None = None,
    indicator: IndicatorLog | None = None,
    watched: bool = False,
    small_stream: bool = False,
    **settings: object,
) -> AsyncIterator[Rig]:
    """Give a camera, switched off at first and closed at the end."""
    state, states, frames = RobotState(), [CameraState.OFF], Frames()
    indicator = indicator or IndicatorLog()

    def note(snapshot: RobotSnapshot) -> None:
        if snapshot.camera is not states[-1]:
            states.append(snapshot.camera)

    state.listen(note)
    camera = Camera(
        platform or pi.platform,
        SETTINGS.model_copy(update={**pi.settings, **settings}),
        state,
        indicator=indicator,
        privacy=privacy,
        limits=limits or pi.limits,
        small_stream=small_stream,
    )
    camera.set_sink(frames)
    camera.set_watched(watched)
    try:
        yield Rig(camera, frames, state, states, indicator.told)
    finally:
        await camera.close()


def decode(frames: list[EncodedFrame]) -> list[npt.NDArray[np.uint8]]:
    """Decode frames, the first a keyframe, into Y planes."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    pictures = []
    for frame in frames:
        pictures += decoder.decode(av.Packet(frame.data))
    pictures += decoder.decode(None)
    return [luma(picture) for picture in pictures]


def luma(picture: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """Return the Y plane."""
    return picture.to_ndarray(format="gray").astype(np.uint8, copy=False)


def decode_jpeg(jpeg: bytes) -> npt.NDArray[np.uint8]:
    """Return the brightness of a JPEG file's pixels."""
    (picture,) = av.CodecContext.create("mjpeg", "r").decode(av.Packet(jpeg))
    return luma(picture)


def grey(frame: RawFrame) -> npt.NDArray[np.uint8]:
    """Return the Y plane of an unencoded frame without what fills up its rows."""
    rows = np.frombuffer(frame.planes, np.uint8).reshape(frame.height * 3 // 2, frame.stride)
    return rows[: frame.height, : frame.width]


def stamp_of(picture: npt.NDArray[np.uint8]) -> int:
    """Read the clock scene's capture time, in milliseconds."""
    stamp = read_stamp(picture)
    assert stamp is not None, "the picture does not show the clock scene"
    return stamp


def stamp_at(timestamp_us: int) -> int:
    """The stamp that a picture of that capture time carries."""
    return timestamp_us // 1000 % (1 << 24)


def nal_types(data: bytes) -> list[int]:
    """Types of the NAL units of an access unit (H.264, table 7-1)."""
    return [data[start + 3] & 0x1F for start in range(len(data) - 3) if data[start : start + 3] == b"\0\0\1"]


def open_files() -> int:
    """Number of open file descriptors."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # a Path object each would change the count


def threads() -> set[str]:
    """Names of the threads that run."""
    return {thread.name for thread in threading.enumerate()}
