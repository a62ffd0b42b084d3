"""The detector for models of the user, with onnxruntime itself and models of a few bytes."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robot_node.core.media import RawFrame
from robot_node.devices.platform import Platform
from robot_node.errors import DeviceError, SettingsError
from robot_node.settings.vision import DetectionSettings
from robot_node.vision.detector import Detection, View
from robot_node.vision.onnx import make_onnx_detector
from tests.vision import onnx_models

PLATFORM = Platform(name="none", camera_library=lambda: None, i2c=lambda _bus, _address: None)  # type: ignore[arg-type, return-value]  # it needs none

RED, GREEN, BLUE, BLACK = (81, 90, 240), (145, 54, 34), (41, 240, 110), (16, 128, 128)
"""Y, U and V, in limited range."""


def view(*quarters: tuple[int, int, int], width: int = 320, height: int = 180) -> View:
    """A picture of one colour, or of four: left and right above, left and right below."""
    colours = quarters if len(quarters) == 4 else quarters * 4
    planes = []
    for plane in range(3):
        rows, columns = (height, width) if plane == 0 else (height // 2, width // 2)
        picture = np.zeros((rows, columns), np.uint8)
        for index, colour in enumerate(colours):
            top, left = index // 2 * rows // 2, index % 2 * columns // 2
            picture[top : top + rows // 2, left : left + columns // 2] = colour[plane]
        planes.append(picture.tobytes())
    return View(RawFrame(b"".join(planes), width, height, width, 0))


def found(model: bytes, folder: Path, seen: View, **settings: Any) -> list[Detection]:
    path = folder / "model.onnx"
    path.write_bytes(model)
    detector = make_onnx_detector(DetectionSettings(engine="onnx", model=path, **settings), PLATFORM)
    try:
        return list(detector.detect(seen))
    finally:
        detector.close()


def test_a_classifier_names_what_the_whole_picture_shows(tmp_path: Path) -> None:
    for colour, label in ((RED, "red"), (GREEN, "green"), (BLUE, "blue")):
        # Grey above and below: the picture is fitted into a square.
        (detection,) = found(onnx_models.classifier(), tmp_path, view(colour), min_score=0.6)
        assert detection.label == label
        assert detection.box == (0, 0, 1, 1)


def test_boxes_are_shares_of_the_picture_whatever_the_size_of_the_model(tmp_path: Path) -> None:
    square = view(RED, BLACK, BLACK, BLUE, width=180, height=180)
    detections = {each.label: each for each in found(onnx_models.yolo(), tmp_path, square)}
    assert detections["red"].box == pytest.approx((0.0, 0.0, 0.5, 0.5), abs=0.02)
    assert detections["blue"].box == pytest.approx((0.5, 0.5, 1.0, 1.0), abs=0.04)
    assert detections["red"].score > 0.9
    wide = view(RED, BLACK, BLACK, BLACK)
    (red,) = found(onnx_models.yolo(), tmp_path, wide, min_score=0.5)
    assert red.box == pytest.approx((0.0, 0.0, 0.5, 0.5), abs=0.02), "the upper left quarter, cut to the picture"


def test_of_two_boxes_of_one_object_the_best_is_kept(tmp_path: Path) -> None:
    blue = found(onnx_models.yolo(), tmp_path, view(BLACK, BLACK, BLACK, BLUE, width=180, height=180))
    assert [each.label for each in blue] == ["blue"]


def test_a_model_with_nms_inside_gives_its_objects_as_they_are(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("rose\n")
    seen = view(RED, width=180, height=180)
    (rose,) = found(onnx_models.with_nms(), tmp_path, seen, label_file=labels)
    assert rose.label == "rose"
    assert rose.box == pytest.approx((0.0, 0.0, 0.5, 1.0))
    (unnamed,) = found(onnx_models.with_nms(), tmp_path, seen)
    assert unnamed.label == "class 0"
    assert found(onnx_models.with_nms(), tmp_path, view(BLACK, width=180, height=180)) == []


def test_an_output_that_is_not_understood_is_an_error_with_its_shape(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"shape \(1, 3, 64, 64\)"):
        found(onnx_models.odd(), tmp_path, view(RED))


def test_a_model_with_another_checksum_is_refused(tmp_path: Path) -> None:
    model = onnx_models.classifier()
    digest = hashlib.sha256(model).hexdigest()
    assert found(model, tmp_path, view(RED), model_checksum=digest.upper())
    with pytest.raises(SettingsError, match="model_checksum"):
        found(model + b"\n", tmp_path, view(RED), model_checksum=digest)


def test_what_is_no_model_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"model\.onnx cannot be used"):
        found(b"no model", tmp_path, view(RED))
    with pytest.raises(SettingsError, match=r"missing\.onnx cannot be read"):
        make_onnx_detector(DetectionSettings(engine="onnx", model=tmp_path / "missing.onnx"), PLATFORM)
    with pytest.raises(SettingsError, match=r"detection\.model is not set"):
        make_onnx_detector(DetectionSettings(engine="onnx"), PLATFORM)


def test_without_onnxruntime_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DeviceError) as raised:
        found(onnx_models.classifier(), tmp_path, view(RED))
    assert "install onnxruntime" in raised.value.remedy
