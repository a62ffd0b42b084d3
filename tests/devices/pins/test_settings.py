"""What cannot be wired so is refused when the settings are read, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robot_node.errors import SettingsError
from robot_node.settings.loading import load_settings


def refused(tmp_path: Path, text: str) -> str:
    file = tmp_path / "robot.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    return str(caught.value)


SERVO = 'kind = "servo", pin = 18'
NECK_SEES = f'[pins]\noutputs.neck = {{ {SERVO} }}\n[[reactions.rules]]\nwhen = {{ camera = "on" }}\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "[privacy]\nled_pin = 17\nswitch_pin = 17\n",
            "GPIO17 is used twice: by privacy.led_pin and by privacy.switch",
        ),
        (
            '[privacy]\nled_pin = 17\n[pins.outputs.lamp]\nkind = "led"\npin = 17\n',
            "GPIO17 is used twice: by privacy.led_pin and by pins.outputs.lamp",
        ),
        ('[pins.inputs.button]\nkind = "button"\npin = 2\n', "GPIO2 is used twice: by the I2C bus of [display]"),
        (
            '[display]\ninterface = "spi"\n[pins.inputs.button]\nkind = "button"\npin = 24\n',
            "GPIO24 is used twice: by display.dc_pin and by pins.inputs.button",
        ),
        (
            '[display]\ninterface = "spi"\n[pins.inputs.button]\nkind = "button"\npin = 10\n',
            "GPIO10 is used twice: by the SPI bus",
        ),
        (
            '[display]\ninterface = "spi"\nspi_device = 0\n[pins.inputs.button]\nkind = "button"\npin = 7\n',
            "GPIO7 is used twice: by the SPI bus of [display] (dtparam=spi=on takes both chip selects)",
        ),
        ('[pins.outputs.eye]\nkind = "rgb_led"\npins = [5, 6, 5]\n', "GPIO5 is used twice"),
        ('[pins.outputs.lamp]\nkind = "led"\npin = 28\n', "less than or equal to 27"),
        ('[pins.outputs.lamp]\nkind = "laser"\npin = 5\n', "pwm_led"),
        ('[pins.outputs."Big lamp"]\nkind = "led"\npin = 5\n', "pattern"),
        (f"[pins]\noutputs.neck = {{ {SERVO}, limits = [-100, 0] }}\n", "within -90 to 90"),
        (f"[pins]\noutputs.neck = {{ {SERVO}, limits = [10, 20] }}\n", "start_angle: must be within 10 to 20"),
        (f"[pins]\noutputs.neck = {{ {SERVO}, pulses_ms = [2, 1] }}\n", "shorter pulse comes first"),
        (f'[pins]\noutputs.neck = {{ {SERVO} }}\npan = "neck"\n', "two different servos"),
        ('[pins]\npan = "neck"\ntilt = "neck"\n', "no servo 'neck'"),
        (
            '[pins]\noutputs.a = { kind = "led", pin = 5 }\ninputs.a = { kind = "button", pin = 6 }\n',
            "an input and an output have the same name: a",
        ),
        ('[pins.inputs.b]\nkind = "button"\npin = 5\nactive_high = false\n', 'is for pull = "none"'),
        (
            '[[reactions.rules]]\nwhen = { input = "nose" }\nthen = { emotion = "happy" }\n',
            "reactions.rules.0.when.input: there is no input 'nose'",
        ),
        ('[[reactions.rules]]\nwhen = { camera = "on" }\nthen = { emotion = "hungry" }\n', "no emotion 'hungry'"),
        ('[[reactions.rules]]\nwhen = { camera = "on" }\nthen = { output = "lamp", on = true }\n', "no output 'lamp'"),
        ('[[reactions.rules]]\nwhen = { }\nthen = { emotion = "happy" }\n', "exactly one of"),
        ('[[reactions.rules]]\nwhen = { camera = "on" }\nthen = { on = true }\n', "at least one of"),
        (
            f'{NECK_SEES}then = {{ output = "neck", on = true }}\n',
            "the servo 'neck' needs angle",
        ),
        (
            f'{NECK_SEES}then = {{ output = "neck", angle = 91 }}\n',
            "turns from -90 to 90",
        ),
        ("[devices]\nthermometer = 1\n", "must be a table: [devices.thermometer]"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    said = refused(tmp_path, text)
    assert reason in said
    assert "robot.toml" in said


def test_the_bus_pins_are_free_without_a_display_on_them() -> None:
    pins: dict[str, Any] = {"inputs": {"button": {"kind": "button", "pin": 2}}}
    assert load_settings(None, {"display": {"driver": "none"}, "pins": pins}).pins.inputs
