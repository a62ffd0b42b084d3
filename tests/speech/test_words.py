"""The words of a text that an engine of recognition writes."""

from __future__ import annotations

import time

import pytest

from robot_node.speech.words import without_loops, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Stop talking.", ("stop", "talking")),
        ("I\u2019m here, aren't I?", ("i'm", "here", "aren't", "i")),
        ("'Twas (noise) \u266a", ("twas", "noise")),
        ("\u4f60\u597d\uff0c\u4e16\u754c\u3002", ("\u4f60\u597d", "\u4e16\u754c")),
        (" \u266a\u266a ...", ()),
    ],
)
def test_words_have_no_case_and_no_signs(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("Front, center, center, center, center, center", "Front, center"),
        ("We're here. We're here. We're here. We're here. And now?", "We're here. And now?"),
        ("No, no, no!", "No, no, no!"),
        ("The theme then these there", "The theme then these there"),
    ],
)
def test_words_that_follow_one_another_without_end_stand_once(text: str, shorter: str) -> None:
    assert without_loops(text) == shorter


@pytest.mark.parametrize("text", ["a" * 20_000, "a b c d " * 2500, "a, " * 7000, " ".join(map(str, range(4000)))])
def test_no_text_takes_long(text: str) -> None:
    before = time.thread_time()
    without_loops(text)
    assert time.thread_time() - before < 0.5
