"""docs/wiring.md: its drawings, its tables and its settings agree with each other and with the header of a Pi."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from robot_node.settings.devices import DisplaySettings
from robot_node.settings.loading import load_settings
from scripts.wiring import DRAWINGS, FOLDER, HEADER, draw

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "wiring.md").read_text()
VOLTAGES = {"3.3 V": "3V3", "5 V": "5V", "ground": "GND"}
SECTIONS = {
    name: section
    for section in re.split(r"^## ", GUIDE, flags=re.MULTILINE)
    for name in re.findall(r"images/wiring/(\S+)\.svg", section)
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_drawings_are_what_is_drawn_now(name: str) -> None:
    assert FOLDER.joinpath(f"{name}.svg").read_text() == draw(DRAWINGS[name]), "run 'make reference'"
    assert name in SECTIONS


@pytest.mark.parametrize("page", ["wiring.md", "pins.md", "install-on-a-pi.md"])
def test_each_pin_that_a_page_names_is_that_gpio(page: str) -> None:
    text = (DOCS / page).read_text()
    said = [(number, name) for number, name in re.findall(r"\| (\d+) \((GPIO \d+|3\.3 V|5 V|ground)", text)]
    said += [(number, f"GPIO {gpio}") for gpio, number in re.findall(r"GPIO (\d+) \(header pin (\d+)\)", text)]
    said += [(number, "ground") for number in re.findall(r"ground \(header pin (\d+)\)", text)]
    assert said
    for number, name in said:
        assert HEADER[int(number)] == VOLTAGES.get(name, name.replace(" ", "")), number


@pytest.mark.parametrize("name", [name for name, drawing in DRAWINGS.items() if drawing.parts])
def test_a_drawing_and_its_table_say_the_same(name: str) -> None:
    pins: dict[str, int] = {}
    for wire in DRAWINGS[name].wires:  # one may go on to another part, e.g. a microphone's clock from the amplifier's
        if isinstance(wire.start, int):
            pins[wire.end] = wire.start
        elif wire.start in pins:
            pins[wire.end] = pins[wire.start]
    drawn = {(terminal.rpartition(".")[2], pin) for terminal, pin in pins.items()}
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \(", SECTIONS[name], re.MULTILINE)
    said = {(terminal, int(pin)) for terminals, pin in rows for terminal in terminals.split(", ")}
    assert said == drawn


def test_the_settings_are_valid_and_name_the_pins_that_are_drawn(tmp_path: Path) -> None:
    for recipe in re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL):
        file = tmp_path / "robot.toml"
        file.write_text(recipe)
        load_settings(file)
    wires = {wire.end: HEADER[wire.start] for wire in DRAWINGS["display-spi"].wires if isinstance(wire.start, int)}
    display = DisplaySettings()
    assert wires["display.DC"] == f"GPIO{display.dc_pin}"
    assert wires["display.RES"] == f"GPIO{display.reset_pin}"
    for name, section in SECTIONS.items():
        if name not in {"header", "display-i2c", "sound-i2s"}:
            drawn = {HEADER[wire.start] for wire in DRAWINGS[name].wires if isinstance(wire.start, int)}
            pins = re.findall(r"pin = (\d+)", section)
            assert pins
            assert {f"GPIO{pin}" for pin in pins} <= drawn
