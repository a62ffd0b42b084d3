"""Cost of the animated face on the display's bus, compared with luma, which sends every picture whole.

``python -m benchmarks.face`` prints one JSON line. The bus is simulated: its bytes are counted as they are sent by the
real drivers, and the clock of the animation runs on for as long as they take on the wire.

* ``bytes_ratio``: bytes of ours over bytes of luma's ``display()`` for the same pictures; the mean of the ratios for
  idling, for transitions and for talking, which are in ``ratios``. Target: at most 0.35.
* ``bytes_per_s``: of ours, at 400 kHz.
* ``fps_400khz``, ``fps_100khz``: pictures a second in a transition, the mean over all of them; at most 30, which is the
  face's own limit. Targets: 25 and 12. ``worst_fps_...``: of the transition with the fewest.
* ``whole_fps_...``: what the bus could carry of whole pictures.
* ``cpu_ms``: to draw and pack a picture and to find what has changed.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from luma.oled.device import sh1106, ssd1306

from benchmarks._report import command_line, print_result, progress
from hw_mocks.i2c import SimulatedI2cAdapter
from hw_mocks.oled import SimulatedOled
from robot_node.devices import oled
from robot_node.devices.oled_windows import changed_windows, pack
from robot_node.face.animator import Animator
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.renderer import Size

_FASTEST_S = 1 / 30
_IDLE_S, _TALKING_S = 60.0, 20.0
_FAST_HZ, _SLOW_HZ = 400_000, 100_000

Driver = Literal["ssd1306", "sh1106"]


@dataclass
class _Wired:
    """A display on a bus of its own."""

    device: Any
    adapter: SimulatedI2cAdapter

    @classmethod
    def ours(cls, driver: Driver, size: Size, clock_hz: int) -> _Wired:
        adapter = SimulatedI2cAdapter({0x3C: SimulatedOled(driver, size[1])}, clock_hz=clock_hz)
        device = oled.create(driver, adapter.open(1, 0x3C), width=size[0], height=size[1], rotate=0)
        return cls(device, adapter)

    @classmethod
    def lumas(cls, driver: Driver, size: Size, clock_hz: int) -> _Wired:
        adapter = SimulatedI2cAdapter({0x3C: SimulatedOled(driver, size[1])}, clock_hz=clock_hz)
        kind = sh1106 if driver == "sh1106" else ssd1306
        return cls(kind(adapter.open(1, 0x3C), width=size[0], height=size[1]), adapter)


@dataclass(frozen=True, slots=True)
class _Played:
    """What a scene cost.

    Attributes:
        pictures: That were sent.
        seconds: Of animation.
        sent: Bytes of ours.
        whole: Bytes of luma's.
    """

    pictures: int
    seconds: float
    sent: int
    whole: int


class _Theatre:
    """Plays scenes to a display of ours, and the same pictures to one of luma's."""

    def __init__(self, driver: Driver, size: Size, clock_hz: int, emotions: Sequence[Emotion]) -> None:
        self.size = size
        self.emotions = emotions
        self._ours = _Wired.ours(driver, size, clock_hz)
        self._lumas = _Wired.lumas(driver, size, clock_hz)

    def play(self, animator: Animator, begins: float, ends: float) -> _Played:
        """Show a face from one time to another, at the pace that the bus allows."""
        # The first picture is what showed before: it is no part of the scene.
        shown = self._send(animator, begins - _FASTEST_S)
        ours, lumas = self._ours.adapter.bytes_on_wire, self._lumas.adapter.bytes_on_wire
        now, earliest, pictures = begins, begins, 0
        while now < ends:
            before = self._ours.adapter.bus_seconds
            picture = self._send(animator, now, shown)
            if picture != shown:
                took = self._ours.adapter.bus_seconds - before
                shown, earliest, pictures = picture, now + max(took, _FASTEST_S), pictures + 1
            now = max(animator.next_change(now), earliest)
        return _Played(
            pictures,
            now - begins,
            self._ours.adapter.bytes_on_wire - ours,
            self._lumas.adapter.bytes_on_wire - lumas,
        )

    def _send(self, animator: Animator, now: float, shown: object = None) -> object:
        picture = animator.picture(now)
        if picture != shown:
            self._ours.device.display(picture)
            self._lumas.device.display(picture)
        return picture

    def whole_picture_s(self) -> float:
        """Seconds that luma takes for a picture."""
        before = self._lumas.adapter.bus_seconds
        self._lumas.device.display(Animator(self.size).picture(0.0))
        return self._lumas.adapter.bus_seconds - before


def _idling(theatre: _Theatre) -> list[_Played]:
    return [theatre.play(Animator(theatre.size), 100.0, 100.0 + _IDLE_S)]


def _talking(theatre: _Theatre) -> list[_Played]:
    animator = Animator(theatre.size, expression=EXPRESSIONS[Emotion.HAPPY])
    steps = range(round(_TALKING_S * 50))
    # Syllables, four a second, in sentences of three seconds with half a second between them.
    animator.speak(
        (100 + step / 50, abs(math.sin(4 * math.pi * step / 50)) if step % 175 < 150 else 0.0) for step in steps
    )
    return [theatre.play(animator, 100.0, 100.0 + _TALKING_S)]


def _turning(theatre: _Theatre) -> list[_Played]:
    scenes = []
    for before, after in itertools.permutations(theatre.emotions, 2):
        animator = Animator(theatre.size, expression=EXPRESSIONS[before])
        animator.show(EXPRESSIONS[after], 100.0)
        scenes.append(theatre.play(animator, 100.0, 100.0 + EXPRESSIONS[after].motion.transition))
    return scenes


_SCENES: Mapping[str, Callable[[_Theatre], list[_Played]]] = {
    "idle": _idling,
    "transitions": _turning,
    "talking": _talking,
}


async def measure(driver: Driver, size: Size, emotions: Sequence[Emotion]) -> dict[str, Any]:
    """Play everything on a fast and on a slow bus.

    Args:
        driver: The display's controller.
        size: Its width and height in pixels.
        emotions: Between which transitions are played.

    Returns:
        What is printed.
    """
    result: dict[str, Any] = {"driver": driver, "size": f"{size[0]}x{size[1]}"}
    for clock_hz, label in ((_FAST_HZ, "400khz"), (_SLOW_HZ, "100khz")):
        progress(f"Playing on a bus of {clock_hz // 1000} kHz")
        theatre = _Theatre(driver, size, clock_hz, emotions)
        played = {name: scene(theatre) for name, scene in _SCENES.items()}
        rates = [scene.pictures / scene.seconds for scene in played["transitions"]]
        result[f"fps_{label}"] = round(statistics.mean(rates), 1)
        result[f"worst_fps_{label}"] = round(min(rates), 1)
        result[f"whole_fps_{label}"] = round(1 / theatre.whole_picture_s(), 1)
        if clock_hz == _FAST_HZ:
            ratios = {
                name: sum(scene.sent for scene in scenes) / sum(scene.whole for scene in scenes)
                for name, scenes in played.items()
            }
            result["bytes_ratio"] = round(statistics.mean(ratios.values()), 3)
            result["ratios"] = {name: round(ratio, 3) for name, ratio in ratios.items()}
            result["bytes_per_s"] = {
                name: round(sum(scene.sent for scene in scenes) / sum(scene.seconds for scene in scenes))
                for name, scenes in played.items()
            }
    result["cpu_ms"] = round(_cpu_ms(size), 3)
    return result


def _cpu_ms(size: Size) -> float:
    animator = Animator(size)
    pages = pack(animator.picture(0.0))
    steps = 0
    began = time.process_time()
    for emotion in Emotion:
        animator.show(EXPRESSIONS[emotion], float(steps))
        for step in range(30):
            wanted = pack(animator.picture(steps + step / 30))
            changed_windows(pages, wanted, cost=oled.WINDOW)
            pages = wanted
        steps += 1
    return 1000 * (time.process_time() - began) / (30 * steps)


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.face", __doc__)
    parser.add_argument("--driver", choices=("ssd1306", "sh1106"), default="ssd1306", help="controller of the display")
    parser.add_argument("--height", type=int, choices=(32, 64), default=64, help="rows of the display (default: 64)")
    parser.add_argument("--quick", action="store_true", help="play few transitions, to see that it works")
    arguments = parser.parse_args()
    emotions = tuple(Emotion)[: 3 if arguments.quick else None]
    print_result(measure(arguments.driver, (128, arguments.height), emotions))


if __name__ == "__main__":
    main()
