"""Looks for objects in the camera's pictures by a detector, and reports them to the robot's state."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from robot_node.core.engine_loading import load_engine
from robot_node.core.media import RawFrame
from robot_node.core.pip_hint import run_pip
from robot_node.core.state import RobotState
from robot_node.devices.platform import Platform
from robot_node.devices.worker import DeviceWorker, as_device_error
from robot_node.errors import DeviceError, RobotNodeError
from robot_node.settings.vision import DetectionSettings
from robot_node.vision.debounce import Debounce, Phase
from robot_node.vision.detector import ENTRY_POINTS, Detection, Detector, View
from robot_node.vision.pictures import PictureFeed
from robot_node.vision.watching import look_at_each, sees

logger = logging.getLogger(__name__)

FAULT = "detection"
"""Name of the fault."""

_MOST = 50
"""Objects of one picture that count: those with the highest scores."""
_LIMIT_S = 120.0
"""Longest time for loading a model, or for one picture."""

IMX500 = "imx500"
_BUILT_IN = {IMX500: "make_imx500_detector", "onnx": "make_onnx_detector"}
"""Engines, which are modules of this room, and their factories."""


@dataclass(frozen=True, slots=True)
class Detections:
    """What was seen in one picture.

    Attributes:
        timestamp_us: When, in microseconds of the monotonic clock.
        objects: With their scores and boxes, the highest score first.
    """

    timestamp_us: int = 0
    objects: tuple[Detection, ...] = ()


class DetectionWatch:
    """Looks for objects while the camera is on. Used from the event loop only; the detector has a thread.

    Args:
        settings: Engine, labels and so on.
        feed: Gives the pictures.
        state: Where labels are reported, and whose camera and privacy switch are obeyed.
        platform: The hardware.

    Attributes:
        latest: What was seen in the last picture; nothing while the robot does not see.
    """

    def __init__(self, settings: DetectionSettings, feed: PictureFeed, state: RobotState, platform: Platform) -> None:
        self._settings = settings
        self._feed = feed
        self._state = state
        self._platform = platform
        self._worker = DeviceWorker("detection")
        self._loading: asyncio.Task[Detector] | None = None
        self._labels: dict[str, Debounce] = {}
        self.latest = Detections()

    async def load(self) -> Detector:
        """Load the detector, or wait until it is loaded.

        Raises:
            SettingsError: There is no such engine, or a file cannot be used.
            DeviceError: A package is missing, or the hardware does not work.
        """
        if self._loading is None:
            make = functools.partial(_make, self._settings, self._platform)
            self._loading = asyncio.create_task(
                self._worker.open_within(_LIMIT_S, make, lambda late: late.close()), name="load the detector"
            )
        return await asyncio.shield(self._loading)

    async def load_before_camera(self) -> None:
        """Load a detector that must be loaded before the camera is opened; a failure is reported by :meth:`run`."""
        if self._settings.engine == IMX500:
            with contextlib.suppress(RobotNodeError):
                await self.load()

    async def run(self) -> None:
        """Watch until cancelled. What prevents it is a fault, and ends it."""
        settings = self._settings
        try:
            detector = await self.load()
            with self._feed.watch(settings.rate, keeps_on=settings.keeps_camera_on) as pictures:

                async def look(picture: RawFrame) -> None:
                    found = await self._worker.run_within(_LIMIT_S, _detect, detector, picture, settings)
                    if sees(self._state):  # still
                        self._report(Detections(picture.timestamp_us, found))

                await look_at_each(pictures, self._state, look=look, blind=self._report_none)
        except RobotNodeError as error:
            logger.error("%s", error)
            self._state.set_fault(FAULT, str(error))
        finally:
            self._report_none()

    async def close(self) -> None:
        """Release the detector."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait({self._loading})
            if not self._loading.cancelled() and self._loading.exception() is None:
                await self._worker.run_within(_LIMIT_S, self._loading.result().close)
        self._worker.close()

    def _report(self, detections: Detections) -> None:
        self.latest = detections
        now, seen = detections.timestamp_us / 1e6, {found.label for found in detections.objects}
        for label in seen - self._labels.keys():
            self._labels[label] = Debounce(self._settings.end_after_s)
        for label, debounce in self._labels.items():
            debounce.update(seen=label in seen, now=now)
        self._labels = {label: each for label, each in self._labels.items() if each.phase is not Phase.QUIET}
        present = (label for label, each in self._labels.items() if each.phase in {Phase.ACTIVE, Phase.ENDING})
        self._state.update(detected=tuple(sorted(present)))

    def _report_none(self) -> None:
        self.latest, self._labels = Detections(), {}
        self._state.update(detected=())


def _make(settings: DetectionSettings, platform: Platform) -> Detector:
    name = settings.engine
    if name in _BUILT_IN:
        try:
            factory = getattr(importlib.import_module(f"robot_node.vision.{name}"), _BUILT_IN[name])
        except ImportError as error:
            raise DeviceError(
                f"The detector {name} cannot be loaded: {error}.", remedy=f"Run: {run_pip('install numpy')}"
            ) from error
    else:
        built_in = ", ".join(_BUILT_IN)
        factory = load_engine(name, group=ENTRY_POINTS, kind="detection", built_in=built_in, setting="detection.engine")
    try:
        detector: Detector = factory(settings, platform)
    except RobotNodeError:
        raise
    except Exception as error:  # whatever another package raises
        raise as_device_error(error, f"detector {name}") from error
    return detector


def _detect(detector: Detector, picture: RawFrame, settings: DetectionSettings) -> tuple[Detection, ...]:
    try:
        found: Sequence[Detection] = detector.detect(View(picture))
    except Exception as error:  # the same
        raise as_device_error(error, f"detector {settings.engine}") from error
    wanted = [
        each
        for each in found
        if each.score >= settings.min_score and (not settings.labels or each.label in settings.labels)
    ]
    return tuple(sorted(wanted, key=lambda each: -each.score)[:_MOST])
