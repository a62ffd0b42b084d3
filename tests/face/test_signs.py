"""Small signs: whether the robot is connected, sees, is watched, hears or has a problem."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from robot_node.face.animator import Animator
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.renderer import SIZES, TEXT_ROWS, Size
from robot_node.face.signs import COLUMN, Link, Signs, draw_signs, next_change

EVERY = [
    Signs(link, camera=camera, watched=watched, microphone=microphone, listening=listening)
    for link in Link
    for camera, watched, microphone, listening in product((False, True), repeat=4)
]


def column(signs: Signs, size: Size = (128, 64), time: float = 0.5) -> Image.Image:
    picture = Image.new("1", size)
    draw_signs(picture, signs, time)
    return picture


def corner(picture: Image.Image) -> bytes:
    return picture.crop((0, 0, COLUMN, COLUMN)).tobytes()


def bottom(picture: Image.Image) -> bytes:
    return picture.crop((0, picture.height - TEXT_ROWS, *picture.size)).tobytes()


def test_nothing_to_tell_shows_nothing() -> None:
    assert column(Signs()).getbbox() is None


@pytest.mark.parametrize("size", SIZES)
def test_each_state_looks_different(size: Size) -> None:
    for one, other in combinations(EVERY, 2):
        # Whoever listens has the microphone on.
        if (
            one.listening
            and other.listening
            and (one.link, one.camera, one.watched)
            == (
                other.link,
                other.camera,
                other.watched,
            )
        ):
            continue
        assert column(one, size).tobytes() != column(other, size).tobytes(), (one, other)


@pytest.mark.parametrize("size", SIZES)
def test_signs_keep_to_their_column_and_out_of_the_text(size: Size) -> None:
    for signs in [*EVERY, Signs(camera=True, watched=True, listening=True, error="no camera")]:
        box = column(signs, size).getbbox() or (0, 0, 0, 0)
        assert box[2] < COLUMN
        assert box[3] <= size[1] - TEXT_ROWS + 1  # text has its own ink one row lower


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("emotion", Emotion)
def test_signs_and_the_face_leave_each_other_alone(emotion: Emotion, size: Size) -> None:
    signs = Signs(Link.OFFLINE, camera=True, microphone=True)
    plain, signed = (Animator(size, expression=EXPRESSIONS[emotion]) for _ in range(2))
    signed.sign(signs, 0.0)
    right = (COLUMN, 0, *size)
    assert signed.picture(7.0).crop(right).tobytes() == plain.picture(7.0).crop(right).tobytes()
    left = (0, 0, COLUMN, size[1])
    assert signed.picture(7.0).crop(left).tobytes() == column(signs, size).crop(left).tobytes()


@pytest.mark.parametrize("signs", [Signs(Link.CONNECTING), Signs(listening=True)], ids=["connecting", "listening"])
def test_what_is_going_on_moves(signs: Signs) -> None:
    pictures = [column(signs, time=step * 0.1).tobytes() for step in range(30)]
    assert len(set(pictures)) >= 3
    for step in range(29):
        if next_change(signs, step * 0.1) > (step + 1) * 0.1:
            assert pictures[step] == pictures[step + 1]


@pytest.mark.parametrize("signs", [Signs(camera=True), Signs(camera=True, watched=True), Signs(microphone=True)])
def test_recording_is_seen_in_turns_with_the_camera_and_its_viewers(signs: Signs) -> None:
    recording = replace(signs, recording=True)
    pictures = [column(recording, time=step * 0.2).tobytes() for step in range(16)]
    assert len(set(pictures)) == 2
    assert column(signs).tobytes() in pictures
    assert next_change(recording, 5.0) <= 5.4


def test_what_is_so_does_not_move() -> None:
    signs = Signs(Link.OFFLINE, camera=True, watched=True, microphone=True)
    assert next_change(signs, 5.0) == math.inf


def test_an_error_tells_its_reason_and_then_leaves_the_display_to_the_face() -> None:
    animator, plain = Animator(), Animator()
    animator.sign(Signs(error="The camera's cable is loose or it is not enabled"), 10.0)
    lines = animator.scene.error.lines
    assert len(lines) > 1
    assert [animator.scene.text(10.0 + 3 * number) for number in range(len(lines))] == list(lines)
    assert animator.scene.raised(12.0) == 1
    gone = 10.0 + 3 * len(lines) + 0.3
    assert bottom(animator.picture(gone)) == bottom(plain.picture(gone))
    assert corner(animator.picture(gone)) != corner(plain.picture(gone))  # the sign stays
    assert animator.scene.text(69.9) == ""
    assert animator.scene.text(70.1) == lines[0]  # and so again each minute
    assert animator.scene.raised(71.0) == 1
    animator.sign(Signs(), 71.0)
    assert animator.picture(71.3).tobytes() == plain.picture(71.3).tobytes()


def test_what_is_said_comes_before_an_error() -> None:
    animator = Animator()
    animator.sign(Signs(error="The camera's cable is loose or it is not enabled"), 10.0)
    animator.caption("Hello", 11.0, 4.0)
    assert animator.scene.text(12.0) == "Hello"
    assert animator.scene.text(15.5) == animator.scene.error.lines[1]
    assert animator.scene.raised(15.5) == 1


def test_another_sign_does_not_make_an_old_error_new() -> None:
    animator = Animator()
    animator.sign(Signs(error="No camera"), 10.0)
    animator.sign(Signs(error="No camera", microphone=True), 30.0)
    assert animator.scene.text(31.0) == ""


def told(*texts: str) -> st.SearchStrategy[list[tuple[float, str]]]:
    return st.lists(st.tuples(st.floats(0, 90), st.sampled_from(texts)), max_size=4)


@given(told("", "No camera", "A long reason of several lines " * 2), told("", "Hello", "How are you, and who are you"))
@settings(max_examples=40, deadline=None)
def test_the_face_never_jumps_when_texts_come_and_go(
    errors: list[tuple[float, str]], texts: list[tuple[float, str]]
) -> None:
    animator = Animator()
    coming = sorted([(at, "error", text) for at, text in errors] + [(at, "text", text) for at, text in texts])
    raised = 0.0
    for step in range(100 * 50):
        time = step / 50
        while coming and coming[0][0] <= time:
            at, kind, text = coming.pop(0)
            if kind == "error":
                animator.sign(Signs(error=text), at)
            else:
                animator.caption(text, at)
        assert abs(animator.scene.raised(time) - raised) < 0.3, time
        raised = animator.scene.raised(time)
    animator.sign(Signs(), 100.0)
    animator.caption("", 100.0)
    assert animator.scene.raised(100.3) == 0
