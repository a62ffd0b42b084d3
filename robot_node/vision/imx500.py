"""Detector: Sony's IMX500 (Raspberry Pi AI Camera), which detects objects itself and sends them with each picture.

Source: picamera2, ``devices/imx500`` and the example ``imx500_object_detection_demo.py``. For networks with their
post-processing inside, such as those of ``/usr/share/imx500-models`` whose names end with ``_pp.rpk``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from robot_node.devices.platform import Platform
from robot_node.errors import DeviceError, SettingsError
from robot_node.settings.vision import DetectionSettings
from robot_node.vision.detector import Box, Detection, Detector, View
from robot_node.vision.model_files import checked_model, read_labels

DEFAULT_NETWORK = Path("/usr/share/imx500-models/imx500_network_ssd_mobilenetv2_fpnlite_320x320_pp.rpk")
"""Of the package ``imx500-all``."""


class Imx500Detector:
    """Reads what the camera has detected. Boxes are shares of what the sensor sees: zoom does not change them.

    Args:
        camera: The camera with its network, as picamera2 gives it.
        labels: Names of the classes; empty: those of the network.
    """

    def __init__(self, camera: Any, labels: list[str]) -> None:
        self._camera = camera
        intrinsics = camera.network_intrinsics
        self._labels = labels or list((intrinsics and intrinsics.labels) or ())
        if intrinsics and intrinsics.ignore_dash_labels:  # then they have no number
            self._labels = [label for label in self._labels if label not in {"", "-"}]
        self._in_pixels = bool(intrinsics and intrinsics.bbox_normalization)
        self._x_first = bool(intrinsics and intrinsics.bbox_order == "xy")

    def detect(self, view: View) -> list[Detection]:
        """Return what the camera has detected in this picture; nothing while the network is being loaded."""
        outputs = self._camera.get_outputs(dict(view.metadata), add_batch=True)
        if outputs is None:
            return []
        boxes, scores, classes = (output[0] for output in outputs[:3])
        return [
            Detection(self._label(int(number)), float(score), self._box(box))
            for box, score, number in zip(boxes, scores, classes, strict=False)
            if score > 0
        ]

    def close(self) -> None:
        """Nothing is held: the camera keeps its network."""

    def _label(self, number: int) -> str:
        return self._labels[number] if 0 <= number < len(self._labels) else f"class {number}"

    def _box(self, box: Any) -> Box:
        width, height = self._camera.get_input_size() if self._in_pixels else (1, 1)
        first, second, third, fourth = map(float, box)
        left, top, right, bottom = (first, second, third, fourth) if self._x_first else (second, first, fourth, third)
        return _within(left / width), _within(top / height), _within(right / width), _within(bottom / height)


def _within(share: float) -> float:
    return min(max(share, 0.0), 1.0)


def make_imx500_detector(settings: DetectionSettings, platform: Platform) -> Detector:
    """Load the network into the camera, before the camera is opened.

    Raises:
        SettingsError: The network's file cannot be used.
        DeviceError: There is no such camera, or it does not take the network.
    """
    network = checked_model(settings, DEFAULT_NETWORK)
    try:
        camera = platform.camera_library().imx500(str(network))
    except (DeviceError, SettingsError):
        raise
    except Exception as error:  # whatever picamera2 and its packages raise
        raise DeviceError(
            f"The IMX500 takes no network: {error}.", remedy="Install its packages: sudo apt install imx500-all"
        ) from error
    return Imx500Detector(camera, read_labels(settings))
