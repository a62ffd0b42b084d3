"""The settings of what the robot does by itself: when something happens, then it shows or moves something."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from robot_node.settings.pins import MotorSettings, OutputSettings, PinsSettings, ServoSettings
from robot_node.settings.section import Section


class _Part(Section):
    model_config = ConfigDict(populate_by_name=True)


class When(_Part):
    """One thing that happens: an input, the camera, the privacy switch, viewers, the broker or a call changes."""

    input: str | None = None
    camera: Literal["off", "on", "failed"] | None = None
    privacy: bool | None = None
    viewers: Literal["came", "left", "some", "none"] | None = None
    connected: bool | None = None
    call: Literal["connecting", "connected", "failed", "closed"] | None = None
    is_: Annotated[Literal["active", "inactive"], Field(alias="is")] = "active"

    @model_validator(mode="after")
    def _exactly_one(self) -> When:
        said = [key for key in _THINGS if getattr(self, key) is not None]
        if len(said) != 1:
            raise ValueError(f"must say exactly one of: {', '.join(_THINGS)}")
        return self


_THINGS = ("input", "camera", "privacy", "viewers", "connected", "call")


class Then(_Part):
    """What the robot does about it."""

    emotion: str | None = None
    text: Annotated[str, Field(max_length=400)] | None = None
    say: Annotated[str, Field(max_length=400)] | None = None
    output: str | None = None
    on: bool | None = None
    brightness: Annotated[float, Field(ge=0, le=1)] | None = None
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    angle: float | None = None
    speed: Annotated[float, Field(ge=-1, le=1)] | None = None
    duration_s: Annotated[float, Field(gt=0, le=600)] | None = None
    stop_all: bool = False

    @model_validator(mode="after")
    def _something(self) -> Then:
        if not (self.emotion or self.text is not None or self.say or self.output or self.stop_all):
            raise ValueError("must say at least one of: emotion, text, say, output, stop_all")
        details = (self.on, self.brightness, self.colour, self.angle, self.speed, self.duration_s)
        if self.output is None and any(detail is not None for detail in details):
            raise ValueError("on, brightness, colour, angle, speed and duration_s need an output")
        return self


class ReactionRule(_Part):
    """When this happens, then do that."""

    when: When
    then: Then


class ReactionSettings(_Part):
    """The robot's reactions; none by default."""

    rules: Annotated[tuple[ReactionRule, ...], Field(max_length=100)] = ()

    def check(self, emotions: Collection[str], pins: PinsSettings) -> None:
        """Check that what the rules name is there.

        Raises:
            ValueError: it isn't; says which rule.
        """
        for number, rule in enumerate(self.rules, 1):
            for kind, name, known in (
                ("input", rule.when.input, pins.inputs),
                ("emotion", rule.then.emotion, emotions),
                ("output", rule.then.output, pins.outputs),
            ):
                if name is not None and name not in known:
                    there_are = f"there are: {', '.join(known)}" if known else "there are none"
                    raise ValueError(f"rule {number}: there is no {kind} {name!r}; {there_are}")
            if rule.then.output is not None:
                _check_output(number, rule.then, pins.outputs[rule.then.output])


def _check_output(number: int, then: Then, output: OutputSettings) -> None:
    details = ("on", "brightness", "colour", "angle", "speed", "duration_s")
    given = {key for key in details if getattr(then, key) is not None}
    needed, allowed = _DETAILS[output.kind]
    if not needed <= given or not given <= allowed or not given:
        raise ValueError(
            f"rule {number}: the {output.kind} {then.output!r} is told {' and '.join(sorted(needed or allowed))}"
        )
    if isinstance(output, ServoSettings) and then.angle is not None:
        low, high = output.range
        if not low <= then.angle <= high:
            raise ValueError(f"rule {number}: the servo {then.output!r} turns from {low:g} to {high:g} degrees")
    if isinstance(output, MotorSettings) and (
        abs(then.speed or 0) > output.max_speed or (then.duration_s or 0) > output.max_duration_s
    ):
        raise ValueError(
            f"rule {number}: the motor {then.output!r} drives at {output.max_speed:g} and for "
            f"{output.max_duration_s:g} s at most"
        )


_DETAILS = {
    "led": (frozenset[str](), frozenset({"on"})),
    "pwm_led": (frozenset[str](), frozenset({"on", "brightness"})),
    "rgb_led": (frozenset[str](), frozenset({"on", "brightness", "colour"})),
    "buzzer": (frozenset({"duration_s"}), frozenset({"duration_s"})),
    "servo": (frozenset({"angle"}), frozenset({"angle", "duration_s"})),
    "motor": (frozenset({"speed", "duration_s"}), frozenset({"speed", "duration_s"})),
}
"""What a rule must and may tell each kind of output."""
