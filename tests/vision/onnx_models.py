"""Small ONNX models, written byte by byte: what they say depends on the picture's colours (onnx.proto, IR 8)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

SIDE = 64
"""Width and height of the models' picture."""
_FLOAT, _INT64 = 1, 7


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _value(name: str, shape: Iterable[int]) -> bytes:
    dimensions = b"".join(_field(1, _field(1, side)) for side in shape)
    tensor = _field(1, _FLOAT) + _field(2, dimensions)
    return _field(1, name) + _field(2, _field(1, tensor))


def _floats(name: str, shape: Sequence[int], values: Sequence[float]) -> bytes:
    data = struct.pack(f"<{len(values)}f", *values)
    return b"".join(_field(1, side) for side in shape) + _field(2, _FLOAT) + _field(8, name) + _field(9, data)


def _integers(name: str, values: Sequence[int]) -> bytes:
    data = struct.pack(f"<{len(values)}q", *values)
    return _field(1, len(values)) + _field(2, _INT64) + _field(8, name) + _field(9, data)


def _node(kind: str, inputs: Sequence[str], output: str, *attributes: bytes) -> bytes:
    names = b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, kind)
    return names + b"".join(_field(5, attribute) for attribute in attributes)


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _field(1, name) + _field(3, value) + _field(20, 2)
    return _field(1, name) + b"".join(_field(8, each) for each in value) + _field(20, 7)


def _model(nodes: Sequence[bytes], constants: Sequence[bytes], output: Sequence[int], names: str = "") -> bytes:
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, "test")
    graph += b"".join(_field(5, constant) for constant in constants)
    graph += _field(11, _value("images", (1, 3, SIDE, SIDE))) + _field(12, _value("output", output))
    model = _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))
    return model + (_field(14, _field(1, "names") + _field(2, names)) if names else b"")


def classifier() -> bytes:
    """1 x 3: how red, green and blue the picture is."""
    nodes = (_node("GlobalAveragePool", ["images"], "means"), _node("Flatten", ["means"], "output"))
    return _model(nodes, (), (1, 3), "{0: 'red', 1: 'green', 2: 'blue'}")


def yolo() -> bytes:
    """1 x 7 x 5: for each quarter of the picture, and for the last one twice, how red, green and blue it is."""
    half = SIDE // 2
    pool = (_attribute("kernel_shape", (half, half)), _attribute("strides", (half, half)))
    centres = [(half * (column + 0.5), half * (row + 0.5)) for row in (0, 1) for column in (0, 1)]
    boxes = [(x, y, half, half) for x, y in [*centres, (centres[-1][0] - 2, centres[-1][1])]]
    constants = (
        _floats("boxes", (1, 4, 5), [box[key] for key in range(4) for box in boxes]),
        _integers("shape", (1, 3, 4)),
        _integers("places", (0, 1, 2, 3, 3)),
    )
    nodes = (
        _node("AveragePool", ["images"], "means", *pool),
        _node("Reshape", ["means", "shape"], "quarters"),
        _node("Gather", ["quarters", "places"], "scores", _attribute("axis", 2)),
        _node("Concat", ["boxes", "scores"], "output", _attribute("axis", 1)),
    )
    return _model(nodes, constants, (1, 7, 5), "{0: 'red', 1: 'green', 2: 'blue'}")


def with_nms() -> bytes:
    """1 x 1 x 6: the left half, with the picture's red as its score."""
    constants = (
        _floats("box", (1, 1, 4), (0, 0, SIDE / 2, SIDE)),
        _floats("class", (1, 1, 1), (0,)),
        _integers("starts", (0,)),
        _integers("ends", (1,)),
        _integers("axes", (1,)),
        _integers("shape", (1, 1, 1)),
    )
    nodes = (
        _node("GlobalAveragePool", ["images"], "means"),
        _node("Slice", ["means", "starts", "ends", "axes"], "red"),
        _node("Reshape", ["red", "shape"], "score"),
        _node("Concat", ["box", "score", "class"], "output", _attribute("axis", 2)),
    )
    return _model(nodes, constants, (1, 1, 6))


def odd() -> bytes:
    """A picture in, a picture out: nothing that is an object."""
    return _model((_node("Identity", ["images"], "output"),), (), (1, 3, SIDE, SIDE))
