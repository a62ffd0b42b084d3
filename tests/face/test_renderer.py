"""What the expressions look like: told apart, inside the display, the same each time."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from robot_node.errors import SettingsError
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.gallery import gallery
from robot_node.face.renderer import SIZES, Size, extent, render

all_sizes = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
all_emotions = pytest.mark.parametrize("emotion", Emotion)


def lit(picture: Image.Image) -> int:
    return picture.histogram()[-1]


@all_sizes
def test_any_two_expressions_differ_clearly(size: Size) -> None:
    pictures = {emotion: render(EXPRESSIONS[emotion], size) for emotion in Emotion}
    for one, other in combinations(Emotion, 2):
        different = lit(ImageChops.logical_xor(pictures[one], pictures[other]))
        either = lit(ImageChops.logical_or(pictures[one], pictures[other]))
        assert different >= 0.3 * either, f"{one} looks too much like {other}"
        assert different >= 0.07 * size[0] * size[1], f"{one} looks too much like {other}"


@all_sizes
@all_emotions
def test_an_expression_stays_inside_the_display(emotion: Emotion, size: Size) -> None:
    left, top, right, bottom = extent(EXPRESSIONS[emotion], size)
    assert left >= 0
    assert top >= 0
    assert right <= size[0]
    assert bottom <= size[1]


@all_sizes
@all_emotions
def test_the_extent_is_that_of_the_picture(emotion: Emotion, size: Size) -> None:
    assert render(EXPRESSIONS[emotion], size).getbbox() == extent(EXPRESSIONS[emotion], size)


def test_the_extent_tells_of_what_the_borders_cut_off() -> None:
    face = EXPRESSIONS[Emotion.NEUTRAL]
    tall = replace(face.left, height=80)
    _, top, _, bottom = extent(replace(face, left=tall, right=tall))
    assert top < 0
    assert bottom > 64


@all_sizes
@all_emotions
def test_a_face_lights_neither_too_little_nor_too_much(emotion: Emotion, size: Size) -> None:
    share = lit(render(EXPRESSIONS[emotion], size)) / (size[0] * size[1])
    assert 0.04 < share < 0.35  # legible across a room; power and burn-in grow with what is lit


@all_emotions
def test_rendering_is_repeatable(emotion: Emotion) -> None:
    first, second = render(EXPRESSIONS[emotion]), render(EXPRESSIONS[emotion])
    assert first.mode == "1"
    assert first.size == (128, 64)
    assert first.tobytes() == second.tobytes()


def test_the_gaze_moves_the_pupils() -> None:
    face = EXPRESSIONS[Emotion.NEUTRAL]
    left, right = (render(replace(face, gaze=(x, 0.0))) for x in (-1.0, 1.0))
    assert ImageChops.logical_xor(left, right).getbbox() is not None


def test_lids_of_the_two_eyes_mirror_each_other() -> None:
    angry = replace(EXPRESSIONS[Emotion.ANGRY], marks=(), gaze=(0.0, 0.0))
    plain = replace(angry, left=replace(angry.left, pupil=0), right=replace(angry.right, pupil=0))
    picture = render(plain)
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert lit(ImageChops.logical_xor(picture, mirrored)) < 0.06 * lit(picture)  # a pixel's edge here and there


def test_a_display_without_a_layout_is_refused() -> None:
    with pytest.raises(SettingsError, match="96x16") as refused:
        render(EXPRESSIONS[Emotion.HAPPY], (96, 16))
    assert "128x64, 128x32" in refused.value.remedy


def test_the_documentation_shows_the_faces_as_they_are() -> None:
    drawn = Image.open(Path(__file__).parents[2] / "docs" / "images" / "expressions.png")
    assert_shows_every_face(drawn.convert("RGB"), (128, 64))  # else: gallery(columns=5, zoom=2).save(...)


@all_sizes
def test_the_gallery_shows_every_face(size: Size) -> None:
    assert_shows_every_face(gallery(size=size, columns=5, zoom=2), size)


def assert_shows_every_face(sheet: Image.Image, size: Size) -> None:
    zoom = 2
    frame, gap, label = 4 * zoom, 6 * zoom, 11 * zoom
    for index, emotion in enumerate(EXPRESSIONS):
        left = gap + frame + index % 5 * (size[0] * zoom + 2 * frame + gap)
        top = gap + frame + index // 5 * (size[1] * zoom + 2 * frame + label + gap)
        cut = sheet.crop((left, top, left + size[0] * zoom, top + size[1] * zoom)).convert("L")
        bright = cut.resize(size, Image.Resampling.NEAREST).point([0] * 128 + [255] * 128, mode="1")
        assert bright.tobytes() == render(EXPRESSIONS[emotion], size).tobytes()
