"""The robot's living face: what it is told, and what is true of the robot, as moving pictures on the display."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from PIL import Image

from robot_node.core.state import CameraState, RobotSnapshot, RobotState
from robot_node.devices.display import Display
from robot_node.face.animator import Animator
from robot_node.face.care import Care, shifted
from robot_node.face.custom import find
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.shapes import Expression
from robot_node.face.signs import Link, Signs

_FASTEST_S = 1 / 30
"""Between two pictures: more are not seen."""

_SHARE = 0.3
"""Of a whole picture that one in motion changes. A slow bus gets fewer pictures, at a steady pace."""

_UNSEEN_S = 1.0
"""Between two pictures while there is no display: it is asked for by nobody."""

_TECHNICAL = re.compile(r"\[Errno -?\d+\] | at \w+://\S+?(?=:? |:?$)")
"""What the display has no room for: the log has it."""


def _local_time() -> dt.time:
    return dt.datetime.now().astimezone().time()


class Face:
    """What the robot's face shows. Used from the event loop only.

    Args:
        display: Where it shows.
        state: What is true of the robot: the signs at the face's edge. Told which emotion is shown.
        expressions: What the face can show, by name.
        care: How the display is spared.
        seed: Decides when the eyes blink and where they look.
        clock: Monotonic time in seconds.
        local_time: The time of day.
    """

    def __init__(
        self,
        display: Display,
        state: RobotState,
        *,
        expressions: Mapping[str, Expression] = EXPRESSIONS,
        care: Care = Care(),
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        local_time: Callable[[], dt.time] = _local_time,
    ) -> None:
        self._display = display
        self._state = state
        self._expressions = expressions
        self._care = care
        self._clock = clock
        self._local_time = local_time
        self._animator = Animator(display.size, seed=seed, expression=expressions[Emotion.NEUTRAL])
        self._signs = Signs()
        self._listening = False
        self._started = self._since = clock()
        self._told = asyncio.Event()
        self._shown: tuple[Image.Image, tuple[int, int]] | None = None  # None: dark
        self._shown_at = -math.inf

    @property
    def names(self) -> tuple[str, ...]:
        """The names of what the face can show, in their order."""
        return tuple(str(name) for name in self._expressions)

    @property
    def picture(self) -> Image.Image:
        """The face as it is now, whether or not there is a display; of mode ``"1"``, not to be drawn on."""
        return self._animator.picture(self._clock())

    def known_as(self, name: str) -> str:
        """Return which of :attr:`names` is meant by a name in another spelling, or by an alias.

        Raises:
            SettingsError: there is no such expression; the remedy lists those there are.
        """
        return find(name, self._expressions)

    def show_emotion(self, name: str) -> str:
        """Turn to an expression.

        Args:
            name: One of :attr:`names`, or an alias.

        Returns:
            Its name among :attr:`names`.

        Raises:
            SettingsError: there is no such expression.
        """
        name = self.known_as(name)
        self._animator.show(self._expressions[name], self._clock())
        self._state.update(emotion=name)
        self._tell()
        return name

    def show_text(self, text: str, duration_s: float | None = None) -> float:
        """Write a text below the face, line after line; an empty one takes away what shows.

        Args:
            text: Latin letters, and Chinese where a font with them is installed.
            duration_s: How long it shows in all, in seconds; by default as long as it takes to read.

        Returns:
            For how many seconds it shows.
        """
        now = self._clock()
        until = self._animator.caption(text, now, duration_s)
        self._tell()
        self._since = until
        return until - now

    def speak(self, levels: Iterable[tuple[float, float]]) -> None:
        """Move the mouth to what the robot says.

        Args:
            levels: Seconds from now, in order, each with the loudness then, 0 to 1.
        """
        now = self._clock()
        self._animator.speak([(now + after, level) for after, level in levels])
        self._tell()

    def hush(self) -> None:
        """End the speech: what was going to be said is not."""
        self._animator.hush(self._clock())
        self._tell()

    def listen(self, *, listening: bool) -> None:
        """Show, or no longer show, that the robot listens to somebody."""
        self._listening = listening
        self._see(self._state.snapshot)

    async def live(self) -> None:
        """Show the face, in motion, until cancelled."""
        stop = self._state.listen(self._see)
        self._see(self._state.snapshot)
        try:
            while True:
                self._told.clear()
                began = self._clock()
                await self._draw(began)
                await self._rest(began)
        finally:
            stop()

    async def _draw(self, now: float) -> None:
        look = self._care.look(now, since=self._news(now), started=self._started, local=self._local_time())
        self._display.set_contrast(look.contrast)
        shown = (self._animator.picture(now), look.shift) if look.lit else None
        if shown == self._shown:
            return
        self._shown, self._shown_at = shown, now
        if shown is None:
            await self._display.dark()
        else:
            await self._display.show(shifted(*shown))

    async def _rest(self, began: float) -> None:
        """Wait until there is something else to be seen, and not less than the display's pace."""
        pace = max(_FASTEST_S, _SHARE * self._display.picture_s) if self._display.answers else _UNSEEN_S
        await asyncio.sleep(max(0.0, self._shown_at + pace - self._clock()))
        until = self._care.next_change(began, since=self._news(began), started=self._started)
        if self._display.answers and self._is_lit(began):
            until = min(until, self._animator.next_change(began))
        wait = None if math.isinf(until) else max(0.0, until - self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._told.wait()

    def _news(self, now: float) -> float:
        """When there was something new last: as long as the robot sees or hears, that has to be seen."""
        seen = self._signs.camera or self._signs.watched or self._signs.microphone or self._signs.listening
        return now if seen else self._since

    def _is_lit(self, now: float) -> bool:
        return not self._care.off_after_s or now - self._news(now) < self._care.off_after_s

    def _see(self, snapshot: RobotSnapshot) -> None:
        signs = replace(signs_of(snapshot), listening=self._listening)
        if signs != self._signs:
            self._signs = signs
            self._animator.sign(signs, self._clock())
            self._tell()
        self._told.set()  # perhaps it is the display that answers again

    def _tell(self) -> None:
        self._since = self._clock()
        self._told.set()


def signs_of(snapshot: RobotSnapshot) -> Signs:
    """What the owner is to see at a glance of what is true of the robot."""
    link = Link.ONLINE if snapshot.mcp_connected else Link.OFFLINE if snapshot.link_error else Link.CONNECTING
    error = snapshot.link_error or next(iter(snapshot.faults.values()), "")
    return Signs(
        link=link,
        camera=snapshot.camera is CameraState.ON,
        watched=snapshot.viewers > 0,
        privacy=snapshot.privacy,
        microphone=snapshot.microphone_on,
        error=_TECHNICAL.sub("", error.partition(". ")[0].rstrip(".")),
    )
