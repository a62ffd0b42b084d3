"""The robot's face: shows emotions, text, speech and the robot's status on the display."""

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

from robot_node.core.state import RobotSnapshot, RobotState
from robot_node.devices.display import Display
from robot_node.face.animator import Animator
from robot_node.face.custom import find
from robot_node.face.display_policy import DisplayPolicy, shifted
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.shapes import Expression
from robot_node.face.signs import Link, Signs

_FRAME_S = 1 / 30
"""Shortest time between two pictures."""

_CHANGED_SHARE = 0.3
"""Share of a picture that changes in an animation: a slow bus gets fewer pictures, at a steady rate."""

_GROWING_S = 5.0
"""For so long a text shows that may grow yet."""

_NO_DISPLAY_S = 1.0
"""Time between two pictures while there is no display."""

_TECHNICAL = re.compile(r"\[Errno -?\d+\] | at \w+://\S+?(?=:? |:?$)")
"""Details of errors that are only in the log, for lack of room on the display."""


def _local_time() -> dt.time:
    return dt.datetime.now().astimezone().time()


class Face:
    """The robot's face. Used from the event loop only.

    Args:
        display: Display to draw on.
        state: The robot's state, shown as signs at the edge; the current emotion is stored in it.
        expressions: Available expressions, by name.
        policy: Contrast, power and pixel shift of the display.
        seed: Seed of the random blinks and glances.
        clock: Returns monotonic time in seconds.
        local_time: Returns the local time of day.
    """

    def __init__(
        self,
        display: Display,
        state: RobotState,
        *,
        expressions: Mapping[str, Expression] = EXPRESSIONS,
        policy: DisplayPolicy = DisplayPolicy(),
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        local_time: Callable[[], dt.time] = _local_time,
    ) -> None:
        self._display = display
        self._state = state
        self._expressions = expressions
        self._policy = policy
        self._clock = clock
        self._local_time = local_time
        self._animator = Animator(display.size, seed=seed, expression=expressions[Emotion.NEUTRAL])
        self._signs = Signs()
        self._listening = False
        self._question = ""
        self._question_until = 0.0
        self._started_at = self._active_at = clock()
        self._changed = asyncio.Event()
        self._shown: tuple[Image.Image, tuple[int, int]] | None = None  # None: dark
        self._shown_at = -math.inf

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all expressions."""
        return tuple(str(name) for name in self._expressions)

    @property
    def picture(self) -> Image.Image:
        """The current face, also without a display; of mode ``"1"``, must not be modified."""
        return self._animator.picture(self._clock())

    def canonical_name(self, name: str) -> str:
        """Return the name in :attr:`names` for a name in another case or an alias.

        Raises:
            SettingsError: The expression does not exist; the remedy lists all names.
        """
        return find(name, self._expressions)

    def show_emotion(self, name: str) -> str:
        """Show an expression.

        Args:
            name: A name in :attr:`names`, or an alias.

        Returns:
            Its canonical name.

        Raises:
            SettingsError: The expression does not exist.
        """
        name = self.canonical_name(name)
        self._animator.show(self._expressions[name], self._clock())
        self._state.update(emotion=name)
        self._set_changed()
        return name

    def show_text(self, text: str, duration_s: float | None = None) -> float:
        """Show a text below the face, line by line; an empty one removes the current text.

        Args:
            text: Latin and, with a suitable font, Chinese characters.
            duration_s: Total duration in seconds; by default the time it takes to read.

        Returns:
            Duration in seconds; 0 while a question shows, which no other text hides.
        """
        if self._question:
            return 0.0
        now = self._clock()
        until = self._animator.caption(text, now, duration_s)
        self._set_changed()
        self._active_at = until
        return until - now

    def show_growing_text(self, text: str) -> None:
        """Show the last line of a text that grows, until the next one, or for some seconds."""
        if not self._question:
            self._active_at = self._animator.caption(text, self._clock(), _GROWING_S, last_line=True)
            self._set_changed()

    def show_question(self, text: str) -> None:
        """Show a question to a person below the face, again and again, instead of all other texts.

        Args:
            text: As for :meth:`show_text`; empty: there is no question any more.
        """
        if text != self._question:
            self._question = text
            self._question_until = self._animator.caption(text, self._clock())
            self._set_changed()

    @property
    def question(self) -> str:
        """The question that shows; empty when there is none."""
        return self._question

    @property
    def is_visible(self) -> bool:
        """Whether there is a display that works."""
        return self._display.answers

    def speak(self, levels: Iterable[tuple[float, float]]) -> None:
        """Animate the mouth with the loudness of speech.

        Args:
            levels: Pairs of seconds from now and loudness, 0 to 1, in order of time.
        """
        now = self._clock()
        self._animator.speak([(now + after, level) for after, level in levels])
        self._set_changed()

    def stop_speaking(self) -> None:
        """Stop animating the mouth; discards the remaining levels."""
        self._animator.stop_speaking(self._clock())
        self._set_changed()

    def listen(self, *, listening: bool) -> None:
        """Show or hide the sign for listening to speech."""
        self._listening = listening
        self._on_state(self._state.snapshot)

    async def run(self) -> None:
        """Animate the face until cancelled."""
        stop = self._state.listen(self._on_state)
        self._on_state(self._state.snapshot)
        try:
            while True:
                self._changed.clear()
                drawn_at = self._clock()
                await self._draw(drawn_at)
                await self._wait_for_change(drawn_at)
        finally:
            stop()

    async def _draw(self, now: float) -> None:
        if self._question and now >= self._question_until:
            self._question_until = self._animator.caption(self._question, now)
        state = self._policy.state_at(
            now, active_at=self._last_activity(now), started_at=self._started_at, local=self._local_time()
        )
        self._display.set_contrast(state.contrast)
        shown = (self._animator.picture(now), state.shift) if state.on else None
        if shown == self._shown:
            return
        self._shown, self._shown_at = shown, now
        if shown is None:
            await self._display.dark()
        else:
            await self._display.show(shifted(*shown))

    async def _wait_for_change(self, drawn_at: float) -> None:
        """Wait until the picture changes, but at least for the display's frame time."""
        frame_s = max(_FRAME_S, _CHANGED_SHARE * self._display.picture_s) if self._display.answers else _NO_DISPLAY_S
        await asyncio.sleep(max(0.0, self._shown_at + frame_s - self._clock()))
        until = self._policy.next_change(drawn_at, active_at=self._last_activity(drawn_at), started_at=self._started_at)
        if self._display.answers and self._is_on(drawn_at):
            until = min(until, self._animator.next_change(drawn_at))
        wait = None if math.isinf(until) else max(0.0, until - self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._changed.wait()

    def _last_activity(self, now: float) -> float:
        """Return when the content changed last; now while camera or microphone are in use, which must stay visible."""
        in_use = self._signs.camera or self._signs.watched or self._signs.microphone or self._signs.listening
        return now if in_use or self._question else self._active_at

    def _is_on(self, now: float) -> bool:
        return not self._policy.off_after_s or now - self._last_activity(now) < self._policy.off_after_s

    def _on_state(self, snapshot: RobotSnapshot) -> None:
        signs = replace(signs_of(snapshot), listening=self._listening)
        if signs != self._signs:
            self._signs = signs
            self._animator.sign(signs, self._clock())
            self._set_changed()
        self._changed.set()  # the display may be back

    def _set_changed(self) -> None:
        self._active_at = self._clock()
        self._changed.set()


def signs_of(snapshot: RobotSnapshot) -> Signs:
    """Return the signs for a state of the robot."""
    link = Link.ONLINE if snapshot.mcp_connected else Link.OFFLINE if snapshot.link_error else Link.CONNECTING
    error = snapshot.link_error or next(iter(snapshot.faults.values()), "")
    return Signs(
        link=link,
        camera=snapshot.capturing,
        watched=snapshot.viewers > 0,
        privacy=snapshot.privacy,
        recording=bool(snapshot.recording),
        microphone=snapshot.microphone_on,
        deaf=snapshot.microphone_privacy or snapshot.microphone_enabled is False,
        error=_TECHNICAL.sub("", error.partition(". ")[0].rstrip(".")),
    )
