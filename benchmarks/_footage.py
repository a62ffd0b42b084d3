"""A clip that fills the bitrate, as a real camera with its noise does; the synthetic clock needs a third of it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

_WIDTH, _HEIGHT, _FRAME_RATE = 1280, 720, 30
_FRAMES = 60
_BITRATE = 12_000_000
_STEP = 4
_GRAIN = 16
_SEED = 1


@contextlib.contextmanager
def busy_clip() -> Iterator[Path]:
    """Write 2 seconds of a panning texture with fresh grain in each frame, 1280x720 at 30 frames/s; always the same."""
    with tempfile.TemporaryDirectory(prefix="robot-node-footage-") as folder:
        path = Path(folder) / "busy.mp4"
        with av.open(path, "w") as container:
            stream = container.add_stream("libx264", rate=_FRAME_RATE)
            stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
            stream.bit_rate = _BITRATE
            stream.time_base = Fraction(1, _FRAME_RATE)
            stream.options = {"preset": "ultrafast"}
            for index, picture in enumerate(_pictures()):
                frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
                frame.pts, frame.time_base = index, Fraction(1, _FRAME_RATE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        yield path


def _pictures() -> Iterator[np.ndarray]:
    random = np.random.default_rng(_SEED)
    rows, columns = _HEIGHT + _FRAMES * _STEP, _WIDTH + _FRAMES * _STEP
    tiles = random.integers(40, 200, (rows // 16 + 1, columns // 16 + 1), dtype=np.uint8)
    texture = np.kron(tiles, np.ones((16, 16), np.uint8))
    colour = np.full((_HEIGHT // 2, _WIDTH), 128, np.uint8)
    for index in range(_FRAMES):
        # There and back, so that the clip begins again where it ends.
        offset = min(index, _FRAMES - index) * _STEP
        grain = random.integers(0, _GRAIN, (_HEIGHT, _WIDTH), dtype=np.uint8)
        yield np.concatenate([texture[offset : offset + _HEIGHT, offset : offset + _WIDTH] + grain, colour])
