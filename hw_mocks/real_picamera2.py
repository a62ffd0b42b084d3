"""The real picamera2 package on the simulated libcamera, for tests of the driver."""

from __future__ import annotations

import os
import sys
import types
from typing import Any

from hw_mocks import libcamera
from hw_mocks.sensor import Board, SimulatedSensor
from robot_node.devices.platform import CameraLibrary


def real_camera_library(sensor: SimulatedSensor, board: Board) -> CameraLibrary:
    """Import the real picamera2, and connect it to a sensor.

    The modules stay in ``sys.modules``, since picamera2 has one camera manager per process. So there is one sensor at a
    time: the latest one.

    Args:
        sensor: The simulated sensor.
        board: On a Pi 5, ``H264Encoder`` is ``LibavH264Encoder``. The V4L2 encoder of a Pi 4 is not simulated: it
            fails.
    """
    _install()
    libcamera.CameraManager.singleton().attach(sensor)

    import picamera2  # after the simulated libcamera is installed
    from picamera2.encoders import Encoder, LibavH264Encoder
    from picamera2.encoders.h264_encoder import H264Encoder
    from picamera2.outputs import Output

    _patch_dma_heap()
    return CameraLibrary(
        Picamera2=picamera2.Picamera2,
        H264Encoder=H264Encoder if board is Board.PI_4 else LibavH264Encoder,
        LibavH264Encoder=LibavH264Encoder,
        Encoder=Encoder,
        Output=Output,
        Transform=libcamera.Transform,
        version="",
    )


class _UnusedModule(types.ModuleType):
    """Replaces a module that picamera2 imports for previews, which a robot does not use.

    Installing the real ones requires a compiler or system libraries.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _UnusedModule(name)


class _Dng:
    """Replaces PiDNG's converter, which needs a compiler to be installed: a TIFF header, then the sensor's data."""

    def __init__(self, camera: Any) -> None:
        del camera

    def options(self, *, compress: int) -> None:
        """Nothing is compressed."""

    def convert(self, raw: Any, *, file: Any) -> None:
        """Write the file."""
        file.write(b"II*\0" + raw.tobytes())


def _install() -> None:
    module: Any = libcamera
    module._libcamera = module  # noqa: SLF001  # picamera2 imports libcamera's extension module by this name
    sys.modules.setdefault("libcamera", module)
    for name in ("prctl", "pykms", "pidng", "pidng.camdefs", "pidng.core"):
        sys.modules.setdefault(name, _UnusedModule(name))
    pidng: Any = sys.modules["pidng.core"]
    pidng.PICAM2DNG = _Dng
    pidng = sys.modules["pidng.camdefs"]
    pidng.Picamera2Camera = lambda config, metadata, model: (config, metadata, model)


def _patch_dma_heap() -> None:
    """Replace picamera2's DMA buffers by anonymous files: it opens ``/dev/dma_heap`` without libcamera."""
    from picamera2 import dma_heap
    from picamera2.allocators import dmaallocator

    def allocate(_heap: Any, name: str, size: int) -> Any:
        fd = os.memfd_create(name)
        os.ftruncate(fd, size)
        return dma_heap.UniqueFD(fd)

    dma_heap.DmaHeap.__init__ = lambda _heap: None
    dma_heap.DmaHeap.alloc = allocate
    dma_heap.DmaHeap.close = lambda _heap: None
    dmaallocator.fcntl = types.SimpleNamespace(ioctl=lambda *_arguments: 0)
