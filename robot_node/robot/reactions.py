"""Reactions: rules by which the robot shows, says or moves something when its state changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from robot_node.core.state import RobotSnapshot, RobotState
from robot_node.devices.face import Face
from robot_node.devices.leds import set_led
from robot_node.devices.outputs import Outputs
from robot_node.errors import RobotNodeError
from robot_node.settings.reactions import ReactionRule, Then, When
from robot_node.speech.speaker import Speaker

if TYPE_CHECKING:  # not loaded unless the robot may record
    from robot_node.robot.recording.recorder import Recorder

logger = logging.getLogger(__name__)

_QUEUE = 32
"""Reactions that may wait; further ones are dropped."""


def matches(when: When, before: RobotSnapshot, now: RobotSnapshot) -> bool:
    """Return whether a change of the robot's state is what a rule waits for."""
    if when.input is not None or when.motion is not None or when.detected is not None:
        was, is_ = _active(when, before), _active(when, now)
        return was is not None and is_ is not was and is_ is (when.is_ == "active")
    if when.camera is not None:
        cameras = before.every_camera
        return any(
            each.state == when.camera and cameras[name].state is not each.state
            for name, each in now.every_camera.items()
        )
    for awaited, was_true, is_true in (
        (when.privacy, before.privacy, now.privacy),
        (when.listening, before.listening, now.listening),
        (when.connected, before.mcp_connected, now.mcp_connected),
    ):
        if awaited is not None:
            return is_true is not was_true and is_true is awaited
    if when.call is not None:
        return now.call is not before.call and now.call == when.call
    return {
        "came": now.viewers > before.viewers,
        "left": now.viewers < before.viewers,
        "some": now.viewers > 0 == before.viewers,
        "none": before.viewers > 0 == now.viewers,
    }[when.viewers or "came"]


def _active(when: When, of: RobotSnapshot) -> bool | None:
    if when.input is not None:
        return of.inputs[when.input].active
    return when.detected in of.detected if when.motion is None else of.motion.get(when.motion, False)


@dataclass(frozen=True, slots=True)
class Reactions:
    """Carries out a robot's rules. They need no network; what fails is logged.

    Attributes:
        rules: In their order.
        state: Whose changes the rules wait for.
        face: Shows emotions and texts.
        outputs: Outputs on the pins.
        stop_all: Stops everything that moves or makes sound.
        speaker: The voice; None without one.
        recorder: Records; None when the robot may not.
    """

    rules: tuple[ReactionRule, ...]
    state: RobotState
    face: Face
    outputs: Outputs
    stop_all: Callable[[], Awaitable[object]]
    speaker: Speaker | None = None
    recorder: Recorder | None = None

    async def run(self) -> None:
        """React until cancelled."""
        if not self.rules:
            return
        due: asyncio.Queue[ReactionRule] = asyncio.Queue(_QUEUE)
        before = self.state.snapshot

        def on_change(now: RobotSnapshot) -> None:
            nonlocal before
            previous, before = before, now
            for rule in self.rules:
                if matches(rule.when, previous, now):
                    try:
                        due.put_nowait(rule)
                    except asyncio.QueueFull:
                        logger.warning("Too many reactions at once: one is dropped")

        stop = self.state.listen(on_change)
        try:
            while True:
                rule = await due.get()
                try:
                    await self._do(rule.then, rule.when)
                except RobotNodeError as error:
                    logger.error("A reaction failed: %s", error)
        finally:
            stop()

    async def _do(self, then: Then, when: When) -> None:
        if then.stop_all:
            await self.stop_all()
        if then.emotion is not None:
            self.face.show_emotion(then.emotion)
        if then.text is not None:
            self.face.show_text(then.text)
        if then.output is not None:
            await _set(self.outputs, then.output, then)
        if then.record is not None and self.recorder is not None:
            _record(self.recorder, then.record, f"when {when}")
        if then.say is not None and self.speaker is not None:
            await self.speaker.say(then.say)


def _record(recorder: Recorder, what: Literal["clip", "start", "stop"], cause: str) -> None:
    match what:
        case "clip":
            recorder.save_clip(cause=cause)
        case "start":
            recorder.start(cause=cause)
        case "stop":
            recorder.stop()


async def _set(outputs: Outputs, name: str, then: Then) -> None:
    if name in outputs.leds:
        await set_led(outputs.leds[name], on=then.on, brightness=then.brightness, colour=then.colour)
    elif name in outputs.buzzers:
        await outputs.buzzers[name].beep(min(then.duration_s or 0.0, outputs.buzzers[name].settings.max_duration_s))
    elif name in outputs.servos and then.angle is not None:
        await outputs.servos[name].begin(then.angle, then.duration_s)
    elif name in outputs.motors and then.speed is not None and then.duration_s is not None:
        await outputs.motors[name].drive(then.speed, then.duration_s)
