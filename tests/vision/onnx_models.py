"""Small ONNX models, written byte by byte: what they say depends on the picture's colours (onnx.proto, IR 8)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

SIDE = 64
"""Width and height of the models' picture."""
_FLOAT, _INT64 = 1, 7


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def value(name: str, shape: Iterable[int]) -> bytes:
    dimensions = b"".join(field(1, field(1, side)) for side in shape)
    tensor = field(1, _FLOAT) + field(2, dimensions)
    return field(1, name) + field(2, field(1, tensor))


def floats(name: str, shape: Sequence[int], values: Sequence[float]) -> bytes:
    data = struct.pack(f"<{len(values)}f", *values)
    return b"".join(field(1, side) for side in shape) + field(2, _FLOAT) + field(8, name) + field(9, data)


def integers(name: str, values: Sequence[int]) -> bytes:
    data = struct.pack(f"<{len(values)}q", *values)
    return field(1, len(values)) + field(2, _INT64) + field(8, name) + field(9, data)


def node(kind: str, inputs: Sequence[str], output: str, *attributes: bytes) -> bytes:
    names = b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind)
    return names + b"".join(field(5, attribute) for attribute in attributes)


def attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    return field(1, name) + b"".join(field(8, each) for each in value) + field(20, 7)


def _model(nodes: Sequence[bytes], constants: Sequence[bytes], output: Sequence[int], names: str = "") -> bytes:
    graph = b"".join(field(1, node) for node in nodes) + field(2, "test")
    graph += b"".join(field(5, constant) for constant in constants)
    graph += field(11, value("images", (1, 3, SIDE, SIDE))) + field(12, value("output", output))
    model = field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))
    return model + (field(14, field(1, "names") + field(2, names)) if names else b"")


def classifier() -> bytes:
    """1 x 3: how red, green and blue the picture is."""
    nodes = (node("GlobalAveragePool", ["images"], "means"), node("Flatten", ["means"], "output"))
    return _model(nodes, (), (1, 3), "{0: 'red', 1: 'green', 2: 'blue'}")


def yolo() -> bytes:
    """1 x 7 x 5: for each quarter of the picture, and for the last one twice, how red, green and blue it is."""
    half = SIDE // 2
    pool = (attribute("kernel_shape", (half, half)), attribute("strides", (half, half)))
    centres = [(half * (column + 0.5), half * (row + 0.5)) for row in (0, 1) for column in (0, 1)]
    boxes = [(x, y, half, half) for x, y in [*centres, (centres[-1][0] - 2, centres[-1][1])]]
    constants = (
        floats("boxes", (1, 4, 5), [box[key] for key in range(4) for box in boxes]),
        integers("shape", (1, 3, 4)),
        integers("places", (0, 1, 2, 3, 3)),
    )
    nodes = (
        node("AveragePool", ["images"], "means", *pool),
        node("Reshape", ["means", "shape"], "quarters"),
        node("Gather", ["quarters", "places"], "scores", attribute("axis", 2)),
        node("Concat", ["boxes", "scores"], "output", attribute("axis", 1)),
    )
    return _model(nodes, constants, (1, 7, 5), "{0: 'red', 1: 'green', 2: 'blue'}")


def with_nms() -> bytes:
    """1 x 1 x 6: the left half, with the picture's red as its score."""
    constants = (
        floats("box", (1, 1, 4), (0, 0, SIDE / 2, SIDE)),
        floats("class", (1, 1, 1), (0,)),
        integers("starts", (0,)),
        integers("ends", (1,)),
        integers("axes", (1,)),
        integers("shape", (1, 1, 1)),
    )
    nodes = (
        node("GlobalAveragePool", ["images"], "means"),
        node("Slice", ["means", "starts", "ends", "axes"], "red"),
        node("Reshape", ["red", "shape"], "score"),
        node("Concat", ["box", "score", "class"], "output", attribute("axis", 2)),
    )
    return _model(nodes, constants, (1, 1, 6))


def odd() -> bytes:
    """A picture in, a picture out: nothing that is an object."""
    return _model((node("Identity", ["images"], "output"),), (), (1, 3, SIDE, SIDE))
