"""Draws the rooms of ``robot_node`` from its imports and layers: ``python -m scripts.rooms``, docs/images/rooms.svg."""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "rooms.svg"
"""A test fails while it differs from what is drawn here."""

LEFT_OUT = frozenset({"__main__", "deprecated"})
"""Entry point and re-exports: no rooms."""

_ROW, _TOP, _NAME, _CELL, _GRID = 34, 92, 26, 26, 690
"""Height of a row, where the first one is, where names begin, the width of a column, and where the columns begin."""
_INK, _PAPER, _BOX, _DOT, _GREY = "#1a202c", "#f7fafc", "#ffffff", "#2b6cb0", "#a0aec0"


def layers() -> list[list[str]]:
    """Return the layers of pyproject.toml's import contract, top first, each as its rooms."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (contract for contract in contracts if contract.get("containers") == ["robot_node"])
    split = (layer.replace("|", ":").split(":") for layer in contract["layers"])
    rooms = [[room.strip() for room in layer if room.strip() not in LEFT_OUT] for layer in split]
    return [layer for layer in rooms if layer]


def imports() -> Mapping[str, frozenset[str]]:
    """Return which rooms each room imports."""
    graph = grimp.build_graph("robot_node", cache_dir=None)
    found = defaultdict(set)
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            importer, used = (name.split(".")[1:2] for name in (module, imported))
            if importer and used and importer != used:
                found[importer[0]].add(used[0])
    return {room: frozenset(used) for room, used in found.items()}


def purpose(room: str) -> str:
    """Return the first sentence of a room's docstring."""
    path = ROOT / "robot_node" / room
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(file.read_text())) or ""
    return docstring.splitlines()[0].partition(". ")[0].rstrip(".").replace("``", "")


def picture() -> str:
    """Return the picture as SVG: a row for each room, and in its columns a dot for each room that it imports."""
    above = layers()
    rooms = [room for layer in above for room in layer]
    width, height = _GRID + _CELL * len(rooms) + 16, _TOP + _ROW * len(rooms) + 40
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="13" role="img" aria-labelledby="title">'
    )
    legend = (
        f'<text x="{_NAME}" y="{height - 14}" fill="{_INK}" font-size="12">A dot: the room of the row imports the '
        "room of the column. Imports run downwards only, so all dots are right of the diagonal.</text>"
    )
    lines = [
        head,
        '<title id="title">The rooms of robot_node by layer, and which rooms each one imports.</title>',
        f'<rect width="{width}" height="{height}" rx="10" fill="{_PAPER}"/>',
        *_layer_boxes(above, width),
        *_grid(rooms, imports()),
        legend,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _layer_boxes(above: list[list[str]], width: int) -> Iterator[str]:
    row = 0
    for layer in above:
        y, high = _TOP + row * _ROW, len(layer) * _ROW
        yield (
            f'<rect x="12" y="{y + 2}" width="{width - 24}" height="{high - 4}" rx="6" fill="{_BOX}" stroke="{_GREY}"/>'
        )
        row += len(layer)


def _grid(rooms: list[str], used: Mapping[str, frozenset[str]]) -> Iterator[str]:
    for column, room in enumerate(rooms):
        x = _GRID + column * _CELL + _CELL // 2
        yield (
            f'<text transform="translate({x + 4} {_TOP - 8}) rotate(-60)" fill="{_INK}" font-size="12">'
            f"{escape(room)}</text>"
        )
    for row, room in enumerate(rooms):
        y = _TOP + row * _ROW + _ROW // 2
        yield f'<text x="{_NAME}" y="{y + 5}" fill="{_INK}" font-weight="bold">{escape(room)}</text>'
        yield f'<text x="{_NAME + 86}" y="{y + 4}" fill="{_INK}" font-size="11">{escape(purpose(room))}</text>'
        for column, other in enumerate(rooms):
            x = _GRID + column * _CELL + _CELL // 2
            if other == room:
                yield f'<rect x="{x - 5}" y="{y - 5}" width="10" height="10" fill="{_GREY}"/>'
            elif other in used.get(room, ()):
                yield f'<circle cx="{x}" cy="{y}" r="5.5" fill="{_DOT}"/>'


def main() -> None:
    """Draw it."""
    PICTURE.write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    main()
