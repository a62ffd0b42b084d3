"""Speech by the real espeak-ng, and what becomes of a text when it is missing, hangs, or is stopped."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from robot_node.errors import DeviceError, SettingsError
from robot_node.settings.devices import VoiceSettings
from robot_node.speech.espeak import EspeakEngine
from robot_node.speech.synthesis_engine import make_engine
from robot_node.speech.waveform import FRAME_S, SpeechEncoder, Waveform
from tests.sound import loudest_hz, tone
from tests.speech.hearing_robot import children
from tests.waiting import eventually

SENTENCE = "The quick brown fox jumps over the lazy dog."


def loudness(speech: Waveform) -> float:
    return float(np.sqrt(np.mean(np.square(np.frombuffer(speech.samples, np.int16).astype(float)))))


async def test_a_sentence_is_as_long_as_a_person_takes_and_is_loud() -> None:
    speech = await EspeakEngine().synthesize(SENTENCE, "en")
    assert 1.5 < speech.seconds < 5
    assert loudness(speech) > 500


async def test_rate_and_pitch_are_heard() -> None:
    usual = await EspeakEngine().synthesize(SENTENCE, "en")
    fast = await EspeakEngine(rate=350).synthesize(SENTENCE, "en")
    high = await EspeakEngine(pitch=99).synthesize(SENTENCE, "en")
    assert fast.seconds < 0.7 * usual.seconds
    assert high.samples != usual.samples


async def test_languages_differ_and_a_region_that_is_not_known_is_left_away() -> None:
    engine = EspeakEngine()
    english, german = [await engine.synthesize("Restaurant", language) for language in ("en", "de")]
    assert english.samples != german.samples
    assert (await engine.synthesize("Restaurant", "de-AT")).samples == german.samples
    assert (await engine.synthesize("\u4f60\u597d", "zh")).seconds > 0.3


async def test_a_voice_that_the_settings_name_for_a_language_comes_first() -> None:
    engine = EspeakEngine(by_language={"de": "de+f3", "fr": "/etc/passwd", "es": "nobody"})
    named = await engine.synthesize("Restaurant", "de-AT")
    assert named.samples != (await EspeakEngine().synthesize("Restaurant", "de")).samples
    for language in ("fr", "es"):
        with pytest.raises(SettingsError, match=r"voice\.voice_by_language"):
            await engine.check(language)


async def test_chinese_is_not_spelled_in_english() -> None:
    """Two syllables take less time than the names of their letters and tones: "en eye five, aitch aye oh three"."""
    assert (await EspeakEngine().synthesize("\u4f60\u597d", "zh")).seconds < 1.0


@pytest.mark.parametrize("language", ["xx", "", "../../etc/passwd", "-h", "en;reboot"])
async def test_a_language_without_a_voice_is_refused(language: str) -> None:
    with pytest.raises(SettingsError, match="has no voice for the language"):
        await EspeakEngine().check(language)


@pytest.mark.parametrize("text", ["-v de", "--version", "<b>bold</b> & co", "$(reboot)", "$HOME %s"])
async def test_no_text_is_an_option_or_a_command(text: str) -> None:
    assert (await EspeakEngine().synthesize(text, "en")).seconds > 0.3


async def test_a_missing_program_is_an_error_with_the_command_that_installs_it() -> None:
    with pytest.raises(DeviceError, match="sudo apt install espeak-ng"):
        await EspeakEngine(program="espeak-ng-that-is-not-there").check("en")


async def test_a_program_that_fails_is_an_error_with_its_words(tmp_path: Path) -> None:
    program = script(tmp_path, 'case "$(cat)" in "") exit 0;; esac; echo "Out of voices." >&2; exit 3')
    with pytest.raises(DeviceError, match="Out of voices"):
        await EspeakEngine(program=program).synthesize("Hello", "en")
    program = script(tmp_path, "cat; echo no sound at all, but many words")
    with pytest.raises(DeviceError, match="no WAV file"):
        await EspeakEngine(program=program).synthesize("Hello", "en")


def script(folder: Path, body: str) -> str:
    file = folder / "speaks"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return str(file)


def is_gone(pid: int) -> bool:
    """No such process, not even one that nobody waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


async def written(file: Path) -> int:
    await eventually(lambda: read(file).endswith("\n"))
    return int(read(file))


async def test_a_stop_leaves_no_process_behind(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    program = script(tmp_path, f'[ -z "$(cat)" ] && exit 0; echo $$ > {pid_file}; exec sleep 600')
    speaking = asyncio.create_task(EspeakEngine(program=program).synthesize("Hello", "en"))
    pid = await written(pid_file)
    assert not is_gone(pid)
    speaking.cancel()
    await asyncio.wait({speaking})
    assert speaking.cancelled()
    assert is_gone(pid)


async def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    before, program = children(), script(tmp_path, "exec sleep 600")
    with pytest.raises(DeviceError, match=r"gave no speech within 0\.2 s"):
        await EspeakEngine(program=program, timeout_s=0.2).check("en")
    assert children() == before


async def test_what_never_ends_is_cut(tmp_path: Path) -> None:
    program = script(tmp_path, '[ -z "$(cat)" ] && exit 0; espeak-ng --stdout "Hello"; exec cat /dev/zero')
    speech = await EspeakEngine(program=program, longest_s=2).synthesize("Hello", "en")
    assert 2 <= speech.seconds < 6


def test_the_frames_are_the_speech_for_each_who_takes_it() -> None:
    samples = tone(440, 1.0)
    frames = SpeechEncoder().frames(Waveform(samples, 48_000))
    assert len(frames) == round(1 / FRAME_S)
    assert b"".join(frame.samples for frame in frames) == samples
    assert all(20 < len(frame.packet) < 200 for frame in frames)
    assert all(frame.level == pytest.approx(1.0, abs=0.01) for frame in frames)


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_another_rate_changes_neither_pitch_nor_length(rate: int) -> None:
    times = np.arange(rate) / rate
    samples = (8000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)
    frames = SpeechEncoder().frames(Waveform(samples.tobytes(), rate))
    assert len(frames) * FRAME_S == pytest.approx(1.0, abs=FRAME_S)
    assert loudest_hz(b"".join(frame.samples for frame in frames)) == pytest.approx(440, abs=3)


def test_the_engine_is_chosen_by_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_engine(VoiceSettings()) is None
    assert isinstance(make_engine(VoiceSettings(engine="espeak-ng")), EspeakEngine)
    with pytest.raises(SettingsError, match="There are: none, espeak-ng"):
        make_engine(VoiceSettings(engine="festival"))
    package = tmp_path / "hummer-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: hummer\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[robot_node.speech_engines]\nhum = hummer:Hum\n")
    (tmp_path / "hummer.py").write_text(
        "class Hum:\n    def __init__(self, settings):\n        self.rate = settings.rate\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    engine = make_engine(VoiceSettings(engine="hum", rate=200))
    assert type(engine).__name__ == "Hum"
    (tmp_path / "hummer.py").unlink()
    monkeypatch.delitem(sys.modules, "hummer")
    with pytest.raises(SettingsError, match="cannot be loaded"):
        make_engine(VoiceSettings(engine="hum"))
