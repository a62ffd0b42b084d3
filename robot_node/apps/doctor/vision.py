"""Checks of motion and object detection: packages and files."""

from __future__ import annotations

import asyncio

from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.findings import Finding
from robot_node.errors import SettingsError
from robot_node.vision.model_files import checked_model, read_labels

_NO_MOTION = "No motion is noticed."
_NO_OBJECTS = "No objects are detected."


async def check_vision(case: Case) -> None:
    """Check what motion and object detection need; models are read, and not loaded."""
    detection = case.settings.detection
    if case.settings.motion.enabled:
        case.report(case.package("motion", "numpy", why=_NO_MOTION))
    if detection.engine != "onnx":
        return
    finding = case.package("detection", "onnxruntime", why=_NO_OBJECTS)
    if finding.ok:
        try:
            model = await asyncio.to_thread(checked_model, detection)
            await asyncio.to_thread(read_labels, detection)
        except SettingsError as error:
            finding = Finding.bad("detection", error.message, why=_NO_OBJECTS, remedy=error.remedy)
        else:
            finding = Finding.good("detection", f"{finding.detail} The model is {model}.")
    case.report(finding)
