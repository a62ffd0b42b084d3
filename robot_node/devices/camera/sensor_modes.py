"""Which mode of an image sensor shows most, and which has the most pixels.

Pure: picamera2's list of modes in, a part of its configuration out.

Left alone, libcamera takes the mode whose size fits the video best, which on many sensors is one that reads the middle
of the sensor only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from robot_node.core.media import VideoMode
from robot_node.errors import ArgumentError

_FAST_ENOUGH = 0.99
"""Of the frame rate: a mode of 29.97 frames/s serves for 30."""


def widest_mode(modes: Iterable[Mapping[str, Any]], size: tuple[int, int], frame_rate: float) -> dict[str, Any]:
    """Choose the sensor mode with the largest field of view that reaches the frame rate.

    Of those that show the same, one that is as large as the video, with the most bits, and then the smallest.

    Args:
        modes: As ``Picamera2.sensor_modes`` lists them.
        size: Width and height of the video, in pixels.
        frame_rate: Frames per second.

    Returns:
        ``sensor`` for ``create_video_configuration``; empty when libcamera is to choose.
    """
    fast = [mode for mode in modes if mode.get("fps", 0.0) >= _FAST_ENOUGH * frame_rate]
    if not fast:
        return {}

    def merit(mode: Mapping[str, Any]) -> tuple[int, bool, int, int]:
        _, _, crop_width, crop_height = mode["crop_limits"]
        width, height = mode["size"]
        return crop_width * crop_height, width >= size[0] and height >= size[1], mode["bit_depth"], -width * height

    best = max(fast, key=merit)
    return {"output_size": best["size"], "bit_depth": best["bit_depth"]}


def largest_mode(modes: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Choose the sensor mode with the most pixels; of those, with the most bits.

    Args:
        modes: As ``Picamera2.sensor_modes`` lists them.

    Returns:
        ``sensor`` for ``create_still_configuration``; None when no mode is known.
    """
    sized = [mode for mode in modes if "size" in mode]
    if not sized:
        return None
    best = max(sized, key=lambda mode: (mode["size"][0] * mode["size"][1], mode["bit_depth"]))
    return {"output_size": best["size"], "bit_depth": best["bit_depth"]}


def check_mode(modes: Iterable[Mapping[str, Any]], video: VideoMode) -> None:
    """Check whether the sensor can do a video; everything passes when no mode is known.

    Args:
        modes: As ``Picamera2.sensor_modes`` lists them.
        video: The video.

    Raises:
        ArgumentError: It is larger than the sensor, or the sensor is not so fast.
    """
    sized = [mode for mode in modes if "size" in mode]
    if not sized:
        return
    large = [mode for mode in sized if mode["size"][0] >= video.width and mode["size"][1] >= video.height]
    if not large:
        width, height = max((mode["size"] for mode in sized), key=lambda size: size[0] * size[1])
        raise ArgumentError(f"The sensor has no {video.width}x{video.height} pixels: at most {width}x{height}.")
    fastest = max(mode["fps"] for mode in large)
    if fastest < _FAST_ENOUGH * video.frame_rate:
        raise ArgumentError(
            f"At {video.width}x{video.height} the sensor gives at most {fastest:g} frames/s, not {video.frame_rate}."
        )
