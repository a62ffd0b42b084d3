"""The settings of what the robot does by itself: when something happens, then it shows or moves something."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from robot_node.pin_settings import PinsSettings


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, populate_by_name=True)


class When(_Section):
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


class Then(_Section):
    """What the robot does about it."""

    emotion: str | None = None
    text: Annotated[str, Field(max_length=400)] | None = None
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
        if not (self.emotion or self.text is not None or self.output or self.stop_all):
            raise ValueError("must say at least one of: emotion, text, output, stop_all")
        details = (self.on, self.brightness, self.colour, self.angle, self.speed, self.duration_s)
        if self.output is None and any(detail is not None for detail in details):
            raise ValueError("on, brightness, colour, angle, speed and duration_s need an output")
        return self


class ReactionRule(_Section):
    """When this happens, then do that."""

    when: When
    then: Then


class ReactionSettings(_Section):
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
                    raise ValueError(f"rule {number}: there is no {kind} {name!r}; there are: {', '.join(known)}")
