"""What the guide shows works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from robot_node.core.media import SAMPLE_RATE
from robot_node.settings.devices import VoiceSettings
from robot_node.settings.loading import load_settings
from robot_node.speech.piper import PiperEngine
from robot_node.speech.speaker import QUEUE
from robot_node.speech.synthesis_engine import make_engine
from robot_node.speech.waveform import FRAME_S
from tests.sound import loudest_hz
from tests.speech.speaking_robot import speaking_robot
from tests.waiting import eventually

GUIDE = (Path(__file__).parents[2] / "docs" / "voice.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_settings_are_settings(tmp_path: Path) -> None:
    file = tmp_path / "robot.toml"
    file.write_text(block("toml"))
    settings = load_settings(file)
    assert settings.voice.engine == "espeak-ng"
    assert settings.audio.loudspeaker == "default"


def test_the_settings_for_piper_name_the_program_that_was_installed(tmp_path: Path) -> None:
    shown = re.search(r"<!-- tested: piper -->\n```toml\n(.*?)```", GUIDE, re.DOTALL)
    assert shown is not None
    file = tmp_path / "robot.toml"
    file.write_text(shown[1])
    voice = load_settings(file).voice
    assert isinstance(make_engine(voice), PiperEngine)
    assert f"sudo mkdir {voice.voices}\n" in GUIDE
    assert f"-m piper.download_voices {voice.voice}\n" in GUIDE


def test_the_numbers_are_those_of_the_program() -> None:
    assert f"at most {QUEUE} texts" in GUIDE
    table = dict(re.findall(r'^\| `(\w+)` \| "?`?"?([\w.{}-]+)"?`? \|', GUIDE, re.MULTILINE))
    defaults = VoiceSettings()
    for name in VoiceSettings.model_fields:
        assert table[name] == str(getattr(defaults, name)).lower()


async def test_the_engine_in_the_guide_is_heard() -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102  # our own documentation
    async with speaking_robot(names["Hum"](VoiceSettings(pitch=50))) as robot:
        said = await robot.speaker.say("0123456789")
        await robot.is_over(said.task_id)
        await eventually(lambda: not robot.pi.loudspeaker.open)
        assert robot.heard_s == pytest.approx(0.5, abs=FRAME_S)
        assert loudest_hz(robot.pi.loudspeaker.played) == pytest.approx(200, abs=5)
        assert len(robot.pi.loudspeaker.played) % (2 * SAMPLE_RATE // 50) == 0
