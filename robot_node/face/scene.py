"""The state of an animated face as one immutable value, from which the picture at any time follows. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from robot_node.face import modifiers, signs, timing
from robot_node.face.modifiers import Weighed
from robot_node.face.shapes import Expression, Motion
from robot_node.face.signs import Signs
from robot_node.face.speech import Speech
from robot_node.face.text import Caption, Notice
from robot_node.face.timing import BLINK_LENGTH, RESTING, Ramp, Schedule

_BLINKS, _DOUBLE, _GLANCES, _ACROSS, _DOWN, _BACK = range(6)  # purposes of random numbers
_DOUBLE_SHARE = 0.15
_SECOND_BLINK = 1.3
"""Start of the second blink of a double blink, in lengths of a blink."""

_GLANCE_BACK_SHARE = 0.5
_SACCADE = 0.08
"""Duration of a movement of the eyes, in seconds."""

_RAISE = 0.25
"""Seconds in which the face moves up to make room for text."""

_FRAME = 0.02
_MAX_BLENDED = 6

NO_CAPTION = Caption((), (), 0.0)


@dataclass(frozen=True, slots=True)
class Moment:
    """The content of a picture; equal moments have equal pictures.

    Attributes:
        face: The expression, with motion applied.
        raised: How far the face has moved up for text, 0 to 1.
        text: The line of text below the face.
        signs: The signs at the edge.
        signs_frame: Frame number of animated signs.
    """

    face: Expression
    raised: float
    text: str
    signs: Signs
    signs_frame: int


@dataclass(frozen=True, slots=True)
class Scene:
    """State of a face; immutable, so methods return a changed copy.

    Attributes:
        target: Current expression, possibly in transition.
        origin: Expressions and their weights at the start of the transition.
        turn: Weight of the target.
        seed: Seed of random blinks and glances.
        speech: Loudness of speech over time.
        caption: Text below the face.
        error: The error of the signs, as text.
        room: Latest movement of the face to make room for text.
        room_until: End of the text that needs the room.
        signs: Signs at the edge.
    """

    target: Expression
    origin: Weighed = ()
    turn: Ramp = Ramp(1.0, 1.0)
    seed: int = 0
    speech: Speech = Speech()
    caption: Caption = NO_CAPTION
    error: Notice = Notice()
    room: Ramp = RESTING
    room_until: float = 0.0
    signs: Signs = Signs()

    def showing(self, expression: Expression, time: float) -> Scene:
        """Return the scene with a transition to an expression, from the face at that time."""
        if expression == self.target:
            return self
        turn = Ramp(0.0, 1.0, time, expression.motion.transition)
        return replace(self, target=expression, origin=self.shares(time), turn=turn)

    def speaking(self, samples: Iterable[tuple[float, float]]) -> Scene:
        """Return the scene with more samples of speech."""
        return replace(self, speech=self.speech.with_samples(samples))

    def silent(self, time: float) -> Scene:
        """Return the scene whose speech ends at a time."""
        return replace(self, speech=self.speech.stopped_at(time))

    def captioned(self, caption: Caption, time: float) -> Scene:
        """Return the scene with another text below the face."""
        return self._with_room(caption, self.error, time)

    def signed(self, shown: Signs, error: tuple[str, ...], time: float) -> Scene:
        """Return the scene with other signs; ``error`` is their error, as lines."""
        if shown == self.signs:
            return self
        notice = self.error if error == self.error.lines else Notice(error, time)
        return replace(self._with_room(self.caption, notice, time), signs=shown)

    def moment(self, time: float) -> Moment:
        """Return the content of the picture at a time."""
        return Moment(self.face(time), self.raised(time), self.text(time), self.signs, signs.frame(self.signs, time))

    def face(self, time: float) -> Expression:
        """Return the expression at a time, with motion applied."""
        shares = self.shares(time)
        face = modifiers.blend(shares)
        blink = across = down = right = low = breath = 0.0
        for expression, share in shares:
            motion = expression.motion
            blink += share * self._blink(motion, time)
            look = self._glance(motion, time)
            across += share * look[0]
            down += share * look[1]
            right += share * _shake_offset(motion, time)
            low += share * _bob_offset(motion, time)
            breath += share * (motion.breath * timing.slow_wave(time, motion.breath_period) if motion.breath else 0.0)
        face = modifiers.glance(face, across, down)
        face = modifiers.breathe(face, round(breath))
        face = modifiers.blink(face, blink)
        face = modifiers.speak(face, self.speech.presence(time), self.speech.level(time))
        face = modifiers.sway(face, lambda period: timing.slow_wave(time, period))
        return modifiers.move(face, round(right), round(low))

    def shares(self, time: float) -> Weighed:
        """Return the expressions that are blended at a time, with their weights."""
        arrived = self.turn.at(time)
        if arrived >= 1 or not self.origin:
            return ((self.target, 1.0),)
        shares = {expression: share * (1 - arrived) for expression, share in self.origin}
        shares[self.target] = shares.get(self.target, 0.0) + arrived
        # Bounded: frequent changes would leave ever more expressions with invisible weights.
        strongest = sorted(shares.items(), key=lambda item: -item[1])[:_MAX_BLENDED]
        whole = sum(share for _, share in strongest)
        return tuple((expression, share / whole) for expression, share in strongest)

    def raised(self, time: float) -> float:
        """Return how far the face has moved up for text, 0 to 1."""
        for_caption = self.room.at(time) * (1 - timing.ease((time - self.room_until) / _RAISE))
        since = self.error.within(time)
        for_error = timing.ease(since / _RAISE) * (1 - timing.ease((since - self.error.duration) / _RAISE))
        return max(for_caption, for_error)

    def text(self, time: float) -> str:
        """Return the line below the face: the caption, else the error."""
        return self.caption.line(time) or self.error.line(time)

    def next_change(self, time: float) -> float:
        """Return when the picture may change after a time; infinity if it does not."""
        if self._is_moving(time):
            return time + _FRAME
        changes = [
            self.caption.next_change(time),
            self.error.next_change(time),
            signs.next_change(self.signs, time),
            self.speech.next_change(time),
        ]
        if self.turn.moves(time):
            changes.append(self.turn.since)
        for expression in self._visible(time):
            changes += self._next_motions(expression, time)
        return min(changes)

    def _with_room(self, caption: Caption, error: Notice, time: float) -> Scene:
        current = caption if time < caption.until else NO_CAPTION
        until = max(current.until, error.until(time))
        room = Ramp(self.raised(time), 1.0 if until > time else 0.0, time, _RAISE)
        return replace(self, caption=current, error=error, room=room, room_until=until)

    def _visible(self, time: float) -> list[Expression]:
        return [expression for expression, share in self.shares(time) if share > 0]

    def _is_moving(self, time: float) -> bool:
        if self.turn.since <= time and self.turn.moves(time):
            return True
        shown = self.error.within(time)
        leaving = self.room_until <= time < self.room_until + _RAISE
        if leaving or self.room.moves(time) or self.speech.next_change(time) <= time:
            return True
        if shown < _RAISE or self.error.duration <= shown < self.error.duration + _RAISE:
            return True
        return any(self._moves(expression, time) for expression in self._visible(time))

    def _moves(self, expression: Expression, time: float) -> bool:
        motion = expression.motion
        if (motion.shake or motion.bounce) and time % motion.bursts < motion.burst:
            return True
        if not _has_pupils(expression):
            return False
        blinks, glances = self._schedules(motion)
        index = blinks.last(time)
        length = (_SECOND_BLINK + 1 if self._is_double(index) else 1) * BLINK_LENGTH * motion.blink_length
        turning = motion.glance and time - glances.time_of(glances.last(time)) <= _SACCADE
        return bool(turning) or time - blinks.time_of(index) <= length + _FRAME

    def _next_motions(self, expression: Expression, time: float) -> list[float]:
        motion = expression.motion
        changes = []
        if motion.bob or motion.breath or any(mark.sway for mark in expression.marks):
            changes.append(timing.next_slow_tick(time))
        if motion.shake or motion.bounce:
            changes.append((math.floor(time / motion.bursts) + 1) * motion.bursts)
        if _has_pupils(expression):
            blinks, glances = self._schedules(motion)
            changes.append(blinks.time_of(blinks.last(time) + 1))
            if motion.glance:
                changes.append(glances.time_of(glances.last(time) + 1))
        return changes

    def _schedules(self, motion: Motion) -> tuple[Schedule, Schedule]:
        return Schedule(self.seed, _BLINKS, *motion.blink), Schedule(self.seed, _GLANCES, *motion.glances)

    def _blink(self, motion: Motion, time: float) -> float:
        schedule, _ = self._schedules(motion)
        index = schedule.last(time)
        since = time - schedule.time_of(index)
        second = _SECOND_BLINK * BLINK_LENGTH * motion.blink_length
        if since >= second and self._is_double(index):
            since -= second
        return timing.blink(since, motion.blink_length)

    def _is_double(self, index: int) -> bool:
        return timing.chance(self.seed, _DOUBLE, index) < _DOUBLE_SHARE

    def _glance(self, motion: Motion, time: float) -> tuple[float, float]:
        if not motion.glance:
            return 0.0, 0.0
        _, schedule = self._schedules(motion)
        index = schedule.last(time)
        turned = timing.ease((time - schedule.time_of(index)) / _SACCADE)
        after = self._gaze_offset(motion, index)
        if turned >= 1:
            return after
        before = self._gaze_offset(motion, index - 1)
        return before[0] + (after[0] - before[0]) * turned, before[1] + (after[1] - before[1]) * turned

    def _gaze_offset(self, motion: Motion, index: int) -> tuple[float, float]:
        if timing.chance(self.seed, _BACK, index) < _GLANCE_BACK_SHARE:
            return 0.0, 0.0
        across, down = (2 * timing.chance(self.seed, purpose, index) - 1 for purpose in (_ACROSS, _DOWN))
        return motion.glance * across, motion.glance * down * 0.5


def _has_pupils(expression: Expression) -> bool:
    return bool(expression.left.pupil or expression.right.pupil)


def _shake_offset(motion: Motion, time: float) -> float:
    if not motion.shake:
        return 0.0
    strength = timing.burst(time, motion.burst, motion.bursts)
    return motion.shake * strength * math.sin(2 * math.pi * time / motion.shake_period)


def _bob_offset(motion: Motion, time: float) -> float:
    """Return the vertical offset, downwards, of a slow bob and of bounces in bursts."""
    low = motion.bob * timing.slow_wave(time, motion.bob_period) if motion.bob else 0.0
    if motion.bounce:
        hop = timing.burst(time, motion.burst, motion.bursts) * math.sin(math.pi * time / motion.shake_period)
        low -= motion.bounce * abs(hop)
    return low
