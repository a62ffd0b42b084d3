"""What is on the glass is what was drawn, pixel by pixel, at each step of the face's motion."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from hw_mocks.i2c import SimulatedI2cAdapter
from hw_mocks.oled import ControllerName, SimulatedOled
from robot_node.devices import oled
from robot_node.face.animator import Animator
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.signs import Link, Signs

FRAME_S = 1 / 30
EVERY_THIRD_S = 3 * FRAME_S
DRIVERS: tuple[ControllerName, ...] = ("ssd1306", "sh1106")


def changes(size: tuple[int, int], step_s: float) -> Iterator[tuple[Animator, float]]:
    """Every emotion turns to every other; in between signs and text come and go."""
    animator, now = Animator(size, seed=3), 0.0
    for turn, emotion in enumerate(there_and_back(list(Emotion))):
        animator.show(EXPRESSIONS[emotion], now)
        animator.sign(Signs(link=list(Link)[turn % 3], camera=turn % 2 == 0, watched=turn % 4 == 0), now)
        if turn % 3 == 0:
            animator.caption(f"This is {emotion}", now, 0.4)
        for _ in range(round((EXPRESSIONS[emotion].motion.transition + 0.1) / step_s)):
            yield animator, now
            now += step_s


def there_and_back(emotions: list[Emotion]) -> Iterator[Emotion]:
    """A walk on which each emotion comes right after each other one."""
    for place, one in enumerate(emotions):
        for other in emotions[place + 1 :]:
            yield from (one, other)
        yield one


def idle_minute(size: tuple[int, int], step_s: float) -> Iterator[tuple[Animator, float]]:
    animator, now = Animator(size, seed=4), 0.0
    while now < 60:
        yield animator, now
        now = max(animator.next_change(now), now + step_s)


@pytest.mark.parametrize(
    ("driver", "height", "step_s"),
    [
        ("ssd1306", 64, EVERY_THIRD_S),
        ("sh1106", 32, EVERY_THIRD_S),
        # What is drawn does not depend on the driver, and a step is a step.
        *(pytest.param(*each, FRAME_S, marks=pytest.mark.slow) for each in itertools.product(DRIVERS, (32, 64))),
    ],
)
def test_the_glass_shows_what_was_drawn(driver: ControllerName, height: int, step_s: float) -> None:
    glass = SimulatedOled(driver, height)
    adapter = SimulatedI2cAdapter({0x3C: glass})
    device = oled.create(driver, adapter.open(1, 0x3C), width=128, height=height, rotate=0)
    seen = set()
    for animator, now in itertools.chain(changes((128, height), step_s), idle_minute((128, height), step_s)):
        picture = animator.picture(now)
        device.display(picture)
        drawn = glass.picture().tobytes()
        assert drawn == picture.tobytes(), now
        seen.add(drawn)
    assert len(seen) > (1000 if step_s == FRAME_S else 300)  # it did move
    assert not glass.problems
