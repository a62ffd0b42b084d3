"""What a package implements that detects objects in the camera's pictures. See docs/detection.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image

from robot_node.core.media import RawFrame
from robot_node.devices.platform import Platform
from robot_node.settings.vision import DetectionSettings
from robot_node.vision.pictures import image_of

ENTRY_POINTS = "robot_node.detectors"
"""Group of the entry points; each gives a :data:`DetectorFactory`."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, from 0 to 1 of the picture."""


@dataclass(frozen=True, slots=True)
class Detection:
    """An object in a picture.

    Attributes:
        label: What it is.
        score: How sure that is, 0 to 1.
        box: Where it is.
    """

    label: str
    score: float
    box: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class View:
    """What the camera sees at one moment.

    Attributes:
        frame: The small picture, at most 320 pixels wide, as YUV 4:2:0; as the camera delivers it, see its rotation.
    """

    frame: RawFrame

    @property
    def image(self) -> Image.Image:
        """The picture in red, green and blue, upright."""
        return image_of(self.frame)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the camera library says about the picture: a camera may detect objects itself."""
        return self.frame.metadata


class Detector(Protocol):
    """Detects objects. Its methods may block: they are called in a thread of their own, one at a time."""

    def detect(self, view: View) -> Sequence[Detection]:
        """Return the objects in a picture; those with a low score, or another label than wanted, are dropped later."""

    def close(self) -> None:
        """Release what it holds."""


DetectorFactory = Callable[[DetectionSettings, Platform], Detector]
"""Makes a detector, in its thread: it may load a model. Raises SettingsError or DeviceError when it cannot."""
