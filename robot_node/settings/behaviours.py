"""Behaviours: short sequences of face, servos, LEDs and sound, as data; built-in ones, and those of the settings."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from robot_node.settings.section import Section, refused

MAX_BEHAVIOURS = 32
_MAX_SECONDS = 30.0
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_Angle = Annotated[float, Field(ge=-180, le=180)]


class Step(Section):
    """A step of a behaviour: what begins at once, and how long until the next step.

    What the robot lacks is left out. Angles are degrees from where it looked before, kept within the servos' limits.
    """

    seconds: Annotated[float, Field(gt=0, le=10)] = 0.5
    emotion: str | None = None
    text: Annotated[str, Field(max_length=200)] | None = None
    say: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    pan: _Angle | None = None
    tilt: _Angle | None = None
    led: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    beep_s: Annotated[float, Field(gt=0, le=1)] | None = None


class Behaviour(Section):
    """Steps in order, of at most 30 s in all; afterwards face and LEDs are as before."""

    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=32)]

    @model_validator(mode="after")
    def _short(self) -> Self:
        total = sum(step.seconds for step in self.steps)
        if total > _MAX_SECONDS:
            raise ValueError(f"its steps take {total:g} s in all: at most {_MAX_SECONDS:g} s are allowed")
        return self


class BehaviourSettings(BaseModel):
    """Your own behaviours, which may replace built-in ones: a table for each."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Behaviour] = Field(init=False)

    @model_validator(mode="after")
    def _few_and_named(self) -> Self:
        own = self.__pydantic_extra__
        if len(own) > MAX_BEHAVIOURS:
            raise ValueError(f"{len(own)} behaviours are defined: at most {MAX_BEHAVIOURS} are allowed")
        reason = "cannot be a behaviour's name: use lower-case letters, digits, '-' and '_'"
        if wrong := {name: f"{name[:40]!r} {reason}" for name in own if not _NAME.fullmatch(name)}:
            raise refused(wrong)
        return self

    def all(self) -> Mapping[str, Behaviour]:
        """The built-in behaviours with those of the settings, by name."""
        return {**BUILT_IN, **self.__pydantic_extra__}

    def problems(self, emotions: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield what the behaviours name that does not exist: key below the section, reason."""
        for name, behaviour in self.__pydantic_extra__.items():
            for number, step in enumerate(behaviour.steps):
                if step.emotion is not None and step.emotion not in emotions:
                    known = ", ".join(emotions)
                    yield f"{name}.steps.{number}.emotion", f"there is no emotion {step.emotion!r}; there are: {known}"


def _behaviour(*steps: Step) -> Behaviour:
    return Behaviour(steps=steps)


BUILT_IN: Mapping[str, Behaviour] = {
    "nod": _behaviour(
        Step(tilt=12, seconds=0.3),
        Step(tilt=-6, seconds=0.35),
        Step(tilt=12, seconds=0.35),
        Step(tilt=0, seconds=0.3),
    ),
    "shake": _behaviour(
        Step(pan=20, seconds=0.35),
        Step(pan=-20, seconds=0.7),
        Step(pan=20, seconds=0.7),
        Step(pan=0, seconds=0.35),
    ),
    "greet": _behaviour(
        Step(emotion="happy", led="#ffb000", say="Hello!", tilt=10, beep_s=0.1, seconds=0.6),
        Step(tilt=-5, beep_s=0.2, seconds=0.5),
        Step(tilt=0, seconds=1.5),
    ),
    "celebrate": _behaviour(
        Step(emotion="laugh", led="#ff0000", pan=10, beep_s=0.1, seconds=0.4),
        Step(led="#000000", pan=-10, seconds=0.4),
        Step(led="#00ff00", pan=10, beep_s=0.1, seconds=0.4),
        Step(led="#000000", pan=-10, seconds=0.4),
        Step(led="#0000ff", pan=0, beep_s=0.3, seconds=1.0),
    ),
    "think": _behaviour(
        Step(emotion="thinking", tilt=-15, pan=15, led="#4040ff", seconds=1.5),
        Step(pan=-15, seconds=1.5),
        Step(pan=0, tilt=0, seconds=0.5),
    ),
    "look_around": _behaviour(
        Step(pan=-40, seconds=1.2),
        Step(pan=40, tilt=10, seconds=2.0),
        Step(pan=0, tilt=0, seconds=1.2),
    ),
}
"""The behaviours that exist by default; their movements suit servos of the default speed, 60 degrees a second.

One of the settings of the same name replaces a built-in one.
"""
