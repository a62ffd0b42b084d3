"""How wrong words are counted."""

from __future__ import annotations

import pytest

from benchmarks._words import WordErrors, word_errors, words_of


@pytest.mark.parametrize(
    ("said", "understood", "errors"),
    [
        ("turn on the light", "turn on the light", 0),
        ("turn on the light", "turn off the light", 1),
        ("turn on the light", "turn the light", 1),
        ("turn on the light", "please turn on the light", 1),
        ("turn on the light", "", 4),
        ("rear left", "we're left behind", 2),
    ],
)
def test_words_that_are_missing_added_or_others_are_errors(said: str, understood: str, errors: int) -> None:
    assert word_errors(words_of(said), words_of(understood)) == errors


def test_the_rate_is_of_the_words_that_were_said() -> None:
    errors = WordErrors()
    errors.add("Turn on the light.", "turn on the light")
    errors.add("Call-forwarding", "call for")
    assert (errors.rate, errors.exact, errors.utterances) == (1 / 6, 1, 2)
