"""A real model of sherpa-onnx, by the recipe of docs/hearing.md: speech becomes text."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks._recorded_speech import recorded_commands
from benchmarks._words import WordErrors
from robot_node.errors import SettingsError
from robot_node.settings.loading import load_settings
from robot_node.speech.recognition_engine import RecognitionOptions, UtteranceRecognizer, make_recognizer
from robot_node.speech.recognition_messages import EngineMessage, TurnEnd, TurnEnded, Utterance
from robot_node.speech.turn_options import TurnOptions
from robot_node.speech.turn_pipeline import TurnPipeline
from robot_node.speech.words import words_of
from tests.speech.hearing_robot import hearing_robot
from tests.speech.sherpa_model import MOONSHINE
from tests.speech.sounds import in_noise, pieces, recorded, silence, spoken
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
TURNS = TurnOptions(voice_activity="silero", stop_phrases=("be quiet",))

pytestmark = pytest.mark.slow  # a model of 44 MB, from "make moonshine"


def recipe(folder: Path) -> str:
    """The commands of the guide without those that install packages, for a folder in the place of /opt/models."""
    found = re.search(r"<!-- tested: moonshine -->\n```sh\n(.*?)```", (ROOT / "docs/hearing.md").read_text(), re.DOTALL)
    assert found is not None
    lines = found[1].splitlines()
    installs = [line for line in lines if "/pip install " in line]
    requirement = (ROOT / "requirements-moonshine.txt").read_text().splitlines()[-1]
    assert f"--no-deps --target /tmp/moonshine {requirement} " in installs[-1]  # what make does
    commands = "\n".join(line.removeprefix("sudo ") for line in lines if line not in installs)
    for shown, here in (
        ("/opt/robot-node/.venv/bin", Path(sys.executable).parent),
        ("/opt/models", folder),
        ("/tmp/moonshine", MOONSHINE),  # noqa: S108  # it is only named
    ):
        assert shown in commands
        commands = commands.replace(shown, str(here))
    return commands


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings that the recipe ends with, and a microphone."""
    assert (MOONSHINE / ".ready").exists(), "install the model for the tests: make moonshine"
    folder = tmp_path_factory.mktemp("moonshine")
    done = subprocess.run(
        ["bash", "-euc", recipe(folder / "models")], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK") == 3  # each file is the one that the guide names
    lines = done.stdout.partition("[hearing]")
    (folder / "robot.toml").write_text(f'{lines[1]}{lines[2]}[audio]\nmicrophone = "default"\n')
    return folder / "robot.toml"


@pytest.fixture(scope="module")
def model(settings: Path) -> str:
    hearing = load_settings(settings).hearing
    assert hearing.engine == "sherpa-onnx"
    return str(hearing.model)


def recognizer(model: str, *phrases: str) -> UtteranceRecognizer:
    made = make_recognizer("sherpa-onnx", RecognitionOptions(phrases=phrases, model=model))
    assert isinstance(made, UtteranceRecognizer)
    return made


def hears(pipeline: TurnPipeline, sound: bytes) -> list[EngineMessage]:
    return [message for piece in pieces(sound) for message in pipeline.hear(piece)]


def texts(messages: Iterable[EngineMessage]) -> list[str]:
    return [message.text for message in messages if isinstance(message, Utterance)]


def test_recorded_speech_becomes_text_in_quiet_and_in_noise(model: str) -> None:
    pipeline = TurnPipeline(recognizer(model), TURNS)
    quiet, noisy = WordErrors(), WordErrors()
    for text, sound in recorded().items():
        quiet.add(text, " ".join(texts(hears(pipeline, sound))))
        noisy.add(text, " ".join(texts(hears(pipeline, in_noise(silence(1) + sound, 20)))))
    assert (quiet.words, noisy.words) == (16, 16)
    assert quiet.errors <= 3  # PocketSphinx: 6
    assert noisy.errors <= 6


def test_words_are_not_repeated_without_end(model: str) -> None:
    made = recognizer(model)
    made.begin_utterance()
    made.add(next(each for each in recorded_commands() if each.text == "front center").samples)  # no silence around it
    heard = made.end_utterance()
    assert heard is not None
    assert words_of(heard.text) == ("front", "center")


def test_with_phrases_it_is_the_phrase_and_nothing_else(model: str) -> None:
    pipeline = TurnPipeline(recognizer(model, "take a photo", "Front left!"), TURNS)
    assert texts(hears(pipeline, spoken("take a photo") + silence(1))) == ["take a photo"]
    assert texts(hears(pipeline, recorded()["front left"] + silence(1))) == ["Front left!"]
    assert texts(hears(pipeline, spoken("turn on the light") + silence(1))) == []


def test_a_stop_phrase_is_noticed(model: str) -> None:
    messages = hears(TurnPipeline(recognizer(model), TURNS), spoken("be quiet") + silence(1))
    assert texts(messages) == ["Be quiet."]
    assert TurnEnded(TurnEnd.STOPPED) in messages


async def test_a_robot_that_was_woken_understands_a_sentence_that_nobody_configured(model: str) -> None:
    turns = dataclasses.replace(TURNS, wake_word="micro-wakeword", wake_words=("okay_nabu",), follow_up_s=0.0)
    async with hearing_robot("sherpa-onnx", turns=turns, phrases=(), model=model) as robot:
        await eventually(robot.hears_microphone)
        robot.pi.microphone.hear(spoken("okay nabu", voice="en-gb", rate=150))
        await eventually(robot.listens_to_somebody)
        robot.pi.microphone.hear(spoken("turn on the light in the kitchen please") + silence(1))
        await eventually(lambda: robot.heard)
        assert words_of(robot.heard[0]) == words_of("turn on the light in the kitchen please")


def test_a_model_that_was_changed_is_refused(model: str, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "changed")
    with (tmp_path / "changed/encoder_model.ort").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"changed")
    with pytest.raises(SettingsError, match="SHA-256"):
        recognizer(str(tmp_path / "changed"))
