"""The sound of what is said in a turn is handed on: that of the turn, all of it, and nothing else."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import pytest

from robot_node.speech.recognition_engine import RecognitionOptions
from robot_node.speech.recognition_messages import (
    EngineMessage,
    SpokenEnd,
    SpokenSound,
    TurnEnd,
    TurnEnded,
    Utterance,
    from_line,
    to_line,
)
from robot_node.speech.sphinx import SphinxRecognizer
from robot_node.speech.turn_options import TurnOptions
from robot_node.speech.turn_pipeline import TurnPipeline
from robot_node.speech.utterance_sound import BYTES_PER_S, UtteranceSound
from tests.robot.realtime.sounds import at_24_khz, share_found
from tests.sound import tone
from tests.speech.sounds import noise, pieces, silence, spoken

QUESTION = spoken("what is the capital of France")
"""No phrase of the engine's: only who gets the sound can understand it."""


def pipeline(*, wake_word: str = "none") -> TurnPipeline:
    options = TurnOptions(
        voice_activity="silero",
        wake_word=wake_word,
        wake_words=("okay_nabu",),
        stop_phrases=("be quiet",),
        follow_up_s=0.0,
        sound=True,
    )
    return TurnPipeline(SphinxRecognizer(RecognitionOptions(phrases=("take a photo", "be quiet"))), options)


def hears(ear: TurnPipeline, sound: bytes) -> list[EngineMessage]:
    return [message for piece in pieces(sound) for message in ear.hear(piece)]


def sound_in(messages: Iterable[EngineMessage]) -> bytes:
    """What was handed on, at 24 kHz."""
    return b"".join(base64.b64decode(message.sound) for message in messages if isinstance(message, SpokenSound))


def ends(messages: Iterable[EngineMessage]) -> list[TurnEnd]:
    return [message.reason for message in messages if isinstance(message, SpokenEnd)]


def test_all_that_is_said_is_handed_on_although_the_engine_does_not_understand_it() -> None:
    messages = hears(pipeline(), QUESTION + silence(1))
    assert ends(messages) == [TurnEnd.HEARD]
    assert not any(isinstance(message, Utterance) for message in messages)
    assert TurnEnded(TurnEnd.HEARD) in messages
    sound = sound_in(messages)
    assert share_found(sound, at_24_khz(QUESTION)) == pytest.approx(1.0, abs=0.02)
    assert len(sound) < BYTES_PER_S * len(QUESTION) / 96_000, "the silence before and after is not sent"


def test_before_the_wake_word_and_of_it_nothing_is_handed_on() -> None:
    ear = pipeline(wake_word="micro-wakeword")
    assert sound_in(hears(ear, QUESTION)) == b""
    assert sound_in(hears(ear, spoken("okay nabu", voice="en-gb", rate=150))) == b""
    assert share_found(sound_in(hears(ear, QUESTION + silence(1))), at_24_khz(QUESTION)) == pytest.approx(1.0, abs=0.02)
    assert sound_in(hears(ear, QUESTION)) == b""


def test_what_is_understood_is_also_told_as_text_before_its_end() -> None:
    messages = hears(pipeline(), spoken("take a photo") + silence(1))
    text = next(place for place, message in enumerate(messages) if isinstance(message, Utterance))
    assert SpokenEnd(TurnEnd.HEARD) in messages[text:]
    assert len(sound_in(messages[text:])) <= BYTES_PER_S // 10


def test_a_stop_phrase_is_meant_for_nobody_else() -> None:
    assert ends(hears(pipeline(), spoken("be quiet") + silence(1))) == [TurnEnd.STOPPED]


def test_what_the_robot_talks_over_or_the_switch_ends_is_not_complete() -> None:
    ear = pipeline()
    begun = QUESTION[: len(pieces(QUESTION)) // 2 * 1920]
    hears(ear, begun)
    assert ends(ear.forget()) == [TurnEnd.INTERRUPTED]
    hears(ear, begun)
    assert ends(ear.switch_off()) == [TurnEnd.SWITCHED_OFF]
    assert ends(ear.switch_off()) == []


def test_noise_is_no_speech() -> None:
    assert ends(hears(pipeline(), noise(2, 0.01))) == []


def test_messages_survive_the_way_from_the_engines_process() -> None:
    for message in (SpokenSound("AAAA"), SpokenEnd(TurnEnd.STOPPED), TurnEnded(TurnEnd.SILENCE)):
        assert from_line(to_line(message)) == message


def test_pieces_are_a_tenth_of_a_second_and_the_rest_comes_at_the_end() -> None:
    sound = UtteranceSound()
    handed_on = [piece for samples in pieces(tone(1000, 0.45)) for piece in sound.add(samples)]
    assert [len(base64.b64decode(piece)) for piece in handed_on] == [BYTES_PER_S // 10] * 4
    (rest,) = sound.rest()
    assert len(base64.b64decode(rest)) == pytest.approx(BYTES_PER_S // 20, abs=100)
    assert sound.rest() == []
