"""A text in chunks: nothing is lost, and no chunk is long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_node.speech.text_chunks import text_chunks


@pytest.mark.parametrize(
    ("text", "chunks"),
    [
        ("Hello.", ("Hello.",)),
        ("Hello there!  How are you?\nFine.", ("Hello there! ", "How are you? ", "Fine.")),
        ("It is 3.5 m high, e.g. here.", ("It is 3.5 m high, e.g. ", "here.")),
        ("\u4f60\u597d\u3002\u518d\u89c1\uff01", ("\u4f60\u597d\u3002", "\u518d\u89c1\uff01")),
        ("Wow! !! Yes.", ("Wow! !! ", "Yes.")),
        ("... Well. Yes.", ("... Well. ", "Yes.")),
        ("bell\x07 and\x00 nul", ("bell and nul",)),
        ("", ()),
        (" ?!\n", ()),
        ("\U0001f600", ()),
    ],
)
def test_a_text_is_cut_where_its_sentences_end(text: str, chunks: tuple[str, ...]) -> None:
    assert text_chunks(text) == chunks


def test_the_first_clause_of_a_long_text_is_heard_soon() -> None:
    rest = "I can take a photo of the cat now, or wait until it wakes up."
    assert text_chunks(f"If you like it, {rest} {rest}") == ("If you like it, ", f"{rest} ", rest)
    assert text_chunks(f"Yes, {rest}") == ("Yes, I can take a photo of the cat now, ", "or wait until it wakes up.")
    assert text_chunks("Yes, I can, if you like it.") == ("Yes, I can, if you like it.",)
    chinese = "\u5982\u679c\u4f60\u559c\u6b22" * 3 + "\uff0c" + "\u6211\u53ef\u4ee5" * 20 + "\u3002"
    assert text_chunks(chinese) == (chinese[:16], chinese[16:])


def test_a_long_sentence_is_cut_between_words_and_a_long_word_within() -> None:
    words = text_chunks("one two three, " * 60)
    assert len(words) > 3
    assert all(len(chunk) <= 240 and chunk.strip()[0].isalpha() for chunk in words)
    assert all(chunk.endswith((" ", "three,")) for chunk in words)
    assert [len(chunk) for chunk in text_chunks("x" * 500)] == [240, 240, 20]


@given(st.text(max_size=2000))
def test_the_chunks_are_the_text(text: str) -> None:
    chunks = text_chunks(text)
    shown = "".join(char if char.isprintable() else " " for char in text)
    if any(char.isalnum() for char in shown):
        assert "".join(chunks) == " ".join(shown.split())
        assert all(chunks)
    else:
        assert chunks == ()
