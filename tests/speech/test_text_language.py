"""The language of a text, out of those that a robot speaks."""

from __future__ import annotations

import pytest

from robot_node.speech.text_language import language_of

SEVERAL = ("de", "zh", "ja", "ko", "ru", "uk", "fr", "es", "el", "hi")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Good morning! Did you sleep well?", "en"),
        ("Stra\u00dfe", "de"),  # a letter that the others have not
        ("Guten Morgen, wie geht es dir?", "de"),
        ("Ich sehe eine Katze auf dem Tisch.", "de"),
        ("Bonjour, comment allez-vous ?", "fr"),
        ("Il y a un chat sur la table.", "fr"),
        ("Hola, \u00bfc\u00f3mo est\u00e1s?", "es"),
        ("\u4f60\u597d\uff0c\u4e16\u754c\u3002", "zh"),
        ("\u6211\u770b\u5230\u4e00\u53ea cat \u5728\u684c\u5b50\u4e0a\u3002", "zh"),
        (
            "\u304a\u306f\u3088\u3046\u3054\u3056\u3044\u307e\u3059\u3002\u4eca\u65e5\u306f\u5929\u6c17\u304c\u3044\u3044\u3002",
            "ja",
        ),
        ("\uc548\ub155\ud558\uc138\uc694.", "ko"),
        ("\u042d\u0442\u043e \u0440\u043e\u0431\u043e\u0442.", "ru"),
        ("\u041f\u0440\u0438\u0432\u0456\u0442!", "uk"),
        ("\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1!", "el"),
        ("\u0928\u092e\u0938\u094d\u0924\u0947", "hi"),
        ("OK.", "en"),
        ("42", "en"),
        ("\u05e9\u05dc\u05d5\u05dd", "en"),  # of none that the robot speaks
    ],
)
def test_letters_and_words_say_the_language(text: str, language: str) -> None:
    assert language_of(text, SEVERAL, "en") == language


def test_without_other_languages_all_is_in_the_robots() -> None:
    assert language_of("\u4f60\u597d", (), "en") == "en"


def test_regions_are_kept_and_the_robots_own_language_wins_a_draw() -> None:
    assert language_of("Guten Morgen", ("de-AT", "de-DE"), "en-GB") == "de-AT"
    assert language_of("Guten Morgen", ("de-AT", "en"), "de-CH") == "de-CH"
    assert language_of("Taxi", ("en", "fr"), "de") == "de"
