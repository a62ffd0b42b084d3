"""Draws what the camera's controls do, on the simulated sensor: ``python -m scripts.camera_controls``.

It makes docs/images/camera-controls.png; a test fails while that shows something else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hw_mocks.clock_scene import ClockScene
from hw_mocks.optics import seen
from hw_mocks.sensor import SimulatedSensor
from robot_node.devices.camera.picamera2_controls import flips, to_libcamera
from robot_node.settings.camera_controls import CameraControls

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "camera-controls.png"

_WIDTH, _HEIGHT, _CAPTION, _COLUMNS = 320, 180, 24, 3
_FRAME_US = 33_333
_PANELS: tuple[tuple[str, dict[str, Any], float], ...] = (  # caption, controls, light of the scene
    ("as it is", {}, 1),
    ("zoom 2, pan -1, tilt 1", {"zoom": 2, "pan": -1, "tilt": 1}, 1),
    ("focus_dioptres 5 (subject at 1 m)", {"focus_dioptres": 5}, 1),
    ("exposure_compensation -1.5", {"exposure_compensation": -1.5}, 1),
    ("contrast 1.6, saturation 2", {"contrast": 1.6, "saturation": 2}, 1),
    ("colour_temperature 9000", {"colour_temperature": 9000}, 1),
    ("mirror", {"mirror": True}, 1),
    ("in the dark", {}, 0.008),
    ("in the dark, night", {"night": True}, 0.008),
)


def picture() -> Image.Image:
    """Return the picture."""
    sensor = SimulatedSensor()
    available, (*_, mode) = sensor.control_ranges(), sensor.modes
    scene = ClockScene(_WIDTH, _HEIGHT, utc_offset_s=43_200).picture(1.5)
    rows = -(-len(_PANELS) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _WIDTH, rows * (_HEIGHT + _CAPTION)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for number, (caption, wished, light) in enumerate(_PANELS):
        controls = CameraControls(**wished)
        planes = seen(
            scene,
            to_libcamera(controls, available, _FRAME_US),
            flips=flips(controls),
            whole=mode.crop,
            defocus=abs((controls.focus_dioptres or sensor.subject_dioptres) - sensor.subject_dioptres),
            light=light,
        )
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(planes), "yuv420p").to_ndarray(format="rgb24")
        x, y = number % _COLUMNS * _WIDTH, number // _COLUMNS * (_HEIGHT + _CAPTION)
        draw.text((x + 6, y + 3), caption, fill="black", font=font)
        sheet.paste(Image.fromarray(rgb), (x, y + _CAPTION))
    return sheet


if __name__ == "__main__":
    picture().save(PICTURE, optimize=True)
