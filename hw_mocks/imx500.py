"""Simulated IMX500: a camera that detects objects itself. Names and signatures are those of picamera2's class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw_mocks.sensor import SimulatedSensor

LABELS = ("person", "-", "cat")
"""With ``ignore_dash_labels`` a cat is number 1."""
_SIDE = 320
_PLACES = 10
"""Objects that the network always sends; those that are none have the score 0."""

Tensor = npt.NDArray[np.float32]


@dataclass(frozen=True)
class NetworkIntrinsics:
    """What the network says about itself."""

    task: str = "object detection"
    labels: tuple[str, ...] = LABELS
    bbox_normalization: bool = True
    bbox_order: str = "xy"
    ignore_dash_labels: bool = True


def output_tensors(sensor: SimulatedSensor) -> dict[str, Any]:
    """Return what the camera adds to a picture's metadata; nothing without a network."""
    if not sensor.network:
        return {}
    boxes = np.zeros((_PLACES, 4), np.float32)
    scores, classes = np.zeros(_PLACES, np.float32), np.zeros(_PLACES, np.float32)
    for index, (*box, score, number) in enumerate(sensor.sees[:_PLACES]):
        boxes[index], scores[index], classes[index] = np.array(box) * _SIDE, score, number
    tensors = (boxes, scores, classes, np.array([len(sensor.sees)], np.float32))
    return {
        "CnnOutputTensor": [float(value) for tensor in tensors for value in tensor.ravel(order="F")],
        "CnnOutputTensorInfo": [tensor.shape for tensor in tensors],
    }


class SimulatedImx500:
    """The camera with its network.

    Raises:
        RuntimeError: The camera is not connected.
    """

    def __init__(self, sensor: SimulatedSensor, network_file: str) -> None:
        if sensor.absent:
            raise RuntimeError("IMX500: Requested camera dev-node not found")
        sensor.network = network_file
        self.network_intrinsics = NetworkIntrinsics()

    def get_input_size(self) -> tuple[int, int]:
        """Return width and height of the network's picture."""
        return _SIDE, _SIDE

    def get_outputs(self, metadata: dict[str, Any], add_batch: bool = False) -> list[Tensor] | None:  # noqa: FBT002
        """Return the output tensors of a picture; None when there are none."""
        values = metadata.get("CnnOutputTensor")
        if not values:
            return None
        outputs, offset = [], 0
        for shape in metadata["CnnOutputTensorInfo"]:
            size = int(np.prod(shape))
            tensor = np.array(values[offset : offset + size], np.float32).reshape(shape, order="F")
            outputs.append(tensor[np.newaxis] if add_batch else tensor)
            offset += size
        return outputs
