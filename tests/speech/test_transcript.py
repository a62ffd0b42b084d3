"""Which words of speech have been heard, whose text comes beside its sound."""

from __future__ import annotations

from robot_node.speech.transcript import LONGEST, Transcript


def test_a_sentence_is_shown_when_it_is_heard_and_grows_as_it_comes() -> None:
    transcript = Transcript()
    assert transcript.next_line(0.0) is None
    transcript.add("Good morning! How")
    assert transcript.next_line(0.0) == ("Good morning!", "Good morning! ")
    assert transcript.next_line(0.3) is None
    transcript.add(" are you?")
    assert transcript.next_line(0.9) == ("How are you?", "How are you?")
    assert transcript.next_line(1.0) is None
    assert transcript.text == "Good morning! How are you?"


def test_what_has_been_shown_stays_so_although_the_rest_comes_later() -> None:
    transcript = Transcript()
    transcript.add("One. Two.")
    assert transcript.next_line(1.0) == ("Two.", "One. Two.")
    transcript.add(" Three.")
    assert transcript.next_line(0.1) is None
    assert transcript.next_line(1.0) == ("Three.", " Three.")


def test_whole_words_have_been_said() -> None:
    transcript = Transcript()
    transcript.add("  Once upon a time")
    assert transcript.said(0.0) == ""
    assert transcript.said(0.5) == "Once"
    assert transcript.said(0.6) == "Once upon"
    assert transcript.said(1.0) == "Once upon a time"


def test_what_cannot_be_printed_is_not_shown_and_an_endless_text_is_cut() -> None:
    transcript = Transcript()
    transcript.add("\x1b[31mHello\nthere\u202e.")
    assert transcript.text == "[31mHello there ."
    transcript.add("on and " * LONGEST)
    assert len(transcript.text) <= LONGEST
