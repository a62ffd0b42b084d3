"""A face that lives: what is seen at any time, however often one looks."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from robot_node.face.animator import Animator
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.renderer import SIZES, TEXT_ROWS, Size, extent, render
from robot_node.face.scene import Scene
from robot_node.face.shapes import Expression, Motion
from robot_node.face.signs import COLUMN, Link, Signs

all_sizes = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
all_emotions = pytest.mark.parametrize("emotion", Emotion)
times = st.floats(min_value=0, max_value=60, allow_nan=False).map(lambda time: round(time, 3))
emotions = st.sampled_from(Emotion)


def different(one: Image.Image, other: Image.Image) -> int:
    return ImageChops.logical_xor(one, other).histogram()[-1]


def alive(emotion: Emotion, size: Size = (128, 64), seed: int = 0) -> Animator:
    return Animator(size, seed=seed, expression=EXPRESSIONS[emotion])


def story(draw_from: list[tuple[float, int, Emotion]], size: Size = (128, 64)) -> Animator:
    """Tell a face some things in order of time."""
    animator = Animator(size, seed=7)
    for at, kind, emotion in sorted(draw_from):
        tell: list[Callable[[], object]] = [
            lambda: animator.show(EXPRESSIONS[emotion], at),  # noqa: B023  # called at once
            lambda: animator.caption(f"It feels {emotion}, 你好", at),  # noqa: B023
            lambda: animator.speak([(at + step / 30, step % 7 / 6) for step in range(20)]),  # noqa: B023
            lambda: animator.sign(Signs(Link.CONNECTING, camera=True, listening=True), at),  # noqa: B023
            lambda: animator.sign(Signs(error="No camera was found, or it is in use"), at),  # noqa: B023
        ]
        tell[kind]()
    return animator


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(times, st.integers(0, 4), emotions), max_size=6),
    st.lists(times, max_size=8),
    times,
)
def test_the_picture_does_not_depend_on_which_ones_were_asked_for_before(
    told: list[tuple[float, int, Emotion]], asked: list[float], time: float
) -> None:
    once, often = story(told), story(told)
    for other in asked:
        often.picture(other)
        often.next_change(other)
    assert often.picture(time).tobytes() == once.picture(time).tobytes()


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(SIZES),
    st.lists(st.tuples(emotions, st.floats(0.01, 0.8)), min_size=1, max_size=8),
    st.integers(0, 100),
)
def test_interruptions_never_leave_a_wrong_resting_face(
    size: Size, turns: list[tuple[Emotion, float]], seed: int
) -> None:
    interrupted = Animator(size, seed=seed)
    time = 10.0
    for emotion, pause in turns:
        interrupted.show(EXPRESSIONS[emotion], time)
        time += pause
    last = turns[-1][0]
    undisturbed = Animator(size, seed=seed, expression=EXPRESSIONS[last])
    time += EXPRESSIONS[last].motion.transition
    for later in (0.0, 0.1, 1.7, 30.0):
        assert interrupted.picture(time + later).tobytes() == undisturbed.picture(time + later).tobytes()


@settings(max_examples=25, deadline=None)
@given(emotions, emotions, emotions, st.floats(0.02, 0.6))
def test_an_interruption_goes_on_from_what_is_seen(
    first: Emotion, second: Emotion, third: Emotion, after: float
) -> None:
    animator = alive(first)
    animator.show(EXPRESSIONS[second], 10.0)
    seen = animator.picture(10.0 + after).copy()
    animator.show(EXPRESSIONS[third], 10.0 + after)
    assert different(seen, animator.picture(10.0 + after)) <= 4  # a rounded pixel's edge


@all_sizes
def test_a_transition_is_continuous(size: Size) -> None:
    # Any two of the expressions differ by 570 pixels and more on the larger display.
    for one, other in ((a, b) for a in Emotion for b in (Emotion.HAPPY, Emotion.SAD, Emotion.NEUTRAL) if a is not b):
        duration = EXPRESSIONS[other].motion.transition
        scene = Scene(still(one)).showing(still(other), 10.0)
        for start in (0.0, 0.4 * duration, duration - 0.006):
            pictures = [render(scene.face(10.0 + start + step / 1000), size) for step in range(8)]
            assert max(different(before, after) for before, after in pairwise(pictures)) <= size[0] * size[1] * 0.012


def still(emotion: Emotion) -> Expression:
    """An expression without marks' sway and motion: what changes is the transition."""
    expression = EXPRESSIONS[emotion]
    marks = tuple(replace(mark, sway=0) for mark in expression.marks)
    motion = Motion(transition=expression.motion.transition, glance=0, breath=0, blink=(60, 60))
    return replace(expression, marks=marks, motion=motion)


@pytest.mark.slow
@all_sizes
@all_emotions
def test_an_expression_stays_inside_at_any_moment_of_its_motion(emotion: Emotion, size: Size) -> None:
    scene = Scene(EXPRESSIONS[emotion], seed=3)
    moments = {scene.face(step / 25) for step in range(0, 25 * 30, 2)}
    loud = scene.speaking((step / 25, step % 5 / 4) for step in range(25 * 4))
    moments |= {loud.face(step / 25) for step in range(25 * 2)}
    for raised, bottom in ((0.0, size[1]), (1.0, size[1] - TEXT_ROWS)):
        boxes = [extent(face, size, raised=raised) for face in moments]
        assert min(box[0] for box in boxes) >= COLUMN  # left of that are the signs
        assert min(box[1] for box in boxes) >= 0
        assert max(box[2] for box in boxes) <= size[0]
        assert max(box[3] for box in boxes) <= bottom


@all_sizes
def test_any_two_expressions_differ_while_they_move(size: Size) -> None:
    moments = [step * 0.83 for step in range(24)]
    films = {emotion: [alive(emotion, size).picture(time) for time in moments] for emotion in Emotion}
    for one, other in combinations(Emotion, 2):
        changes = [different(a, b) for a, b in zip(films[one], films[other], strict=True)]
        assert sum(changes) / len(changes) >= 0.06 * size[0] * size[1], f"{one} looks too much like {other}"


@settings(max_examples=30, deadline=None)
@given(emotions, st.lists(st.tuples(times, st.integers(0, 4), emotions), max_size=4), times, st.floats(0, 0.999))
def test_nothing_changes_before_it_is_announced(
    emotion: Emotion, told: list[tuple[float, int, Emotion]], time: float, share: float
) -> None:
    animator = story([*told, (0.0, 0, emotion)])
    change = animator.next_change(time)
    assert change > time
    if change > time + 0.021:  # else something moves
        between = time + (min(change, time + 100) - time) * share
        assert different(animator.picture(time), animator.picture(between)) == 0


@pytest.mark.slow
@all_emotions
def test_an_idle_face_is_drawn_a_few_times_a_second(emotion: Emotion) -> None:
    animator = alive(emotion)
    time, asked, drawn = 10.0, 0, set()
    while time < 40:
        asked += 1
        drawn.add(animator.picture(time).tobytes())
        time = animator.next_change(time)
    assert asked <= 30 * 32  # fifty a second while something moves
    assert 2 <= len(drawn) <= 30 * 15


def test_a_face_without_motion_is_never_drawn_again() -> None:
    calm = replace(EXPRESSIONS[Emotion.RELAXED], motion=Motion(breath=0, glance=0))
    assert Animator(expression=calm).next_change(5.0) == math.inf


def closures(emotion: Emotion, seed: int, seconds: int) -> list[tuple[float, float]]:
    scene = Scene(EXPRESSIONS[emotion], seed=seed)
    open_cover = EXPRESSIONS[emotion].left.upper.cover
    return [(step / 100, scene.face(step / 100).left.upper.cover - open_cover) for step in range(seconds * 100)]


def test_eyes_blink_every_one_to_five_seconds_and_close_faster_than_they_open() -> None:
    for seed in range(2):
        series = closures(Emotion.NEUTRAL, seed, 90)
        begins = [now for (now, closed), (_, after) in pairwise(series) if not closed and after]
        singles = [later - earlier for earlier, later in pairwise(begins) if later - earlier > 0.4]
        assert len(begins) >= 18
        assert min(singles) > 0.6  # after a double blink
        assert max(singles) < 5.1
        assert max(singles) - min(singles) > 1.5
    closing = sum(after > before for (_, before), (_, after) in pairwise(series))
    opening = sum(after < before for (_, before), (_, after) in pairwise(series))
    assert closing < 0.7 * opening


def test_some_blinks_are_double() -> None:
    series = closures(Emotion.NEUTRAL, 1, 90)
    begins = [now for (now, closed), (_, after) in pairwise(series) if not closed and after]
    assert 1 <= sum(later - earlier < 0.4 for earlier, later in pairwise(begins)) <= len(begins) / 2


def test_the_seed_decides() -> None:
    moments = [step * 0.31 for step in range(60)]
    films = [[alive(Emotion.NEUTRAL, seed=seed).picture(time).tobytes() for time in moments] for seed in (1, 1, 2)]
    assert films[0] == films[1]
    assert films[0] != films[2]


def test_glances_move_the_pupils_and_come_back() -> None:
    scene = Scene(EXPRESSIONS[Emotion.NEUTRAL], seed=5)
    gazes = {scene.face(step / 4).gaze for step in range(400)}
    assert len(gazes) > 20
    assert (0.0, 0.0) in gazes


def test_what_was_shown_long_ago_is_forgotten() -> None:
    animator = Animator()
    for number in range(500):
        animator.show(EXPRESSIONS[list(Emotion)[number % 13]], number * 0.01)
    assert len(animator.scene.origin) <= 6
    animator.show(EXPRESSIONS[Emotion.SHY], 100.0)
    assert len(animator.scene.origin) == 1


def test_showing_what_is_shown_changes_nothing() -> None:
    animator = alive(Emotion.HAPPY)
    before = animator.scene
    animator.show(EXPRESSIONS[Emotion.HAPPY], 3.0)
    assert animator.scene is before


@pytest.mark.slow
def test_half_a_day_of_company_leaves_nothing_behind() -> None:
    animator, sizes = Animator(), []
    for minute in range(12 * 60):
        time = 60.0 * minute
        animator.show(EXPRESSIONS[list(Emotion)[minute % len(Emotion)]], time)
        animator.speak([(time + step / 50, step % 8 / 7) for step in range(50)])
        animator.caption(f"This is minute {minute % 60}", time)
        animator.sign(Signs(error="No camera" if minute % 7 == 0 else "", watched=minute % 2 == 0), time)
        if minute % 10 == 9:
            animator.picture(time + 0.1)
            sizes.append(len(pickle.dumps(animator.scene)))
    assert max(sizes[6:]) <= 1.1 * max(sizes[:6])
    fresh = alive(list(Emotion)[(12 * 60 - 1) % len(Emotion)])
    end = 12 * 3600.0
    assert animator.picture(end).tobytes() == fresh.picture(end).tobytes()
