"""Text below the face: Latin and Chinese, in lines that fit, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from robot_node.errors import SettingsError
from robot_node.face import text
from robot_node.face.animator import Animator
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.renderer import SIZES, TEXT_ROWS, Size
from robot_node.face.text import Caption, Font, draw_line, load_font, wrap

FONT = load_font()
LATIN_ONLY = Font(ImageFont.load_default(size=12), chinese=False)
BOTH_FONTS = pytest.mark.parametrize("font", [FONT, LATIN_ONLY], ids=["packaged", "built in"])


def test_the_packaged_font_has_chinese() -> None:
    assert FONT.chinese
    pictures = {draw_line(character, FONT, (128, TEXT_ROWS)).tobytes() for character in "你好机器人"}
    assert len(pictures) == 5


def test_words_stay_whole_where_they_fit() -> None:
    assert wrap("Hello! How are you today?", FONT, 128) == ("Hello! How are you", "today?")


def test_chinese_breaks_anywhere_but_before_a_full_stop() -> None:
    assert wrap("今天天气很好我们出去。再见", FONT, 120) == ("今天天气很好我们出", "去。再见")


def test_what_cannot_be_drawn_is_left_away() -> None:
    assert wrap("Hi 😀\u200b\n there\x00", FONT, 128) == ("Hi there",)
    assert wrap("Grüße, 你好", LATIN_ONLY, 128) == ("Grüße, ??",)
    assert wrap(" \n ", FONT, 128) == ()


@BOTH_FONTS
@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8") | st.sampled_from("ab 你好。 WM"), max_size=60))
def test_no_line_is_wider_than_the_display(font: Font, content: str) -> None:
    lines = wrap(content, font, 128)
    assert all(line and font.width(line) <= 128 for line in lines)
    assert all(draw_line(line, font, (128, TEXT_ROWS)).size == (128, TEXT_ROWS) for line in lines)


def test_nothing_that_can_be_drawn_is_lost() -> None:
    content = "Supercalifragilisticexpialidocious robots say 你好世界 very often indeed"
    assert "".join(wrap(content, FONT, 128)).replace(" ", "") == content.replace(" ", "")


def test_a_very_long_text_is_cut() -> None:
    assert sum(len(line) for line in wrap("x" * 100_000, FONT, 128)) == text.MAX_CHARACTERS


def test_lines_show_one_after_the_other_as_long_as_one_reads() -> None:
    caption = Caption.paced(("a short line", "and one that takes rather longer to read"), 5.0)
    assert caption.line(4.9) == ""
    assert caption.line(5.0) == "a short line"
    assert caption.line(caption.next_change(5.0)) == "and one that takes rather longer to read"
    assert caption.line(caption.until) == ""
    assert caption.until - caption.begins[1] > caption.begins[1] - 5.0
    assert caption.next_change(caption.until) == float("inf")


def test_lines_share_a_given_duration() -> None:
    caption = Caption.paced(("one line", "another"), 1.0, duration=10.0)
    assert caption.until == pytest.approx(11.0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("emotion", Emotion)
def test_text_shows_below_the_face_which_makes_room(emotion: Emotion, size: Size) -> None:
    written, plain = (Animator(size, expression=EXPRESSIONS[emotion]) for _ in range(2))
    until = written.caption("你好, robot", 10.0)
    row = size[1] - TEXT_ROWS
    strip = written.picture(11.0).crop((0, row, *size))
    assert strip.tobytes() == draw_line("你好, robot", FONT, (size[0], TEXT_ROWS)).tobytes()
    assert written.picture(11.0).crop((0, 0, size[0], row)).getbbox() is not None
    for time in (9.9, until + 0.3):
        assert written.picture(time).tobytes() == plain.picture(time).tobytes()


def test_an_empty_text_takes_what_shows_away() -> None:
    animator = Animator()
    animator.caption("a rather long text that shows for some time", 10.0)
    animator.caption("", 11.0)
    assert animator.picture(11.5).tobytes() == Animator().picture(11.5).tobytes()


def test_a_file_that_is_no_font_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "font.ttf"
    wrong.write_text("no font")
    with pytest.raises(SettingsError, match=r"font\.ttf"):
        load_font(wrong)


def test_without_a_packaged_font_latin_shows_and_one_notice_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(text, "_PACKAGED", (tmp_path / "none.pcf",))
    text._packaged_font.cache_clear()
    try:
        with caplog.at_level("INFO"):
            fonts = [load_font(), load_font()]
    finally:
        text._packaged_font.cache_clear()
    assert not fonts[0].chinese
    assert wrap("Hello", fonts[0], 128) == ("Hello",)
    assert [record.message for record in caplog.records if "xfonts-wqy" in record.message] != []
    assert len(caplog.records) == 1
