"""A text in pieces: nothing is lost, and no piece is long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_node.speech.text_chunks import pieces_of


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello.", ("Hello.",)),
        ("Hello there!  How are you?\nFine.", ("Hello there! ", "How are you? ", "Fine.")),
        ("It is 3.5 m high, e.g. here.", ("It is 3.5 m high, e.g. ", "here.")),
        ("\u4f60\u597d\u3002\u518d\u89c1\uff01", ("\u4f60\u597d\u3002", "\u518d\u89c1\uff01")),
        ("Wow! !! Yes.", ("Wow! !! ", "Yes.")),
        ("bell\x07 and\x00 nul", ("bell and nul",)),
        ("", ()),
        (" ?!\n", ()),
        ("\U0001f600", ()),
    ],
)
def test_a_text_is_cut_where_its_sentences_end(text: str, pieces: tuple[str, ...]) -> None:
    assert pieces_of(text) == pieces


def test_a_long_sentence_is_cut_between_words_and_a_long_word_within() -> None:
    words = pieces_of("one two three, " * 60)
    assert len(words) > 3
    assert all(len(piece) <= 240 and piece.strip()[0].isalpha() for piece in words)
    assert all(piece.endswith((" ", "three,")) for piece in words)
    assert [len(piece) for piece in pieces_of("x" * 500)] == [240, 240, 20]


@given(st.text(max_size=2000))
def test_the_pieces_are_the_text(text: str) -> None:
    pieces = pieces_of(text)
    shown = "".join(char if char.isprintable() else " " for char in text)
    if any(char.isalnum() for char in shown):
        assert "".join(pieces) == " ".join(shown.split())
        assert all(pieces)
    else:
        assert pieces == ()
