"""Motion in zones of the picture. Pure: pictures and times in, changes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from robot_node.core.media import RawFrame
from robot_node.settings.vision import MotionSettings
from robot_node.vision.background import Background, cells_of
from robot_node.vision.debounce import Change, Debounce
from robot_node.vision.zones import Mask, zone_masks

_HIGHEST_THRESHOLD, _PER_SENSITIVITY = 20.0, 0.16
"""Sensitivity 1 to 100: a cell must differ by 20 to 4 of 255; by 12 at 50."""

_ACTIVE_SHARE = 0.03
"""So much of what differs from the background must move now, and of the least area three times as much: what has
stopped is no motion."""


@dataclass(frozen=True, slots=True)
class Motion:
    """What a picture has changed.

    Attributes:
        changes: Zones in which motion has begun or ended.
        area: Share of the picture that moves in each zone, 0 to 1.
    """

    changes: dict[str, Change] = field(default_factory=dict)
    area: dict[str, float] = field(default_factory=dict)


class MotionDetector:
    """Looks for motion, picture by picture.

    Args:
        settings: Zones, sensitivity, least area.
    """

    def __init__(self, settings: MotionSettings) -> None:
        self._settings = settings
        self._background = Background(_HIGHEST_THRESHOLD - _PER_SENSITIVITY * settings.sensitivity)
        self._zones = {name: Debounce(settings.end_after_s) for name in settings.included}
        self._masks: dict[str, Mask] = {}
        self._shape = (0, 0)

    def settle(self) -> None:
        """Learn the still picture again: the camera was switched on, or has moved."""
        self._background.settle()

    def look(self, picture: RawFrame) -> Motion:
        """Look at a picture of the camera, as people see it: see :meth:`update`."""
        rows = np.frombuffer(picture.planes, np.uint8, picture.stride * picture.height)
        brightness = rows.reshape(picture.height, picture.stride)[:, : picture.width]
        upright = np.rot90(brightness, -(picture.rotation // 90))  # it counts anticlockwise
        return self.update(upright, picture.timestamp_us / 1e6)

    def update(self, brightness: npt.NDArray[np.uint8], now: float) -> Motion:
        """Look at a picture.

        Args:
            brightness: Of each pixel: rows by columns, about 320 columns.
            now: When it was captured: monotonic time in seconds.
        """
        cells = cells_of(brightness)
        if cells.shape != self._shape:
            self._masks, self._shape = zone_masks(self._settings.zones, *cells.shape), cells.shape
        difference = self._background.update(cells, now)
        area = {}
        for name, mask in self._masks.items():
            changed = np.count_nonzero(difference.changed & mask) / cells.size
            active = np.count_nonzero(difference.active & mask) / cells.size
            least = self._settings.min_area
            moves = changed >= least and active >= _ACTIVE_SHARE * max(changed, 3 * least)
            area[name] = changed if moves else 0.0
        return Motion(dict(self._debounced(area, now)), area)

    def _debounced(self, area: dict[str, float], now: float) -> Iterator[tuple[str, Change]]:
        for name, zone in self._zones.items():
            change = zone.update(seen=area[name] > 0, now=now)
            if change is not None:
                yield name, change
