"""The settings of the robot's pins: privacy, outputs, inputs. See docs/pins.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from robot_node.settings.section import Section, refused

Gpio = Annotated[int, Field(ge=0, le=27)]
"""Number of a GPIO, not of a pin on the header."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]

Claims = Iterator[tuple[str, int]]
"""Users of GPIOs: the setting, and the GPIO's number."""


class SwitchAndLedSettings(Section):
    """The switch that keeps a device off, and the LED that shows it in use; none by default."""

    led_pin: Gpio | None = None
    led_active_high: bool = True
    led_check_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    switch_pin: Gpio | None = None
    switch_kind: Literal["switch", "button"] = "switch"
    engaged_when: Literal["open", "closed"] = "open"

    def gpios_of(self, section: str) -> Claims:
        """The GPIOs in use, as those of a section of that name."""
        for key in ("led_pin", "switch_pin"):
            if (pin := getattr(self, key)) is not None:
                yield f"{section}.{key}", pin


class PrivacySettings(SwitchAndLedSettings):
    """Privacy switch and indicator LED of the camera, and those of the microphone."""

    microphone: SwitchAndLedSettings = SwitchAndLedSettings()

    def claims(self) -> Claims:
        """The GPIOs in use."""
        yield from self.gpios_of("privacy")
        yield from self.microphone.gpios_of("privacy.microphone")


class LedSettings(Section):
    """One LED: on or off, or dimmed."""

    kind: Literal["led", "pwm_led"]
    pin: Gpio
    active_high: bool = True

    def gpios(self) -> Iterable[int]:
        """The GPIOs in use."""
        return (self.pin,)


class RgbLedSettings(Section):
    """An LED of three colours."""

    kind: Literal["rgb_led"]
    pins: tuple[Gpio, Gpio, Gpio]
    active_high: bool = True

    def gpios(self) -> Iterable[int]:
        """The GPIOs in use."""
        return self.pins


class BuzzerSettings(Section):
    """An active buzzer, which sounds while it has power."""

    kind: Literal["buzzer"]
    pin: Gpio
    active_high: bool = True
    max_duration_s: Annotated[float, Field(gt=0, le=60)] = 2.0

    def gpios(self) -> Iterable[int]:
        """The GPIOs in use."""
        return (self.pin,)


class ServoSettings(Section):
    """A servo: pulse widths, range and speed."""

    kind: Literal["servo"]
    pin: Gpio
    angles: tuple[float, float] = (-90.0, 90.0)
    pulses_ms: tuple[Annotated[float, Field(gt=0, le=10)], Annotated[float, Field(gt=0, le=10)]] = (1.0, 2.0)
    limits: tuple[float, float] | None = None
    max_speed: Annotated[float, Field(gt=0, le=2000)] = 60.0
    start_angle: float = 0.0

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest angle that are allowed, in degrees."""
        return self.limits or (min(self.angles), max(self.angles))

    def gpios(self) -> Iterable[int]:
        """The GPIOs in use."""
        return (self.pin,)

    @field_validator("angles")
    @classmethod
    def _two_angles(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] == value[1]:
            raise ValueError("the two angles must differ")
        return value

    @field_validator("pulses_ms")
    @classmethod
    def _rising(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] >= value[1]:
            raise ValueError("the shorter pulse comes first; to turn the other way round, swap the angles")
        return value

    @model_validator(mode="after")
    def _within_limits(self) -> Self:
        low, high = min(self.angles), max(self.angles)
        if self.limits and not low <= self.limits[0] < self.limits[1] <= high:
            raise refused({"limits": f"must be two rising angles within {low:g} to {high:g}"})
        low, high = self.range
        if not low <= self.start_angle <= high:
            raise refused({"start_angle": f"must be within {low:g} to {high:g}"})
        return self


class MotorSettings(Section):
    """A motor behind an H-bridge with an input for each direction."""

    kind: Literal["motor"]
    pins: tuple[Gpio, Gpio]
    enable_pin: Gpio | None = None
    max_speed: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_acceleration: Annotated[float, Field(gt=0, le=1000)] = 2.0
    max_duration_s: Annotated[float, Field(gt=0, le=600)] = 5.0

    def gpios(self) -> Iterable[int]:
        """The GPIOs in use."""
        return self.pins if self.enable_pin is None else (*self.pins, self.enable_pin)


class SwitchInputSettings(Section):
    """A digital input."""

    kind: Literal["button", "switch", "motion_sensor", "line_sensor", "touch_sensor"]
    pin: Gpio
    pull: Literal["up", "down", "none"] | None = None
    active_high: bool = True
    bounce_s: Annotated[float, Field(ge=0, le=10)] = 0.02
    confirms: bool = False
    talks: bool = False

    @property
    def pull_in_use(self) -> Literal["up", "down", "none"]:
        """The pull resistor: up for what is wired to ground, none for what drives the pin itself."""
        return self.pull or ("up" if self.kind in {"button", "switch"} else "none")

    @property
    def active_level(self) -> bool:
        """The level that means active."""
        return self.active_high if self.pull_in_use == "none" else self.pull_in_use == "down"

    @model_validator(mode="after")
    def _pulled_to_the_inactive_level(self) -> Self:
        if not self.active_high and self.pull_in_use != "none":
            raise refused({"active_high": 'false is for pull = "none"; an input that is pulled up is active when low'})
        return self

    @model_validator(mode="after")
    def _acts_when_pressed(self) -> Self:
        for key, why in (("confirms", "to say yes"), ("talks", "to talk to the robot")):
            if getattr(self, key) and self.kind not in {"button", "touch_sensor"}:
                raise refused({key: f"is for a button or a touch_sensor: a person presses it {why}"})
        return self

    def gpios(self) -> Iterable[int]:
        """The GPIOs in use."""
        return (self.pin,)


class DistanceInputSettings(Section):
    """An ultrasonic distance sensor, as the HC-SR04."""

    kind: Literal["distance_sensor"]
    trigger_pin: Gpio
    echo_pin: Gpio
    max_distance_m: Annotated[float, Field(gt=0, le=10)] = 2.0
    near_m: Annotated[float, Field(gt=0, le=10)] = 0.3

    def gpios(self) -> Iterable[int]:
        """The GPIOs in use."""
        return (self.trigger_pin, self.echo_pin)


OutputSettings = Annotated[
    LedSettings | RgbLedSettings | BuzzerSettings | ServoSettings | MotorSettings, Field(discriminator="kind")
]
InputSettings = Annotated[SwitchInputSettings | DistanceInputSettings, Field(discriminator="kind")]


class PinsSettings(Section):
    """Outputs and inputs by name; none by default."""

    outputs: dict[Name, OutputSettings] = Field(default={})
    inputs: dict[Name, InputSettings] = Field(default={})
    pan: str = ""
    tilt: str = ""

    @model_validator(mode="after")
    def _consistent_names(self) -> Self:
        reasons = {}
        if both := sorted(self.inputs.keys() & self.outputs.keys()):
            reasons["inputs"] = f"an input and an output have the same name: {', '.join(both)}"
        for key, name in (("pan", self.pan), ("tilt", self.tilt)):
            if name and not isinstance(self.outputs.get(name), ServoSettings):
                reasons[key] = f"there is no servo {name!r} in pins.outputs"
        if not reasons and (bool(self.pan) != bool(self.tilt) or (self.pan and self.pan == self.tilt)):
            reasons["tilt"] = "pan and tilt name two different servos, or none"
        if reasons:
            raise refused(reasons)
        return self

    def claims(self) -> Claims:
        """The GPIOs in use."""
        sections: tuple[tuple[str, Mapping[str, OutputSettings | InputSettings]], ...] = (
            ("outputs", self.outputs),
            ("inputs", self.inputs),
        )
        for section, described in sections:
            for name, settings in described.items():
                for gpio in settings.gpios():
                    yield f"pins.{section}.{name}", gpio


def pins_used_twice(claims: Iterable[tuple[str, int]]) -> dict[str, str]:
    """The settings whose GPIO has another user already, and why each is refused."""
    users: dict[int, str] = {}
    reasons: dict[str, str] = {}
    for user, gpio in claims:
        if gpio in users:
            reasons[user] = f"GPIO{gpio} is used twice: by {users[gpio]} and by {user}"
        users.setdefault(gpio, user)
    return reasons
