"""What is wrong with a settings file is said once, one line each, under the key that stands in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from robot_node.errors import SettingsError
from robot_node.settings.loading import load_settings


def complaints(folder: Path, text: str) -> list[str]:
    """The lines about a file, without the file's name."""
    file = folder / "robot.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    said = str(caught.value)
    assert said.endswith("config/robot-node.toml lists every setting with its range.")
    return said.replace(f"settings file {file}: ", "").removeprefix("Wrong settings:").strip().splitlines()


LED = '[pins.outputs.lamp]\nkind = "led"\npin = 5\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[camera]\nheigth = 480\n", "camera.heigth: there is no such setting; did you mean height?"),
        ("[camera]\nzzz = 480\n", "camera.zzz: there is no such setting"),
        ("[camrea]\nheight = 480\n", "camrea: there is no such section; did you mean camera?"),
        ("[mcp]\nmax_session = 1\n", "mcp.max_session: there is no such setting; did you mean max_sessions?"),
        ('[broker]\nusrname = "x"\n', "broker.usrname: there is no such setting; did you mean username?"),
        (f"{LED}pinn = 3\n", "pins.outputs.lamp.pinn: there is no such setting; did you mean pin?"),
        (f'{LED}active_high = "maybe"\n', "pins.outputs.lamp.active_high: Input should be a valid boolean"),
        ('[pins.outputs.lamp]\nkind = "led"\n', "pins.outputs.lamp.pin: is missing"),
        ("[pins.outputs.lamp]\npin = 3\n", "pins.outputs.lamp.kind: is missing; it is one of: "),
        ('[pins.outputs.a]\nkind = "servoo"\n', "pins.outputs.a.kind: there is no such kind; did you mean servo?"),
        ('[pins.inputs.led]\nkind = "switch"\npin = 1\nled = 1\n', "pins.inputs.led.led: there is no such setting"),
        ('[pins.outputs.Lamp]\nkind = "led"\npin = 1\n', "pins.outputs.Lamp: its name: String should match"),
        (
            '[[reactions.rules]]\nwhen = { camera = "on" }\nthen = { emotoin = "sad" }\n',
            "reactions.rules.0.then.emotoin: there is no such setting; did you mean emotion?",
        ),
        (
            "[access.roles.kid]\nallowed_tool = 'all'\n",
            "access.roles.kid.allowed_tool: there is no such setting; did you mean allowed_tools?",
        ),
    ],
)
def test_a_wrong_key_is_named_as_it_stands_in_the_file(tmp_path: Path, text: str, complaint: str) -> None:
    (said,) = complaints(tmp_path, text)
    assert said.startswith(complaint)


@pytest.mark.parametrize(
    "text",
    [
        f'{LED}x = 1\n[pins]\npan = "lamp"\n',
        f'{LED}x = 1\n[[reactions.rules]]\nwhen = {{ camera = "on" }}\nthen = {{ output = "lamp", on = true }}\n',
        '[display]\nx = 1\n[[reactions.rules]]\nwhen = { camera = "on" }\nthen = { emotion = "odd" }\n',
        "[webrtc]\nenabled = false\nx = 1\n[dialer]\nenabled = true\n",
        '[access]\nroles.kid.x = 1\ndefault_role = "boss"\n',
    ],
)
def test_no_error_follows_from_another(tmp_path: Path, text: str) -> None:
    (said,) = complaints(tmp_path, text)
    assert ".x: there is no such setting" in said


def test_each_error_has_a_line(tmp_path: Path) -> None:
    lines = complaints(tmp_path, "[camera]\nwidht = 1\nframe_rate = 99\n[pins]\noutputs.lamp.kind = 'led'\n")
    assert [line.partition(": ")[0] for line in lines[:-1]] == [
        "camera.frame_rate",
        "camera.widht",
        "pins.outputs.lamp.pin",
    ]


def test_sections_that_contradict_one_another_are_all_named(tmp_path: Path) -> None:
    text = (
        '[hearing]\nengine = "pocketsphinx"\n[webrtc]\nenabled = false\n[dialer]\nenabled = true\n'
        f'{LED}[pins.outputs.other]\nkind = "led"\npin = 5\n'
    )
    lines = complaints(tmp_path, text)
    assert [line.partition(": ")[0] for line in lines[:-1]] == [
        "pins.outputs.other",
        "hearing.source",
        "dialer.enabled",
    ]


def test_mistyped_variables_are_all_named_with_what_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOT_NODE_BROKRE__URL", "x")
    monkeypatch.setenv("ROBOT_NODE_BROKER__PASWORD", "hunter2")
    monkeypatch.setenv("ROBOT_NODE_PINS__OUTPUTS", '{"lamp": {"kind": "led"}}')
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert [line.removeprefix("environment variable ROBOT_NODE_") for line in str(caught.value).splitlines()[1:-1]] == [
        "BROKER__PASWORD: broker.pasword: there is no such setting; did you mean password?",
        "PINS__OUTPUTS: pins.outputs.lamp.pin: is missing.",
        "BROKRE__URL: brokre: there is no such section; did you mean broker?",
    ]
