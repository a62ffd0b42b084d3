"""What PocketSphinx makes of speech, of silence, of noise, and of settings that cannot be."""

from __future__ import annotations

import sys
from pathlib import Path

import pocketsphinx
import pytest

from robot_node.errors import DeviceError, SettingsError
from robot_node.speech.recognition_engine import RecognitionOptions, Recognizer, make_recognizer
from robot_node.speech.sphinx import SphinxRecognizer
from tests.sound import tone
from tests.speech.hearing_robot import PHRASES
from tests.speech.sounds import noise, pieces, silence, spoken


@pytest.fixture(scope="module")
def loaded() -> SphinxRecognizer:
    return SphinxRecognizer(RecognitionOptions(phrases=PHRASES))


@pytest.fixture
def recognizer(loaded: SphinxRecognizer) -> SphinxRecognizer:
    loaded.forget()
    return loaded


def listens(recognizer: Recognizer) -> bool:
    return recognizer.listening


def heard(recognizer: Recognizer, sound: bytes) -> list[str]:
    return [text for piece in pieces(sound) if (text := recognizer.hear(piece))]


@pytest.mark.parametrize("phrase", PHRASES)
def test_phrases_are_understood(recognizer: SphinxRecognizer, phrase: str) -> None:
    assert heard(recognizer, spoken(phrase)) == [phrase]
    assert not listens(recognizer)


def test_one_after_the_other_are_told_apart(recognizer: SphinxRecognizer) -> None:
    assert heard(recognizer, spoken("hello robot") + spoken("take a photo")) == ["hello robot", "take a photo"]


@pytest.mark.parametrize("other", ["My sister lives in a big house", "The weather is nice in London today"])
def test_what_is_no_phrase_is_not_heard(recognizer: SphinxRecognizer, other: str) -> None:
    assert heard(recognizer, spoken(other)) == []


@pytest.mark.slow  # loads the model of a whole language
def test_without_phrases_anything_may_be_said() -> None:
    recognizer = SphinxRecognizer(RecognitionOptions())
    assert "would like" in " ".join(heard(recognizer, spoken("I would like a cup of tea")))
    assert heard(recognizer, noise(2, 0.1) + silence(1)) == []


@pytest.mark.parametrize(
    "sound",
    [silence(5), noise(5, 0.003), noise(5, 0.15) + silence(1), tone(440, 5) + silence(1)],
    ids=["silence", "hiss", "noise", "tone"],
)
def test_what_is_no_speech_is_not_heard(recognizer: SphinxRecognizer, sound: bytes) -> None:
    assert heard(recognizer, sound) == []
    assert not listens(recognizer)


def test_noise_that_does_not_end_is_soon_not_listened_to(recognizer: SphinxRecognizer) -> None:
    assert heard(recognizer, tone(440, 2)) == []
    assert listens(recognizer)
    assert heard(recognizer, tone(440, 14)) == []
    assert not listens(recognizer)
    assert heard(recognizer, silence(1) + spoken("hello robot")) == ["hello robot"]


def test_what_is_forgotten_is_not_heard(recognizer: SphinxRecognizer) -> None:
    said = spoken("take a photo")
    assert heard(recognizer, said[: len(said) // 2]) == []
    assert listens(recognizer)
    recognizer.forget()
    assert not listens(recognizer)
    assert heard(recognizer, silence(1)) == []


def test_a_model_of_ones_own() -> None:
    model = pocketsphinx.get_model_path("en-us")
    recognizer = make_recognizer("pocketsphinx", RecognitionOptions("xx", ("Hello, robot!",), model))
    assert heard(recognizer, spoken("hello robot")) == ["hello robot"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (RecognitionOptions("fr"), "language 'fr'"),
        (RecognitionOptions(phrases=("open the blorbo",)), "does not know: blorbo"),
        (RecognitionOptions(phrases=("?!",)), "no word in the phrase"),
        (RecognitionOptions(model="/nonexistent"), r"/nonexistent holds no \*/mdef"),
    ],
)
def test_what_cannot_be_recognised_is_explained(options: RecognitionOptions, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        SphinxRecognizer(options)


def test_a_missing_package_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(DeviceError, match="pip install pocketsphinx"):
        make_recognizer("pocketsphinx", RecognitionOptions())


def test_an_unknown_engine_is_explained() -> None:
    with pytest.raises(SettingsError, match="There are: none, pocketsphinx"):
        make_recognizer("parrot", RecognitionOptions())


def test_a_package_brings_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "parrot-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: parrot\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[robot_node.recognition_engines]\nparrot = parrot:Parrot\n")
    (tmp_path / "parrot.py").write_text(
        "class Parrot:\n"
        "    def __init__(self, options):\n        self.phrases = options.phrases\n"
        "    def hear(self, samples):\n        return self.phrases[0]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert make_recognizer("parrot", RecognitionOptions(phrases=("hello robot",))).hear(silence(0.02)) == "hello robot"
    (tmp_path / "parrot.py").unlink()
    monkeypatch.delitem(sys.modules, "parrot")
    with pytest.raises(SettingsError, match="speech recognition engine 'parrot' cannot be loaded"):
        make_recognizer("parrot", RecognitionOptions())
