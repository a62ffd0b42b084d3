"""Speaking: the mouth follows what is heard, and the expression comes back."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from robot_node.face.animator import Animator
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.scene import Scene
from robot_node.face.speech import Speech

WORDS = [(10 + step / 30, (0.1, 0.9, 1.0, 0.4, 0.0, 0.7)[step % 6]) for step in range(60)]


def lit(picture: Image.Image) -> int:
    return picture.histogram()[-1]


@pytest.mark.parametrize("emotion", Emotion)
def test_the_mouth_moves_with_the_level_on_top_of_the_expression(emotion: Emotion) -> None:
    silent, speaking = (Animator(expression=EXPRESSIONS[emotion]) for _ in range(2))
    speaking.speak(WORDS)
    times = [10.2 + step / 50 for step in range(80)]
    changes = [ImageChops.logical_xor(silent.picture(time), speaking.picture(time)) for time in times]
    top, bottom = 45, 64
    assert len({change.tobytes() for change in changes}) > 6
    assert all(not lit(change.crop((0, 0, 128, 36))) for change in changes)  # the eyes go on with what they do
    assert max(lit(change.crop((0, top, 128, bottom))) for change in changes) > 20


@pytest.mark.parametrize("emotion", Emotion)
def test_the_expression_comes_back_afterwards(emotion: Emotion) -> None:
    silent, speaking = (Animator(expression=EXPRESSIONS[emotion]) for _ in range(2))
    speaking.speak(WORDS)
    for time in (9.9, WORDS[-1][0] + 0.41, 20.0):
        assert speaking.picture(time).tobytes() == silent.picture(time).tobytes()


def test_louder_is_wider_open() -> None:
    openings = []
    for level in (0.0, 0.3, 0.6, 1.0):
        scene = Scene(EXPRESSIONS[Emotion.NEUTRAL]).speaking((step / 20, level) for step in range(20))
        openings.append(scene.face(0.5).mouth.opening)
    assert openings == sorted(set(openings))


def test_a_change_of_expression_while_speaking_keeps_the_mouth_moving() -> None:
    animator = Animator()
    animator.speak(WORDS)
    animator.show(EXPRESSIONS[Emotion.SAD], 10.5)
    openings = {animator.scene.face(10.5 + step / 25).mouth.opening for step in range(25)}
    assert len(openings) >= 4


def test_levels_told_one_by_one_are_the_same_as_told_at_once() -> None:
    bit_by_bit = Speech()
    for sample in WORDS:
        bit_by_bit = bit_by_bit.with_samples([sample])
    assert bit_by_bit == Speech().with_samples(WORDS)


def test_speech_that_is_stopped_ends_there() -> None:
    animator = Animator()
    animator.speak(WORDS)
    animator.stop_speaking(10.5)
    assert animator.picture(11.0).tobytes() == Animator().picture(11.0).tobytes()
    animator.stop_speaking(1.0)
    assert animator.scene.speech == Speech()


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=40), st.floats(0, 100))
def test_whatever_is_told_the_level_stays_between_silent_and_loud(
    samples: list[tuple[float, float]], time: float
) -> None:
    speech = Speech().with_samples(samples)
    assert 0 <= speech.level(time) <= 1
    assert 0 <= speech.presence(time) <= 1


def test_the_mouth_fades_in_and_out() -> None:
    speech = Speech().with_samples(WORDS)
    series = [speech.presence(9.9 + step / 1000) for step in range(3000)]
    assert max(abs(after - before) for before, after in pairwise(series)) < 0.02
    assert series[0] == series[-1] == 0
    assert max(series) == 1
    assert speech.next_change(0) == 10
    assert speech.next_change(100) == math.inf


def test_not_everything_is_kept() -> None:
    speech = Speech().with_samples((step / 30, 0.5) for step in range(2500))
    assert len(speech.samples) == 2000
    assert speech.samples[-1][0] == 2499 / 30
