"""Which simulated camera a picture is of: each has a clock with a marker of its own."""

from __future__ import annotations

import io

import av
import numpy as np
from PIL import Image

from hw_mocks.clock_scene import read_marker


def marker_of(frame: av.VideoFrame) -> int:
    """The number of the camera that a picture is of."""
    picture = frame.reformat(format="yuv420p").to_ndarray().astype(np.uint8, copy=False)
    return read_marker(picture, frame.width, frame.height)


def marker_of_jpeg(jpeg: bytes) -> int:
    """The number of the camera that a photo is of."""
    with Image.open(io.BytesIO(jpeg)) as photo:
        return marker_of(av.VideoFrame.from_ndarray(np.asarray(photo.convert("RGB")), "rgb24"))
