"""Performs behaviours: steps of face, servos, LEDs and sound, one behaviour at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

from robot_node.core.state import RobotState
from robot_node.devices.face import Face
from robot_node.devices.leds import RgbLed, set_led
from robot_node.devices.outputs import Outputs, Servo
from robot_node.errors import NotReadyError, RobotNodeError
from robot_node.settings.behaviours import BUILT_IN, Behaviour, Step
from robot_node.speech.speaker import Speaker

logger = logging.getLogger(__name__)

BEHAVIOUR = "behaviour"
"""What a behaviour is called among that which was stopped."""


class Performer:
    """Performs behaviours with what the robot has. Used from the event loop only.

    Args:
        state: The robot's state, with the emotion that the face returns to.
        face: The face.
        outputs: Outputs on the pins.
        speaker: The voice; None without one.
        behaviours: All behaviours, by name.
        sleep: Waits for some seconds.

    Attributes:
        names: The behaviours that do something on this robot.
    """

    def __init__(
        self,
        state: RobotState,
        face: Face,
        outputs: Outputs,
        speaker: Speaker | None = None,
        *,
        behaviours: Mapping[str, Behaviour] = BUILT_IN,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._state = state
        self._face = face
        self._outputs = outputs
        self._speaker = speaker
        self._behaviours = behaviours
        self._sleep = sleep
        self._current: asyncio.Task[None] | None = None
        self.names = tuple(name for name, each in behaviours.items() if any(map(self._does_something, each.steps)))

    async def perform(self, name: str) -> bool:
        """Perform a behaviour; the caller's cancellation ends it.

        Face and LEDs are afterwards as before, and servos where the last step turned them to; those that are stopped
        stay where they are.

        Args:
            name: One of :attr:`names`.

        Returns:
            Whether it was performed to its end; False when it was stopped.

        Raises:
            NotReadyError: Another behaviour is being performed.
            DeviceError: A pin cannot be used, or the voice does not work.
        """
        if self._current is not None:
            raise NotReadyError(
                f"The robot is performing the {self._current.get_name()}.", remedy="Wait for its end, or call stop_all."
            )
        task = self._current = asyncio.create_task(self._perform(self._behaviours[name]), name=f"behaviour {name}")
        task.add_done_callback(self._on_end)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.cancelled():
            return False
        task.result()
        return True

    def stop(self) -> bool:
        """Stop the current behaviour; return whether there was one."""
        return self._current is not None and self._current.cancel()

    async def close(self) -> None:
        """Stop the current behaviour, and wait until it has ended."""
        if self._current is not None:
            self._current.cancel()
            await asyncio.wait({self._current})

    def _on_end(self, task: asyncio.Task[None]) -> None:
        self._current = None
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A behaviour failed: %s", error)

    def _does_something(self, step: Step) -> bool:
        outputs = self._outputs
        return any(
            wanted is not None and there
            for wanted, there in (
                (step.emotion, True),
                (step.text, True),
                (step.say, self._speaker is not None),
                (step.pan, outputs.pan_tilt is not None),
                (step.tilt, outputs.pan_tilt is not None),
                (step.led, bool(outputs.leds)),
                (step.beep_s, bool(outputs.buzzers)),
            )
        )

    async def _perform(self, behaviour: Behaviour) -> None:
        owner, outputs = object(), self._outputs
        origin = [servo.value for servo in outputs.pan_tilt or ()]
        steps = behaviour.steps
        async with AsyncExitStack() as afterwards:
            afterwards.callback(self._restore_emotion, self._state.snapshot.emotion, {step.emotion for step in steps})
            if any(step.led for step in steps):
                for led in outputs.leds.values():
                    afterwards.push_async_callback(_without_error(led.saved()))
            with contextlib.ExitStack() as moving:
                moving.callback(outputs.stop_all, owner)
                for step in steps:
                    await self._begin(step, origin, owner)
                    await self._sleep(step.seconds)
                moving.pop_all()  # a servo that is late arrives by itself

    async def _begin(self, step: Step, origin: list[float], owner: object) -> None:
        """Begin all parts of a step, without waiting for their ends."""
        outputs = self._outputs
        if step.emotion is not None:
            self._face.show_emotion(step.emotion)
        if step.text is not None:
            self._face.show_text(step.text, step.seconds)
        if step.led is not None:
            for led in outputs.leds.values():
                colour = step.led if isinstance(led, RgbLed) else None
                await set_led(led, on=int(step.led[1:], 16) > 0, colour=colour)
        for servo, start, offset in zip(outputs.pan_tilt or (), origin, (step.pan, step.tilt), strict=False):
            if offset is not None:
                await servo.begin(_within_limits(servo, start + offset), step.seconds, owner=owner)
        if step.beep_s is not None:
            for buzzer in outputs.buzzers.values():
                await buzzer.beep(min(step.beep_s, buzzer.settings.max_duration_s), owner=owner)
        if step.say is not None and self._speaker is not None:
            await self._speaker.say(step.say)

    def _restore_emotion(self, before: str, shown: set[str | None]) -> None:
        if self._state.snapshot.emotion in shown:  # nobody else has changed it
            self._face.show_emotion(before)


def _within_limits(servo: Servo, angle: float) -> float:
    low, high = servo.settings.range
    return min(max(angle, low), high)


def _without_error(restore: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    async def restored() -> None:
        with contextlib.suppress(RobotNodeError):  # reported by the output itself
            await restore()

    return restored
