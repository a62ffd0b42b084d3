"""A model of the user's: checked by name, size and hash, and run by the real sherpa-onnx."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from robot_node.core.state import Device
from robot_node.errors import DeviceError, SettingsError
from robot_node.speech.recognition_engine import (
    PartialRecognizer,
    Recognised,
    RecognitionOptions,
    UtteranceRecognizer,
    make_recognizer,
)
from robot_node.speech.sherpa_kinds import KINDS
from robot_node.speech.turn_options import TurnOptions
from robot_node.webrtc.messages import AsrResponse
from tests.sound import tone
from tests.speech.hearing_robot import hearing_robot
from tests.speech.sherpa_model import model_folder
from tests.speech.sounds import pieces, silence, spoken
from tests.speech.wrong_models import changed, replaced
from tests.waiting import eventually


def recognizer(folder: Path, *phrases: str) -> UtteranceRecognizer:
    made = make_recognizer("sherpa-onnx", RecognitionOptions("en", phrases, str(folder)))
    assert isinstance(made, UtteranceRecognizer)
    return made


def understood(recognizer: UtteranceRecognizer, sound: bytes) -> Recognised | None:
    recognizer.begin_utterance()
    for piece in pieces(sound):
        recognizer.add(piece)
    return recognizer.end_utterance()


def listens(recognizer: UtteranceRecognizer) -> bool:
    return recognizer.listening


def test_it_says_what_the_model_makes_of_an_utterance(tmp_path: Path) -> None:
    made = recognizer(model_folder(tmp_path))
    heard = understood(made, silence(0.5) + tone(300, 0.5) + silence(0.5) + tone(3000, 0.5) + silence(0.5))
    assert heard is not None
    assert heard.text == "yes no"
    assert heard.language == "en-x-tones"
    assert heard.seconds == pytest.approx(2.5, abs=0.1)
    assert understood(made, silence(1)) is None


def test_an_utterance_without_a_word_is_nothing(tmp_path: Path) -> None:
    made = recognizer(model_folder(tmp_path, tokens="<blk> 0\n\u2581\u266a 1\n\u2581(no) 2\n"))
    assert understood(made, tone(300, 0.5) + silence(0.5)) is None
    assert understood(made, tone(3000, 0.5) + silence(0.5)) is not None


def test_an_utterance_without_a_sound_is_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert understood(recognizer(model_folder(tmp_path)), b"") is None
    assert capfd.readouterr().err == ""


def test_with_phrases_only_they_count(tmp_path: Path) -> None:
    made = recognizer(model_folder(tmp_path), "Yes!", "maybe")
    assert (found := understood(made, tone(300, 0.5) + silence(0.5))) is not None
    assert found.text == "Yes!"
    assert understood(made, tone(3000, 0.5) + silence(0.5)) is None


def test_it_finds_the_end_of_speech_itself_and_forgets_what_is_not_finished(tmp_path: Path) -> None:
    made = recognizer(model_folder(tmp_path))
    said = spoken("take a photo")
    assert [text for piece in pieces(said + silence(1)) if (text := made.hear(piece))]
    assert not listens(made)
    for piece in pieces(said[:96_000]):
        made.hear(piece)
    assert listens(made)
    made.forget()
    assert not listens(made)
    assert [text for piece in pieces(silence(2)) if (text := made.hear(piece))] == []


def test_a_model_that_streams_says_what_it_has_understood_so_far(tmp_path: Path) -> None:
    made = recognizer(model_folder(tmp_path, kind="streaming-nemo-ctc"))
    assert isinstance(made, PartialRecognizer)
    made.begin_utterance()
    for piece in pieces(silence(0.5) + tone(300, 0.5) + silence(0.5)):
        made.add(piece)
    assert set(made.so_far().split()) == {"yes"}
    for piece in pieces(tone(3000, 0.5)):
        made.add(piece)
    heard = made.end_utterance()
    assert heard is not None
    assert heard.text.split()[0] == "yes"
    assert heard.text.split()[-1] == "no"
    assert heard.language == "en-x-tones"
    assert heard.seconds == pytest.approx(2, abs=0.01)
    assert understood(made, b"") is None
    assert understood(made, tone(3000, 0.5)) is not None
    made.begin_utterance()
    assert made.so_far() == ""


def test_only_what_streams_has_parts_and_no_phrase_has(tmp_path: Path) -> None:
    assert not isinstance(recognizer(model_folder(tmp_path, kind="streaming-nemo-ctc"), "no"), PartialRecognizer)
    assert not isinstance(recognizer(model_folder(tmp_path)), PartialRecognizer)


async def test_what_is_understood_shows_while_somebody_speaks(tmp_path: Path) -> None:
    model = str(model_folder(tmp_path, kind="streaming-nemo-ctc"))
    turns = TurnOptions(voice_activity="silero")
    async with hearing_robot("sherpa-onnx", turns=turns, phrases=(), model=model) as robot:
        await eventually(robot.hears_microphone)
        robot.pi.microphone.hear(spoken("take a photo") + silence(1))
        await eventually(lambda: robot.heard)
        assert len(set(robot.face.grown)) > 1
        assert robot.face.grown[0].startswith("\u201c")
        assert all(line.endswith(" \u2026") for line in robot.face.grown)
        assert robot.messages == [AsrResponse(robot.heard[0], by="")]  # nobody else is given parts


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder: (folder / "model.toml").unlink(), r"model\.toml cannot be read"),
        (lambda folder: (folder / "tokens.txt").unlink(), r"tokens\.txt cannot be read"),
        (changed("tokens.txt", b"short"), r"tokens\.txt has 5 bytes, not \d+"),
        (changed("tokens.txt", b"<blk> 0\n\xe2\x96\x81yes 2\n\xe2\x96\x81no 1\n"), r"The SHA-256 of .*tokens\.txt"),
        (changed("model.toml", b"name = "), "is no TOML file"),
        (replaced("kind", "sort"), r"kind: Field required"),
        (replaced('"tokens.txt"', '"../tokens.txt"'), r"files\.tokens\.file"),
        (replaced("zipformer-ctc", "oracle"), "no kind 'oracle'"),
        (replaced("zipformer-ctc", "whisper"), "has the files model, tokens"),
    ],
)
def test_a_model_that_is_not_what_its_manifest_says_is_refused(
    tmp_path: Path, change: Callable[[Path], None], reason: str
) -> None:
    change(model_folder(tmp_path))
    with pytest.raises(SettingsError, match=reason):
        recognizer(tmp_path)


def test_without_a_model_or_the_package_it_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"hearing\.model"):
        make_recognizer("sherpa-onnx", RecognitionOptions())
    monkeypatch.setitem(sys.modules, "sherpa_onnx", None)
    with pytest.raises(DeviceError, match="pip install sherpa-onnx"):
        recognizer(model_folder(tmp_path))


def test_a_library_that_does_not_know_the_kind_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(importlib.import_module("sherpa_onnx").OfflineRecognizer, "from_zipformer_ctc")
    with pytest.raises(DeviceError, match=r"no models of the kind zipformer-ctc.*pip install --upgrade sherpa-onnx"):
        recognizer(model_folder(tmp_path))


async def test_a_model_of_another_kind_ends_the_engine_and_it_is_explained(tmp_path: Path) -> None:
    model = str(model_folder(tmp_path, kind="nemo-ctc"))
    async with hearing_robot("sherpa-onnx", phrases=(), model=model) as robot:
        await eventually(lambda: robot.state.snapshot.fault(Device.HEARING))
        fault = robot.state.snapshot.fault(Device.HEARING)
        assert "ended while it was loaded" in fault
        assert "its kind" in fault


@pytest.mark.parametrize("kind", KINDS)
def test_sherpa_onnx_takes_the_parts_of_each_kind(kind: str) -> None:
    library = importlib.import_module("sherpa_onnx")
    recognizers = library.OnlineRecognizer if KINDS[kind].streams else library.OfflineRecognizer
    taken = set(inspect.signature(getattr(recognizers, KINDS[kind].method)).parameters)
    assert KINDS[kind].parts | set(KINDS[kind].arguments) <= taken
    assert ("language" in taken) == KINDS[kind].languages
