"""``robot-node voices``: which voices this machine has, how one sounds, and which settings choose it."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest

from robot_node.settings.loading import load_settings
from tests.command import command
from tests.speech.piper_folder import RATE, add_voice, said, stand_in
from tests.speech.sherpa_voice_model import add_tone_voice


@pytest.fixture
def settings(tmp_path: Path) -> str:
    """A settings file with a folder of two voices, whose program is a stand-in."""
    add_voice(tmp_path / "voices", "joe", "en_US")
    add_voice(tmp_path / "voices", "thorsten", "de_DE")
    add_tone_voice(tmp_path / "voices")
    file = tmp_path / "robot.toml"
    file.write_text(f'[voice]\nengine = "piper"\nprogram = "{stand_in(tmp_path)}"\nvoices = "{tmp_path / "voices"}"\n')
    return str(file)


def test_the_voices_of_both_engines_are_listed(settings: str) -> None:
    listed = command("voices", "--config", settings)
    assert listed.status == 0
    lines = [line.split() for line in listed.stdout.splitlines()]
    assert ["piper", "en-US", "joe", "joe"] in lines
    assert ["piper", "de-DE", "thorsten", "thorsten"] in lines
    assert ["espeak-ng", "de", "de", "German"] in lines
    assert ["sherpa-onnx", "en-US", "tones", "Tones"] in lines
    found = json.loads(command("voices", "--config", settings, "--json").stdout)
    assert len({voice["name"] for voice in found}) == len(found) == len(lines)


@pytest.mark.parametrize("name", ["thorsten", "tones", "de"])
def test_the_lines_for_the_settings_choose_the_voice(settings: str, tmp_path: Path, name: str) -> None:
    chosen = command("voices", name, "--config", settings)
    assert chosen.status == 0
    file = tmp_path / "chosen.toml"
    file.write_text(chosen.stdout)
    voice = load_settings(file).voice
    expected: tuple[object, ...]
    if name == "thorsten":
        expected = ("piper", "de-DE", "thorsten", tmp_path / "voices", str(tmp_path / "piper"))
    elif name == "tones":
        expected = ("sherpa-onnx", "en-US", "tones", tmp_path / "voices", None)
    else:
        expected = ("espeak-ng", "de", None, None, None)
    assert (voice.engine, voice.language, voice.voice, voice.voices, voice.program) == expected


def test_a_voice_is_tried_into_a_file(settings: str, tmp_path: Path) -> None:
    file = tmp_path / "hello.wav"
    tried = command("voices", "thorsten", "--say", "Guten Tag. Alles gut?", "--wav", str(file), "--config", settings)
    assert (tried.status, tried.stdout, tried.stderr) == (0, "", "")
    assert said(tmp_path) == ["thorsten Guten Tag.", "thorsten Alles gut?"]
    with wave.open(str(file)) as sound:
        assert sound.getframerate() == RATE
        assert sound.getnframes() / RATE == pytest.approx(0.05 * 20, abs=0.001)


def test_a_program_is_piper_before_an_engine_is_chosen(settings: str, tmp_path: Path) -> None:
    Path(settings).write_text(Path(settings).read_text().replace('engine = "piper"', 'engine = "none"'))
    for name, text in (("joe", "Hello."), ("en-gb", "Bye.")):
        tried = command("voices", name, "--say", text, "--wav", str(tmp_path / "x.wav"), "--config", settings)
        assert tried.status == 0
    assert said(tmp_path) == ["joe Hello."]


def test_a_folder_on_the_command_line_needs_no_settings(settings: str, tmp_path: Path) -> None:
    del settings  # it made the folder
    found = json.loads(command("voices", "--folder", str(tmp_path / "voices"), "--json").stdout)
    assert {"engine": "piper", "name": "joe", "language": "en-US", "title": "joe"} in found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "There is no voice 'nobody' here. robot-node voices lists them."),
        (["joe", "--say", "Hello."], "A voice is tried with NAME, --say and --wav."),
        (["joe", "--say", "...", "--wav", "x.wav"], "letters or digits"),
        (["joe", "--say", "Hello.", "--wav", "/proc/x.wav"], "/proc/x.wav cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said(settings: str, arguments: list[str], words: str) -> None:
    failed = command("voices", *arguments, "--config", settings)
    assert failed.status == 1
    assert words in " ".join(failed.stderr.split())
