"""Motion in real footage whose times are known, and what is none. ``benchmarks.motion`` has many more scenes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks._motion_scenes import RATE, SHOTS, Picture, Scene, frames_of, nothing, passing, played
from robot_node.settings.vision import MotionSettings
from robot_node.vision.debounce import Change
from robot_node.vision.motion import MotionDetector

BEGAN, ENDED = Change.BEGAN, Change.ENDED


def _changes(scene: Scene, noise: float = 4.0, **settings: Any) -> list[tuple[float, str, Change]]:
    detector = MotionDetector(MotionSettings.model_validate(settings))
    return [
        (now, zone, change)
        for now, picture in scene.noisy(noise)
        for zone, change in detector.update(picture, now).changes.items()
    ]


@pytest.mark.parametrize("shot", ["walker", "van", "face"])
def test_motion_in_real_footage_begins_and_ends_when_something_moves(shot: str) -> None:
    scene = played(SHOTS[shot], rounds=1)
    ((begin, end),) = scene.motions
    (began, _, first), (ended, _, last) = _changes(scene)
    assert (first, last) == (BEGAN, ENDED)
    assert begin < began <= begin + 0.6
    assert end < ended <= end + 4.0


_NO_MOTION = (
    "dimmer",
    "rain",
    "fast clouds",
    "lights on",
    "lights off",
    "camera starts",
    "camera pushed",
)


@pytest.mark.slow
def test_what_is_no_motion_raises_no_event() -> None:
    scenes = nothing()
    for name in _NO_MOTION:  # what happens once happens after 20 s
        assert _changes(Scene(scenes[name].pictures[: 26 * RATE], [])) == [], name


def test_a_dark_night_with_much_noise_is_no_motion() -> None:
    night = Scene(nothing()["still"].pictures[: 15 * RATE], [])
    assert _changes(night, noise=24.0, sensitivity=80) == []
    lamp = Scene(nothing()["a lamp, and the exposure follows"].pictures[: 26 * RATE], [])
    assert _changes(lamp, noise=12.0) == []


def test_motion_is_distinguished_from_the_light_that_changes_meanwhile() -> None:
    lights_on, walker = nothing()["lights on"].pictures[:150], played(SHOTS["walker"], rounds=1)
    begin = len(lights_on) / RATE
    times = [now for now, _, change in _changes(Scene(lights_on + walker.pictures, [])) if change is BEGAN]
    assert len(times) == 1
    assert times[0] > begin + walker.motions[0][0]


def test_each_zone_has_its_own_motion() -> None:
    zones = {"left": {"rectangle": (0, 0, 0.5, 1)}, "right": {"rectangle": (0.5, 0, 1, 1)}}
    changes = _changes(passing((40, 80), seconds=8.0), zones=zones)
    began = {zone: now for now, zone, change in changes if change is BEGAN}
    ended = {zone: now for now, zone, change in changes if change is ENDED}
    assert began["left"] < began["right"]
    assert ended["left"] < ended["right"]


def test_what_moves_in_an_excluded_zone_is_no_motion() -> None:
    path = {"rectangle": (0, 0.3, 1, 0.8), "exclude": True}
    scene = passing((40, 80), seconds=4.0)
    assert _changes(scene, zones={"tree": path}) == []
    assert _changes(scene) != []


def test_the_least_area_is_a_share_of_the_picture() -> None:
    scene = passing((40, 80), seconds=4.0)  # 5.6 %
    assert _changes(scene, min_area=0.2) == []
    assert len(_changes(scene, min_area=0.02)) == 2


def test_a_higher_sensitivity_sees_what_hardly_differs() -> None:
    scene = passing((60, 90), seconds=4.0, contrast=0.12)
    assert _changes(scene, noise=2.0, sensitivity=1) == []
    assert len(_changes(scene, noise=2.0, sensitivity=90)) == 2


def test_after_settling_the_new_view_is_the_background() -> None:
    def turned(picture: Picture, index: int) -> Picture:
        return np.roll(picture, 9 * index, axis=1)

    wall = frames_of("bikes.mp4")[230]
    detector = MotionDetector(MotionSettings())
    found = []
    for index in range(100):
        moving = 50 <= index < 60  # the robot turns its camera
        if moving:
            detector.settle()
        picture = turned(wall, min(max(index - 50, 0), 10))
        found.append(detector.update(picture, index / RATE).changes)
    assert not any(found)


def test_pictures_may_change_their_size() -> None:
    detector = MotionDetector(MotionSettings())
    for index, (height, width) in enumerate([(180, 320), (180, 320), (136, 320), (239, 321), (180, 320)]):
        assert not detector.update(np.full((height, width), 128, np.uint8), index / RATE).changes
