"""The settings of the robot's reactions: when something happens, it shows, says or moves something."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from robot_node.settings.pins import MotorSettings, OutputSettings, PinsSettings, ServoSettings
from robot_node.settings.section import Section


class When(Section):
    """The event of a rule: an input, motion, an object, camera, privacy, viewers, broker, call or listening changes."""

    model_config = ConfigDict(populate_by_name=True)

    input: str | None = None
    motion: str | None = None
    detected: str | None = None
    camera: Literal["off", "on", "failed"] | None = None
    privacy: bool | None = None
    viewers: Literal["came", "left", "some", "none"] | None = None
    connected: bool | None = None
    call: Literal["connecting", "connected", "failed", "closed"] | None = None
    listening: bool | None = None
    is_: Annotated[Literal["active", "inactive"], Field(alias="is")] = "active"

    def __str__(self) -> str:
        """Describe it in short, e.g. ``input doorbell`` or ``motion door is inactive``."""
        event = next(f"{key} {getattr(self, key)}" for key in _EVENTS if getattr(self, key) is not None)
        return event if self.is_ == "active" else f"{event} is inactive"

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(getattr(self, key) is not None for key in _EVENTS) != 1:
            raise ValueError(f"must have exactly one of: {', '.join(_EVENTS)}")
        return self


_EVENTS = ("input", "motion", "detected", "camera", "privacy", "viewers", "connected", "call", "listening")


class Then(Section):
    """The reaction of a rule."""

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
    record: Literal["clip", "start", "stop"] | None = None
    stop_all: bool = False

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.emotion or self.text is not None or self.say or self.output or self.record or self.stop_all):
            raise ValueError("must have at least one of: emotion, text, say, output, record, stop_all")
        details = (self.on, self.brightness, self.colour, self.angle, self.speed, self.duration_s)
        if self.output is None and any(detail is not None for detail in details):
            raise ValueError("on, brightness, colour, angle, speed and duration_s need an output")
        return self


class ReactionRule(Section):
    """An event and the reaction to it."""

    when: When
    then: Then


class ReactionSettings(Section):
    """The robot's reactions; none by default."""

    rules: Annotated[tuple[ReactionRule, ...], Field(max_length=100)] = ()

    def problems(
        self, emotions: Collection[str], pins: PinsSettings, zones: Collection[str] = ()
    ) -> Iterator[tuple[str, str]]:
        """Yield what the rules name that does not exist, or cannot do what they say: key below the section, reason."""
        for number, rule in enumerate(self.rules):
            for key, name, known in (
                ("when.input", rule.when.input, pins.inputs),
                ("when.motion", rule.when.motion, zones),
                ("then.emotion", rule.then.emotion, emotions),
                ("then.output", rule.then.output, pins.outputs),
            ):
                if name is not None and name not in known:
                    there_are = f"there are: {', '.join(known)}" if known else "there are none"
                    kind = _KINDS.get(key) or key.partition(".")[2]
                    yield f"rules.{number}.{key}", f"there is no {kind} {name!r}; {there_are}"
            if rule.then.output in pins.outputs:
                output = pins.outputs[rule.then.output]
                yield from ((f"rules.{number}.then{key}", reason) for key, reason in _of_output(rule.then, output))


_KINDS = {"when.motion": "zone of motion"}


def _of_output(then: Then, output: OutputSettings) -> Iterator[tuple[str, str]]:
    details = ("on", "brightness", "colour", "angle", "speed", "duration_s")
    given = {key for key in details if getattr(then, key) is not None}
    needed, allowed = _DETAILS[output.kind]
    if not needed <= given or not given <= allowed or not given:
        yield "", f"the {output.kind} {then.output!r} needs {' and '.join(sorted(needed or allowed))}"
    if isinstance(output, ServoSettings) and then.angle is not None:
        low, high = output.range
        if not low <= then.angle <= high:
            yield ".angle", f"the servo {then.output!r} turns from {low:g} to {high:g} degrees"
    if isinstance(output, MotorSettings):
        if abs(then.speed or 0) > output.max_speed:
            yield ".speed", f"the motor {then.output!r} drives at {output.max_speed:g} at most"
        if (then.duration_s or 0) > output.max_duration_s:
            yield ".duration_s", f"the motor {then.output!r} drives for {output.max_duration_s:g} s at most"


_DETAILS = {
    "led": (frozenset[str](), frozenset({"on"})),
    "pwm_led": (frozenset[str](), frozenset({"on", "brightness"})),
    "rgb_led": (frozenset[str](), frozenset({"on", "brightness", "colour"})),
    "buzzer": (frozenset({"duration_s"}), frozenset({"duration_s"})),
    "servo": (frozenset({"angle"}), frozenset({"angle", "duration_s"})),
    "motor": (frozenset({"speed", "duration_s"}), frozenset({"speed", "duration_s"})),
}
"""The keys that a rule for each kind of output must have, and those that it may have."""
