"""Draws the pictures of docs/wiring.md: ``python -m scripts.wiring``.

Wires are named by pins of the header; which GPIO each is comes from gpiozero's table of the boards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from gpiozero.pins.mock import MockFactory

FOLDER = Path(__file__).parents[1] / "docs" / "images" / "wiring"
"""Where the pictures are kept; a test fails while they differ from what is drawn here."""

HEADER = {number: pin.name for number, pin in MockFactory(revision="d04170").board_info.headers["J8"].pins.items()}
"""What each pin of the header is called; the same on every Raspberry Pi with 40 pins."""

_WHAT_FOR = {
    "GPIO2": "I2C SDA", "GPIO3": "I2C SCL",
    "GPIO10": "SPI MOSI", "GPIO9": "SPI MISO", "GPIO11": "SPI SCLK", "GPIO8": "SPI CE0", "GPIO7": "SPI CE1",
    "GPIO18": "I2S clock", "GPIO19": "I2S L/R", "GPIO20": "I2S in", "GPIO21": "I2S out",
    "GPIO14": "UART", "GPIO15": "UART", "GPIO0": "HAT", "GPIO1": "HAT",
}  # fmt: skip
_INK, _PAPER, _BOARD = "#1a202c", "#f7fafc", "#2f6f4f"
_KINDS = {"3V3": "#dd6b20", "5V": "#c53030", "GND": "#4a5568", "plus": "#c53030", "minus": "#4a5568"}
_SIGNALS = ("#2b6cb0", "#6b46c1", "#b7791f", "#2c7a7b", "#b83280")

_ROW, _LEFT, _TOP, _RADIUS = 30, 190, 66, 11
"""Distance of the header's rows, where its left column and first row are, and the size of a pin."""
_PART, _LOWER, _CHANNEL = 600, 8, 22
"""Where parts begin, how far their terminals are below the pins, so that no wire runs along another, and how far wires
that run down next to each other are apart."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is wired.

    Attributes:
        name: Of the part.
        terminals: Its connections, from top to bottom.
    """

    name: str
    terminals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wire:
    """From a pin of the header, or a terminal, to a terminal.

    Attributes:
        start: Number of a pin, or "part.terminal".
        end: "part.terminal".
        resistor: What is in it, such as "330 ohms"; empty for nothing.
    """

    start: int | str
    end: str
    resistor: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One picture.

    Attributes:
        title: What it shows, for those who cannot see it.
        parts: From top to bottom.
        wires: Between the header and the parts.
    """

    title: str
    parts: tuple[Part, ...] = ()
    wires: tuple[Wire, ...] = ()


DRAWINGS = {
    "header": Drawing("The 40 pins of the header: number, name, and what else the robot may use them for"),
    "display-i2c": Drawing(
        "A display on I2C",
        (Part("display", ("VCC", "GND", "SCL", "SDA")),),
        (Wire(1, "display.VCC"), Wire(9, "display.GND"), Wire(5, "display.SCL"), Wire(3, "display.SDA")),
    ),
    "display-spi": Drawing(
        "A display on SPI",
        (Part("display", ("GND", "VCC", "CLK (D0)", "MOSI (D1)", "RES", "DC", "CS")),),
        (
            Wire(9, "display.GND"), Wire(1, "display.VCC"), Wire(23, "display.CLK (D0)"),
            Wire(19, "display.MOSI (D1)"), Wire(22, "display.RES"), Wire(18, "display.DC"),
            Wire(24, "display.CS"),
        ),
    ),
    "privacy": Drawing(
        "The camera's light and the privacy switch",
        (Part("LED", ("long leg", "short leg")), Part("switch", ("one side", "other side"))),
        (
            Wire(11, "LED.long leg", resistor="330 ohms"), Wire(9, "LED.short leg"),
            Wire(13, "switch.one side"), Wire(14, "switch.other side"),
        ),
    ),
    "button": Drawing(
        "A push button and a motion sensor",
        (Part("button", ("one side", "other side")), Part("motion sensor", ("VCC", "OUT", "GND"))),
        (
            Wire(15, "button.one side"), Wire(14, "button.other side"),
            Wire(2, "motion sensor.VCC"), Wire(16, "motion sensor.OUT"), Wire(6, "motion sensor.GND"),
        ),
    ),
    "servo": Drawing(
        "A servo with a supply of its own",
        (Part("servo", ("signal", "plus", "minus")), Part("supply, 5 V", ("plus", "minus"))),
        (
            Wire(12, "servo.signal"), Wire("supply, 5 V.plus", "servo.plus"),
            Wire("supply, 5 V.minus", "servo.minus"), Wire(14, "supply, 5 V.minus"),
        ),
    ),
    "sound-i2s": Drawing(
        "A loudspeaker's amplifier and a microphone on I2S",
        (
            Part("MAX98357A", ("VIN", "GND", "BCLK", "LRC", "DIN")),
            Part("INMP441", ("VDD", "GND", "L/R", "SCK", "WS", "SD")),
        ),
        (
            Wire(4, "MAX98357A.VIN"), Wire(6, "MAX98357A.GND"), Wire(12, "MAX98357A.BCLK"),
            Wire(35, "MAX98357A.LRC"), Wire(40, "MAX98357A.DIN"),
            Wire(17, "INMP441.VDD"), Wire(20, "INMP441.GND"), Wire("INMP441.GND", "INMP441.L/R"),
            Wire("MAX98357A.BCLK", "INMP441.SCK"), Wire("MAX98357A.LRC", "INMP441.WS"), Wire(38, "INMP441.SD"),
        ),
    ),
}  # fmt: skip
"""The pictures, by the name of their files."""


def draw(drawing: Drawing) -> str:
    """A picture as SVG, with a background of its own: it reads well on light and on dark pages."""
    pins = {wire.start for wire in drawing.wires if isinstance(wire.start, int)}
    rows = (max(pins) + 1) // 2 if pins else len(HEADER) // 2
    places = dict(_places(drawing.parts))
    bottom = max([_TOP + _ROW * rows, *(y for _, y in places.values())]) + 30
    width = _PART + 180 if drawing.parts else 2 * _LEFT + _ROW
    body = [*_header(rows, pins), *_parts(drawing.parts), *_wires(drawing, places)]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom}" width="{width}" height="{bottom}"',
        'font-family="Helvetica, Arial, sans-serif" font-size="14" role="img" aria-labelledby="title">',
        f'<title id="title">{escape(drawing.title)}</title>',
        f'<rect width="{width}" height="{bottom}" rx="10" fill="{_PAPER}"/>',
        *body,
        "</svg>",
        "",
    ])  # fmt: skip


def _pin(number: int) -> tuple[int, int]:
    row, column = divmod(number - 1, 2)
    return _LEFT + column * _ROW, _TOP + row * _ROW


def _header(rows: int, used: set[int]) -> Iterator[str]:
    middle, height = _LEFT + _ROW / 2, rows * _ROW
    yield (
        f'<rect x="{_LEFT - 18}" y="{_TOP - 18}" width="{_ROW + 36}" height="{height + 6}" rx="4" fill="{_BOARD}"/>'
        f'<text x="{middle}" y="{_TOP - 30}" text-anchor="middle" fill="{_INK}" font-weight="bold">Pi header</text>'
    )
    if 2 * rows < len(HEADER):
        yield f'<text x="{middle}" y="{_TOP + height + 4}" text-anchor="middle" fill="{_INK}">. . .</text>'
    for number in range(1, 2 * rows + 1):
        x, y = _pin(number)
        name = HEADER[number]
        shown = not used or number in used
        fill = _KINDS.get(name, "#fff") if shown else "#a0aec0"
        ink = _INK if shown and name not in _KINDS else "#fff"
        yield (
            f'<circle cx="{x}" cy="{y}" r="{_RADIUS}" fill="{fill}" stroke="{_INK}"/>'
            f'<text x="{x}" y="{y + 4}" text-anchor="middle" font-size="11" fill="{ink}">{number}</text>'
        )
        if shown:
            label = _readable(name) if used else ", ".join(filter(None, (_WHAT_FOR.get(name), _readable(name))))
            side, anchor = (x - 26, "end") if number % 2 else (x + 26, "start")
            above = 4 if used and number % 2 == 0 else -5  # a wire leaves there
            yield (
                f'<text x="{side}" y="{y - above}" text-anchor="{anchor}" font-size="13" fill="{_INK}">'
                f"{escape(label)}</text>"
            )


def _readable(name: str) -> str:
    return {"3V3": "3.3 V", "5V": "5 V", "GND": "ground"}.get(name, name.replace("GPIO", "GPIO "))


def _places(parts: tuple[Part, ...]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Where each terminal is."""
    y = _TOP + _LOWER
    for part in parts:
        for terminal in part.terminals:
            yield f"{part.name}.{terminal}", (_PART, y)
            y += _ROW
        y += 2 * _ROW


def _parts(parts: tuple[Part, ...]) -> Iterator[str]:
    places = dict(_places(parts))
    for part in parts:
        top = places[f"{part.name}.{part.terminals[0]}"][1]
        height = len(part.terminals) * _ROW
        yield (
            f'<text x="{_PART + 80}" y="{top - 26}" text-anchor="middle" fill="{_INK}" font-weight="bold">'
            f"{escape(part.name)}</text>"
            f'<rect x="{_PART}" y="{top - 16}" width="160" height="{height + 2}" rx="6" fill="#fff" stroke="{_INK}"/>'
        )
        for terminal in part.terminals:
            y = places[f"{part.name}.{terminal}"][1]
            yield f'<text x="{_PART + 16}" y="{y + 5}" fill="{_INK}">{escape(terminal)}</text>'


def _wires(drawing: Drawing, places: dict[str, tuple[int, int]]) -> Iterator[str]:
    colours = dict(_colours(drawing.wires))
    for channel, wire in enumerate(drawing.wires):
        bend = _PART - 50 - channel * _CHANNEL
        end_x, end_y = places[wire.end]
        yield (
            f'<path d="{_way_out(wire.start, places)}H{bend}V{end_y}H{end_x}" fill="none" stroke="{colours[wire.end]}" '
            f'stroke-width="3" stroke-linejoin="round"/>'
        )
        for x, y in (places[at] for at in (wire.start, wire.end) if isinstance(at, str)):
            yield f'<circle cx="{x}" cy="{y}" r="5" fill="{colours[wire.end]}"/>'
        if wire.resistor:
            yield (
                f'<rect x="{end_x - 42}" y="{end_y - 7}" width="28" height="14" fill="#fff" stroke="{_INK}"/>'
                f'<text x="{end_x - 8}" y="{end_y - 13}" text-anchor="end" font-size="12" fill="{_INK}">'
                f"{escape(wire.resistor)}</text>"
            )


def _way_out(start: int | str, places: dict[str, tuple[int, int]]) -> str:
    """The beginning of a wire; from a pin of the left column it passes between two pins of the right one."""
    if isinstance(start, str):
        return "M{} {}".format(*places[start])
    x, y = _pin(start)
    return f"M{x + 8} {y + 8}l7 7" if start % 2 else f"M{x + _RADIUS} {y}"


def _colours(wires: tuple[Wire, ...]) -> Iterator[tuple[str, str]]:
    """The colour of the wire at each terminal: that of its voltage, else one that no other signal has."""
    known: dict[str, str] = {}
    signals = iter(_SIGNALS)
    for wire in wires:
        kind = HEADER[wire.start] if isinstance(wire.start, int) else wire.start.rpartition(".")[2]
        colour = known.get(str(wire.start)) or _KINDS.get(kind) or next(signals)
        known[wire.end] = colour
        yield wire.end, colour


def main() -> None:
    """Draw all pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name, drawing in DRAWINGS.items():
        FOLDER.joinpath(f"{name}.svg").write_text(draw(drawing), encoding="utf-8")


if __name__ == "__main__":
    main()
