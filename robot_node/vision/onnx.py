"""Detector: a model of the user's in the ONNX format, run by onnxruntime. Nothing is downloaded.

The model takes one picture as float32, 1 x 3 x height x width, red, green and blue from 0 to 1. Its first output says
what it is by its shape:

* 1 x n x 6: objects as left, top, right, bottom (pixels), score, class, such as YOLO models have with NMS inside.
* 1 x (4 + classes) x n: objects as centre x, centre y, width, height (pixels), and a score for each class, as YOLO
  models from version 8 on have.
* 1 x classes: scores of the whole picture, as classifiers have.
"""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from robot_node.core.pip_hint import run_pip
from robot_node.devices.platform import Platform
from robot_node.errors import DeviceError, SettingsError
from robot_node.settings.vision import DetectionSettings
from robot_node.vision.detector import Detection, Detector, View
from robot_node.vision.model_files import checked_model, read_labels

_GREY = (114, 114, 114)
"""Of the border that keeps the aspect: YOLO models are trained with it."""
_SAME_OBJECT = 0.5
"""Overlap (intersection over union) from which two boxes of a class are of one object."""
_DEFAULT_SIDE = 640
"""Of a model that takes any size."""
_CANDIDATES = 300

Array = npt.NDArray[np.float32]


class OnnxDetector:
    """Runs a model on the picture.

    Args:
        session: The loaded model, an ``onnxruntime.InferenceSession``.
        settings: Least score.
        labels: Names of the classes; empty: those in the model's metadata.
    """

    def __init__(self, session: Any, settings: DetectionSettings, labels: list[str]) -> None:
        self._session = session
        self._min_score = settings.min_score
        (entry, *_) = session.get_inputs()
        height, width = (side if isinstance(side, int) else _DEFAULT_SIDE for side in entry.shape[2:4])
        self._name, self._width, self._height = entry.name, width, height
        self._labels = dict(enumerate(labels)) or _names_in(session)

    def detect(self, view: View) -> list[Detection]:
        """Return the objects in the picture.

        Raises:
            DeviceError: The model's output has none of the shapes that are understood.
        """
        image = view.image
        pixels, scale, left, top = self._fitted(image)
        (output, *_) = self._session.run(None, {self._name: pixels})
        if output.ndim == 2:
            return [self._found(number, score) for number, score in enumerate(output[0]) if score >= self._min_score]
        if output.ndim != 3 or (output.shape[2] != 6 and output.shape[1] < 5):
            raise DeviceError(
                f"The model's output has the shape {output.shape}, which is not understood.",
                remedy="docs/detection.md lists the shapes.",
            )
        rows = output[0] if output.shape[2] == 6 else _rows_of_yolo(output[0], self._min_score)
        width, height = image.size
        border = np.array([left, top, left, top], np.float32)
        size = np.array([width, height, width, height], np.float32) * scale
        found = []
        for row in rows[rows[:, 4] >= self._min_score]:
            box = np.clip((row[:4] - border) / size, 0.0, 1.0)
            found.append(self._found(int(row[5]), row[4], tuple(map(float, box))))
        return found

    def close(self) -> None:
        """Release the model."""
        self._session = None

    def _fitted(self, image: Image.Image) -> tuple[Array, float, int, int]:
        """Return the model's input, the picture's scale in it, and where its left upper corner is."""
        scale = min(self._width / image.width, self._height / image.height)
        width, height = round(image.width * scale), round(image.height * scale)
        left, top = (self._width - width) // 2, (self._height - height) // 2
        canvas = Image.new("RGB", (self._width, self._height), _GREY)
        canvas.paste(image.resize((width, height), Image.Resampling.BILINEAR), (left, top))
        pixels = np.asarray(canvas, np.float32).transpose(2, 0, 1)[np.newaxis] / np.float32(255)
        return np.ascontiguousarray(pixels), scale, left, top

    def _found(self, number: int, score: float, box: Any = (0.0, 0.0, 1.0, 1.0)) -> Detection:
        return Detection(self._labels.get(number, f"class {number}"), float(score), box)


def _rows_of_yolo(output: Array, min_score: float) -> Array:
    """Return objects as left, top, right, bottom, score, class: of overlapping ones of a class only the best."""
    scores = output[4:].max(axis=0)
    order = np.argsort(-scores)[:_CANDIDATES]
    order = order[scores[order] >= min_score]
    x, y, width, height = output[:4, order]
    boxes = np.stack((x - width / 2, y - height / 2, x + width / 2, y + height / 2), axis=1)
    classes = output[4:, order].argmax(axis=0)
    kept: list[int] = []
    for index in range(len(order)):
        same = [other for other in kept if classes[other] == classes[index]]
        if all(_overlap(boxes[index], boxes[other]) < _SAME_OBJECT for other in same):
            kept.append(index)
    rows: Array = np.column_stack((boxes[kept], scores[order][kept], classes[kept])).astype(np.float32)
    return rows


def _overlap(one: Array, other: Array) -> float:
    """Return intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return float(width * height / (areas - width * height))


def _names_in(session: Any) -> dict[int, str]:
    """Return the names of the classes in the model's metadata, as Ultralytics writes them: {0: 'person', ...}."""
    try:
        names = ast.literal_eval(session.get_modelmeta().custom_metadata_map["names"])
        return {int(number): str(name) for number, name in names.items()}
    except (KeyError, ValueError, SyntaxError, AttributeError, TypeError):
        return {}


def make_onnx_detector(settings: DetectionSettings, platform: Platform) -> Detector:
    """Load the model.

    Raises:
        SettingsError: Its file cannot be used.
        DeviceError: onnxruntime is missing.
    """
    del platform
    path = checked_model(settings)
    try:
        import onnxruntime
    except ImportError as error:
        raise DeviceError(
            f"ONNX models cannot be run: {error}.", remedy=f"Run: {run_pip('install onnxruntime')}"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the other cores are for video and control
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return OnnxDetector(session, settings, read_labels(settings))
    except SettingsError:
        raise
    except Exception as error:  # whatever onnxruntime raises, which has no common base
        raise SettingsError(f"detection.model: {path} cannot be used: {error}.") from error
