"""Every setting can come from the environment, which has nothing but text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from robot_node.settings.loading import load_settings
from robot_node.settings.root import Settings
from robot_node.settings.tree import keys

SCHEMA = Settings.model_json_schema()

SERVOS = {"left": {"kind": "servo", "pin": 5}, "right": {"kind": "servo", "pin": 6}}
FREE_TEXT: dict[str, Any] = {
    "http.embed_origins": ["http://192.168.1.30:8123"],
    "robot.server_name": "home/kitchen",
    "broker.url": "mqtts://pi:8884",
    "access.roles": {"kid": {"allowed_tools": ["say"]}},
    "access.clients": [{"client_id": "x", "role": "viewer"}],
    "access.default_role": "viewer",
    "access.tool_calls_per_minute": {"say": 3},
    "camera.controls": {"zoom": 2.0},
    "display.night": "22:00-07:00",
    "timelapse.between": "07:00-19:00",
    "face.expressions": {"wink": {"like": "playful"}},
    "voice.language": "de",
    "voice.voice_by_language": {"de": "thorsten"},
    "hearing.language": "de",
    "hearing.speech_threshold": 0.4,
    "hearing.wake_threshold": 0.9,
    "detection.model_checksum": "0" * 64,
    "detection.options": {"threads": 2},
    "motion.zones": {"door": {"rectangle": [0.0, 0.0, 0.5, 1.0]}},
    "console.broker_url": "wss://pi/mqtt",
    "console.token": "a-token-of-sixteen-or-more",
    "console.whep_url": "https://sfu.example.org/{server_id}/whep",
    "pins.outputs": {"lamp": {"kind": "led", "pin": 5}},
    "pins.inputs": {"button": {"kind": "button", "pin": 6}},
    "privacy.microphone": {"led_pin": 5},
    "realtime.url": "wss://example.org/v1/realtime",
    "http.token": "a-token-of-sixteen-or-more",
    "publish.url": "https://sfu.example.org/whip",
    "pins.pan": "left",
    "pins.tilt": "right",
    "reactions.rules": [{"when": {"camera": "on"}, "then": {"emotion": "happy"}}],
}
"""Values of settings of which the schema does not say what they look like."""

NEEDED: dict[str, dict[str, Any]] = {
    "broker.cert_file": {"broker.url": "mqtts://pi"},
    "broker.key_file": {"broker.url": "mqtts://pi", "broker.cert_file": "/c"},
    "broker.key_password": {"broker.url": "mqtts://pi", "broker.cert_file": "/c"},
    "hearing.engine": {"audio.microphone": "default"},
    "realtime.url": {"voice.engine": "espeak-ng"},
    "realtime.sound": {
        "audio.microphone": "default",
        "hearing.engine": "pocketsphinx",
        "hearing.voice_activity": "silero",
    },
    "console.cert_file": {"console.key_file": "/k"},
    "console.key_file": {"console.cert_file": "/c"},
    "http.cert_file": {"http.key_file": "/k"},
    "http.key_file": {"http.cert_file": "/c"},
    "pins.pan": {"pins.outputs": SERVOS, "pins.tilt": "right"},
    "pins.tilt": {"pins.outputs": SERVOS, "pins.pan": "left"},
}
"""The settings that another one needs."""

ONLY_CHOICE = {"display.width"}


def described(setting: str) -> dict[str, Any]:
    """The schema of a setting, without "or nothing"."""
    section, key = setting.split(".")
    table = SCHEMA["$defs"][SCHEMA["properties"][section]["$ref"].rpartition("/")[2]]
    schema: dict[str, Any] = table["properties"][key]
    choices: list[dict[str, Any]] = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return (choices or [schema])[0]


def another_value(setting: str, file: Path) -> Any:
    """A value that is allowed, and is not the default."""
    if setting in FREE_TEXT:
        return FREE_TEXT[setting]
    section, key = setting.split(".")
    schema, default = described(setting), getattr(getattr(Settings(), section), key)
    if choices := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return next((choice for choice in choices if choice != default), default)
    kind = schema["type"]
    if kind == "boolean":
        return not default
    if kind in {"integer", "number"}:
        above = (schema.get("minimum", 0) if default is None else default) + schema.get("multipleOf", 1)
        return above if above <= schema.get("maximum", above) else schema["minimum"]
    if kind == "array":
        return schema["items"].get("enum", ["text"])[:1]
    return str(file) if schema.get("format") == "path" else "text"


@pytest.mark.parametrize("setting", [f"{section}.{key}" for section in keys() for key in keys(section)])
def test_every_setting_can_be_set_from_the_environment(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("from a file\n")
    values = NEEDED.get(setting, {}) | {setting: another_value(setting, tmp_path / "file")}
    tables: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, key = name.split(".")
        tables.setdefault(section, {})[key] = value
    as_in_a_file = load_settings(None, tables)
    for name, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv(f"ROBOT_NODE_{name.replace('.', '__')}".upper(), text)
    section, key = setting.split(".")
    from_environment = getattr(getattr(load_settings(), section), key)
    assert from_environment == getattr(getattr(as_in_a_file, section), key)
    assert (from_environment == getattr(getattr(Settings(), section), key)) == (setting in ONLY_CHOICE)


def test_an_address_may_be_written_as_i2cdetect_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOT_NODE_DISPLAY__ADDRESS", "0x3D")
    assert load_settings().display.address == 0x3D


def test_a_part_of_a_table_overrides_that_part_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "robot.toml"
    file.write_text('[pins.outputs.lamp]\nkind = "led"\npin = 5\n[devices.thermometer]\nlimit = 3\nname = "t"\n')
    monkeypatch.setenv("ROBOT_NODE_PINS__OUTPUTS__LAMP__PIN", "6")
    monkeypatch.setenv("ROBOT_NODE_DEVICES__THERMOMETER__NAME", "u")
    settings = load_settings(file)
    assert list(settings.pins.outputs["lamp"].gpios()) == [6]
    assert settings.devices.tables == {"thermometer": {"limit": 3, "name": "u"}}
