"""Films of an expression, and pictures for a terminal."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.gallery import animation_frames, gif
from robot_node.face.renderer import render
from robot_node.face.terminal import braille


@pytest.mark.parametrize("emotion", [Emotion.LAUGH, Emotion.TIRED])
def test_a_film_shows_the_expression_and_ends_where_it_began(emotion: Emotion) -> None:
    film = animation_frames(EXPRESSIONS[emotion], seconds=6)
    assert sum(milliseconds for _, milliseconds in film) == 6000
    assert len(film) > 20
    neutral = EXPRESSIONS[Emotion.NEUTRAL]
    filmed_neutral = animation_frames(neutral, seconds=6)
    assert film[0][0].tobytes() == filmed_neutral[0][0].tobytes()
    assert film[-1][0].tobytes() == filmed_neutral[-1][0].tobytes()


def test_a_gif_has_every_picture_for_its_time() -> None:
    film = animation_frames(EXPRESSIONS[Emotion.SAD], seconds=3)
    moving = Image.open(io.BytesIO(gif(EXPRESSIONS[Emotion.SAD], seconds=3, zoom=2)))
    assert moving.size == (256, 128)
    assert moving.info["loop"] == 0
    shown = 0
    for number in range(getattr(moving, "n_frames", 1)):
        moving.seek(number)
        shown += int(moving.info["duration"])
    assert shown == sum(milliseconds for _, milliseconds in film)
    bright = moving.convert("L").resize((128, 64), Image.Resampling.NEAREST)
    assert bright.point([0] * 128 + [255] * 128, mode="1").tobytes() == film[-1][0].tobytes()


def test_a_terminal_shows_every_pixel_in_braille() -> None:
    picture = render(EXPRESSIONS[Emotion.SHY])
    lines = braille(picture).split("\n")
    assert [len(line) for line in lines] == [64] * 16
    dots = sum((ord(letter) - 0x2800).bit_count() for line in lines for letter in line)
    assert dots == picture.histogram()[-1]


def test_braille_patterns_have_their_dots_where_unicode_says() -> None:
    picture = Image.new("1", (2, 4))
    for x, y in ((0, 0), (1, 1), (0, 3)):
        picture.putpixel((x, y), 1)
    assert braille(picture) == "⡑"  # dots 1, 5 and 7
