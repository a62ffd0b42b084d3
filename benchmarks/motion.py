"""How well motion is distinguished from what is none, and what it costs.

``python -m benchmarks.motion`` prints one JSON line. Real footage is shown between still pictures of it, so that it is
known when something moves; then noise, changes of the light, and a push against the camera, in which nothing does. All
pictures are 320x180, 5 a second, with the noise of a sensor: little, as by day, and much, as by night.

* ``precision``: share of the motions found that there were. A motion that is found twice counts as one and a false one.
* ``recall``: share of the motions that were found while they lasted.
* ``by_noise``: both, for each standard deviation of the noise (of 255); ``missed``, ``false``: in which scenes.
* ``latency_s``: from the first picture with motion to the event, the mean; ``worst_latency_s``.
* ``cpu_ms``: processor time for each picture, the mean.
* ``core_percent``: of a core at 5 pictures a second. Target: at most 5.
* ``sensitivities``: precision and recall at other settings of ``motion.sensitivity``, with the middle noise.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from benchmarks._motion_scenes import RATE, Scene, nothing, something
from benchmarks._report import command_line, print_result, progress
from robot_node.settings.vision import PICTURE, MotionSettings
from robot_node.vision.debounce import Change
from robot_node.vision.motion import MotionDetector

_NOISES = (2.0, 6.0, 12.0, 24.0)
_SENSITIVITIES = (20, 80)


@dataclass
class _Score:
    found: int = 0
    missed_in: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    pictures: int = 0

    def summary(self) -> dict[str, Any]:
        """Return precision and recall."""
        found = self.found + len(self.false)
        return {
            "precision": round(self.found / found, 3) if found else None,
            "recall": round(self.found / (self.found + len(self.missed_in)), 3),
            "missed": self.missed_in,
            "false": self.false,
        }

    def __iadd__(self, other: _Score) -> Self:
        self.found += other.found
        self.missed_in += other.missed_in
        self.false += other.false
        self.latencies_s += other.latencies_s
        self.cpu_s += other.cpu_s
        self.pictures += other.pictures
        return self


def _began(scene: Scene, noise: float, settings: MotionSettings, score: _Score) -> Iterator[float]:
    detector = MotionDetector(settings)
    for now, picture in scene.noisy(noise):
        before = time.thread_time()
        motion = detector.update(picture, now)
        score.cpu_s += time.thread_time() - before
        score.pictures += 1
        if motion.changes.get(PICTURE) is Change.BEGAN:
            yield now


def _score(name: str, scene: Scene, noise: float, settings: MotionSettings) -> _Score:
    score, found = _Score(), set[int]()
    for now in _began(scene, noise, settings, score):
        which = next((index for index, (begin, end) in enumerate(scene.motions) if begin <= now <= end), None)
        if which is None or which in found:
            score.false.append(f"{name} at {now:g} s")
            continue
        found.add(which)
        score.latencies_s.append(now - scene.motions[which][0])
    score.found = len(found)
    score.missed_in = [f"{name} at {begin:g} s" for n, (begin, _) in enumerate(scene.motions) if n not in found]
    return score


def _measure(scenes: Mapping[str, Scene], noise: float, sensitivity: int = 50) -> _Score:
    progress(f"Noise of {noise:g}, sensitivity {sensitivity} ...")
    total = _Score()
    for name, scene in scenes.items():
        total += _score(name, scene, noise, MotionSettings(sensitivity=sensitivity))
    return total


async def measure(*, quick: bool = False) -> Mapping[str, Any]:
    """Return the figures."""
    scenes = something() if quick else something() | nothing()
    by_noise = {noise: _measure(scenes, noise) for noise in (_NOISES[1:2] if quick else _NOISES)}
    total = _Score()
    for score in by_noise.values():
        total += score
    cpu_s = total.cpu_s / total.pictures
    sensitivities = () if quick else _SENSITIVITIES
    return {
        "benchmark": "motion",
        **{name: value for name, value in total.summary().items() if name not in {"false", "missed"}},
        "motions": total.found + len(total.missed_in),
        "seconds": round(total.pictures / RATE),
        "latency_s": round(sum(total.latencies_s) / max(len(total.latencies_s), 1), 2),
        "worst_latency_s": round(max(total.latencies_s, default=0.0), 2),
        "cpu_ms": round(cpu_s * 1000, 3),
        "core_percent": round(cpu_s * RATE * 100, 2),
        "by_noise": {f"{noise:g}": score.summary() for noise, score in by_noise.items()},
        "sensitivities": {str(each): _measure(scenes, _NOISES[1], each).summary() for each in sensitivities},
    }


def main() -> None:
    """Measure and print the result."""
    parser = command_line("benchmarks.motion", __doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    print_result(measure(quick=parser.parse_args().quick))


if __name__ == "__main__":
    main()
