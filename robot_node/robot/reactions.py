"""What the robot does by itself: a table of things that happen, each with what it shows, says or moves then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from robot_node.core.state import RobotSnapshot
from robot_node.devices.leds import set_led
from robot_node.devices.outputs import Outputs
from robot_node.errors import RobotNodeError
from robot_node.robot.robot import Body
from robot_node.robot.stop_all import stop_all
from robot_node.settings.reactions import ReactionRule, Then, When

logger = logging.getLogger(__name__)

_WAITING = 32
"""Reactions that may wait for their turn; what happens while so many wait is not reacted to."""


def happened(when: When, before: RobotSnapshot, now: RobotSnapshot) -> bool:
    """Whether a change of the robot's state is what a rule waits for."""
    if when.input is not None:
        was, is_ = before.inputs[when.input].active, now.inputs[when.input].active
        return was is not None and is_ is not was and is_ is (when.is_ == "active")
    if when.camera is not None:
        return now.camera is not before.camera and now.camera == when.camera
    if when.privacy is not None:
        return now.privacy is not before.privacy and now.privacy is when.privacy
    if when.connected is not None:
        return now.mcp_connected is not before.mcp_connected and now.mcp_connected is when.connected
    if when.call is not None:
        return now.call is not before.call and now.call == when.call
    return {
        "came": now.viewers > before.viewers,
        "left": now.viewers < before.viewers,
        "some": now.viewers > 0 == before.viewers,
        "none": before.viewers > 0 == now.viewers,
    }[when.viewers or "came"]


async def react(body: Body, rules: Iterable[ReactionRule]) -> None:
    """Carry out the rules until cancelled. They need no network; what fails is logged, and the next one comes.

    Args:
        body: Whose state is watched, and what acts.
        rules: In their order.
    """
    rules = tuple(rules)
    if not rules:
        return
    due: asyncio.Queue[Then] = asyncio.Queue(_WAITING)
    before = body.state.snapshot

    def changed(now: RobotSnapshot) -> None:
        nonlocal before
        previous, before = before, now
        for rule in rules:
            if happened(rule.when, previous, now):
                try:
                    due.put_nowait(rule.then)
                except asyncio.QueueFull:
                    logger.warning("Too much happens at once: not all of it is reacted to")

    stop = body.state.listen(changed)
    try:
        while True:
            then = await due.get()
            try:
                await _do(body, then)
            except RobotNodeError as error:
                logger.error("A reaction failed: %s", error)
    finally:
        stop()


async def _do(body: Body, then: Then) -> None:
    if then.stop_all:
        await stop_all(body)
    if then.emotion is not None:
        body.face.show_emotion(then.emotion)
    if then.text is not None:
        body.face.show_text(then.text)
    if then.output is not None and body.outputs is not None:
        await _set(body.outputs, then.output, then)
    if then.say is not None and body.speaker is not None:
        await body.speaker.say(then.say)


async def _set(outputs: Outputs, name: str, then: Then) -> None:
    if name in outputs.leds:
        await set_led(outputs.leds[name], on=then.on, brightness=then.brightness, colour=then.colour)
    elif name in outputs.buzzers:
        await outputs.buzzers[name].beep(min(then.duration_s or 0.0, outputs.buzzers[name].settings.max_duration_s))
    elif name in outputs.servos and then.angle is not None:
        await outputs.servos[name].begin(then.angle, then.duration_s)
    elif name in outputs.motors and then.speed is not None and then.duration_s is not None:
        await outputs.motors[name].drive(then.speed, then.duration_s)
