"""docs/camera-controls.md names each control, and its picture is what the simulated sensor shows."""

from __future__ import annotations

import numpy as np
from PIL import Image

from robot_node.settings.camera_controls import CameraControls
from scripts import camera_controls

GUIDE = camera_controls.PICTURE.parents[1] / "camera-controls.md"


def test_the_picture_is_what_the_simulated_sensor_shows() -> None:
    drawn = np.asarray(camera_controls.picture(), np.int16)
    with Image.open(camera_controls.PICTURE) as stored:
        shown = np.asarray(stored.convert("RGB"), np.int16)
    assert shown.shape == drawn.shape
    assert np.abs(shown - drawn).mean() < 2, "it is stale: run 'make reference'"  # fonts and scaling differ a little


def test_the_guide_names_each_control() -> None:
    text = GUIDE.read_text()
    assert [name for name in CameraControls.model_fields if f"`{name}`" not in text] == []
