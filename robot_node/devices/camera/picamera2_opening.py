"""Opening a camera by picamera2: nothing stays open when that fails; and the modes of its sensor."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

logger = logging.getLogger(__name__)


def construct(picamera2_class: Any, number: int) -> Any:
    """Open a camera.

    Args:
        picamera2_class: picamera2's class.
        number: The camera's.

    Raises:
        Exception: whatever the class raises.
    """
    picam2 = picamera2_class.__new__(picamera2_class)
    try:
        picam2.__init__(number)
    except Exception:
        # picamera2 leaves its pipe open when it cannot open the camera, and the camera when something fails after that:
        # descriptors would run out, attempt by attempt, or nobody could open it again.
        with contextlib.suppress(Exception):  # it is not complete
            picam2.close()
        with contextlib.suppress(AttributeError, OSError):
            if not picam2.notifymeread.closed:
                picam2.notifymeread.close()
                os.close(picam2.notifyme_w)
        raise
    return picam2


def modes_of(picam2: Any) -> Sequence[Mapping[str, Any]]:
    """Return the modes of an open camera's sensor; none, with a warning, when they cannot be read."""
    try:
        return tuple(picam2.sensor_modes)
    except Exception as error:  # noqa: BLE001  # whatever it is, libcamera can choose the mode itself
        logger.warning("The modes of the camera's sensor cannot be read; its picture may be cropped: %s", error)
        return ()
