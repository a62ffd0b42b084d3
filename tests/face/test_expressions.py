"""The twelve emotions of the protocol, by every name they go by."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from robot_node.errors import SettingsError
from robot_node.face.expressions import ALIASES, EXPRESSIONS, Emotion, parse_emotion

OF_THE_PROTOCOL = (
    "happy sad angry surprised thinking playful relaxed serious shy tired disappointed laugh".split()  # noqa: SIM905  # as protocol.md lists them
)


@pytest.mark.parametrize("name", [*OF_THE_PROTOCOL, "neutral"])
def test_every_emotion_of_the_protocol_has_an_expression(name: str) -> None:
    assert name in EXPRESSIONS
    assert parse_emotion(name) is Emotion(name)


def test_the_spelling_of_one_document_is_accepted() -> None:
    assert parse_emotion("laug") is Emotion.LAUGH


# What xiaozhi calls its faces; those that are called as ours are left out.
@pytest.mark.parametrize(
    "name",
    [
        *("laughing", "funny", "crying", "loving", "embarrassed", "shocked", "winking", "confident"),
        *("delicious", "sleepy", "silly", "confused", "cool", "kissy"),
    ],
)
def test_the_vocabulary_of_another_robot_is_understood(name: str) -> None:
    assert parse_emotion(name) in EXPRESSIONS


@given(st.sampled_from([*Emotion, *ALIASES]), st.sampled_from([str.lower, str.upper, str.title, "  {}\n".format]))
def test_case_and_blanks_do_not_matter(name: str, written: Callable[[str], str]) -> None:
    assert parse_emotion(written(str(name))) is parse_emotion(name)


@given(st.text(max_size=200))
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    assume(name.strip().lower() not in {*Emotion, *ALIASES})
    with pytest.raises(SettingsError) as refused:
        parse_emotion(name)
    assert all(emotion in refused.value.remedy for emotion in Emotion)
    assert len(str(refused.value)) < 400  # whatever an agent sends
