"""The tools of the outputs on the pins: LEDs, buzzers, servos and motors; one for each kind that the robot has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from robot_node.devices import leds as led_driver
from robot_node.devices.leds import Led, RgbLed
from robot_node.devices.outputs import Buzzer, Motor, Outputs, Servo
from robot_node.mcp_mqtt.stay import ClientStay, current_stay
from robot_node.tools.common import ACTS, SETS, readable_errors
from robot_node.tools.listing import UNLISTED


class LedResult(BaseModel):
    """Result of set_led."""

    name: str = Field(description="Which LED.")
    brightness: float = Field(description="0 dark, 1 brightest.")


class BeepResult(BaseModel):
    """Result of beep."""

    name: str = Field(description="Which buzzer.")
    seconds: float = Field(description="Duration in seconds, pauses included.")


class ServoResult(BaseModel):
    """Result of move_servo, and of each servo of look_at."""

    angle: float = Field(description="Where it is now, in degrees.")
    reached: bool = Field(description="false: it was moved or stopped by another call on its way.")


class LookResult(BaseModel):
    """Result of look_at."""

    pan: ServoResult
    tilt: ServoResult


class MotorResult(BaseModel):
    """Result of drive_motor."""

    name: str = Field(description="Which motor.")
    speed: float = Field(description="The speed that it goes to.")
    seconds: float = Field(description="After so long it stops by itself.")


class SessionOwner:
    """The session on whose behalf something moves."""


@asynccontextmanager
async def stop_with_session(outputs: Outputs) -> AsyncIterator[SessionOwner | ClientStay]:
    """Stop what an agent set in motion when its session ends, unless a new session of its own replaces that one."""
    if (stay := current_stay()) is not None:
        stay.at_end(outputs.stop_all, lambda: outputs.stop_all(stay))
        yield stay
        return
    owner = SessionOwner()
    try:
        yield owner
    finally:
        outputs.stop_all(owner)


def offer_outputs(server: MCPServer, outputs: Outputs) -> None:
    """Let agents use the outputs. The lifespan of ``server`` is :func:`stop_with_session`."""
    if outputs.leds:
        _offer_leds(server, outputs.leds)
    if outputs.buzzers:
        _offer_buzzers(server, outputs.buzzers)
    if outputs.servos:
        _offer_servos(server, outputs.servos)
    if outputs.pan_tilt is not None:
        _offer_look(server, *outputs.pan_tilt)
    if outputs.motors:
        _offer_motors(server, outputs.motors)


def _offer_leds(server: MCPServer, leds: dict[str, Led | RgbLed]) -> None:
    async def set_led(
        name: str,
        on: Annotated[bool | None, Field(description="true: on, false: dark.")] = None,
        brightness: float | None = None,
        colour: str | None = None,
    ) -> LedResult:
        """Light an LED, or let it go dark."""
        with readable_errors():
            return LedResult(
                name=name, brightness=await led_driver.set_led(leds[name], on=on, brightness=brightness, colour=colour)
            )

    # What none of these LEDs can do is refused with the reason, but not offered.
    set_led.__annotations__["brightness"] = Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="0 dark, 1 brightest.",
            json_schema_extra={UNLISTED: not any(led.dims for led in leds.values())},
        ),
    ]
    set_led.__annotations__["colour"] = Annotated[
        str | None,
        Field(
            pattern="^#[0-9a-fA-F]{6}$",
            description='As "#ff8000". Kept until it is changed.',
            json_schema_extra={UNLISTED: not any(isinstance(led, RgbLed) for led in leds.values())},
        ),
    ]
    kinds = "; ".join(f"{name}: {_led_can(led)}" for name, led in leds.items())
    _name_one_of(set_led, leds, f"Which LED. {kinds}.")
    server.tool(title="Set an LED", annotations=SETS)(set_led)


def _led_can(led: Led | RgbLed) -> str:
    if isinstance(led, RgbLed):
        return "brightness and colour"
    return "brightness" if led.dims else "on or dark"


def _offer_buzzers(server: MCPServer, buzzers: dict[str, Buzzer]) -> None:
    longest = max(buzzer.settings.max_duration_s for buzzer in buzzers.values())

    async def beep(
        name: str,
        ctx: Context[Any, Any],
        duration: float = 0.2,
        times: Annotated[int, Field(ge=1, le=10, description="How often, with pauses as long.")] = 1,
    ) -> BeepResult:
        """Sound a buzzer. Returns when it is silent again."""
        limit = buzzers[name].settings.max_duration_s
        if duration > limit:
            raise ToolError(f"The buzzer {name!r} sounds for {limit:g} s at most.")
        with readable_errors():
            await buzzers[name].beep(duration, times, owner=_owner(ctx))
        await buzzers[name].finished()
        return BeepResult(name=name, seconds=round(duration * (2 * times - 1), 3))

    beep.__annotations__["duration"] = Annotated[float, Field(gt=0, le=longest, description="Seconds of each beep.")]
    _name_one_of(beep, buzzers, f"Which buzzer. {_each(buzzers, lambda b: f'up to {b.settings.max_duration_s:g} s')}.")
    server.tool(title="Beep", annotations=ACTS)(beep)


def _offer_servos(server: MCPServer, servos: dict[str, Servo]) -> None:
    async def move_servo(
        name: str,
        angle: float,
        ctx: Context[Any, Any],
        duration: Annotated[
            float | None,
            Field(gt=0, le=30, description="Seconds; left out: as fast as allowed."),
        ] = None,
    ) -> ServoResult:
        """Turn a servo; returns when it is there or stopped."""
        with readable_errors():
            return await _turn(servos[name], angle, duration, ctx)

    low = min(servo.settings.range[0] for servo in servos.values())
    high = max(servo.settings.range[1] for servo in servos.values())
    move_servo.__annotations__["angle"] = Annotated[float, Field(ge=low, le=high, description="In degrees.")]
    _name_one_of(move_servo, servos, f"Which servo. {_each(servos, _range)}.")
    server.tool(title="Move a servo", annotations=SETS)(move_servo)


def _range(servo: Servo) -> str:
    low, high = servo.settings.range
    return f"{low:g} to {high:g} degrees, at most {servo.settings.max_speed:g} a second"


async def _turn(servo: Servo, angle: float, duration: float | None, ctx: Context[Any, Any]) -> ServoResult:
    reached = await servo.turn(angle, duration, owner=_owner(ctx))
    return ServoResult(angle=round(servo.mover.value, 2), reached=reached)


def _offer_look(server: MCPServer, pan: Servo, tilt: Servo) -> None:
    async def look_at(
        pan: float,
        tilt: float,
        ctx: Context[Any, Any],
        duration: Annotated[
            float | None, Field(gt=0, le=30, description="Seconds; left out: as fast as allowed.")
        ] = None,
    ) -> LookResult:
        """Turn the robot's head or camera; returns when it is there, or was stopped by another call."""
        with readable_errors():
            for servo, angle in zip(servos, (pan, tilt), strict=True):
                servo.check(angle)  # neither moves when one of them cannot
            turned = await asyncio.gather(
                *(_turn(s, a, duration, ctx) for s, a in zip(servos, (pan, tilt), strict=True))
            )
        return LookResult(pan=turned[0], tilt=turned[1])

    servos = (pan, tilt)
    for name, servo in zip(("pan", "tilt"), servos, strict=True):
        low, high = servo.settings.range
        look_at.__annotations__[name] = Annotated[
            float, Field(ge=low, le=high, description=f"Angle of {name}, degrees.")
        ]
    server.tool(title="Look at", annotations=SETS)(look_at)


def _offer_motors(server: MCPServer, motors: dict[str, Motor]) -> None:
    async def drive_motor(
        name: str,
        speed: float,
        duration: float,
        ctx: Context[Any, Any],
        renew: Annotated[bool, Field(description="true: only while it still drives for you.")] = False,  # noqa: FBT002  # an argument of a tool has a name
    ) -> MotorResult:
        """Drive a motor for some seconds; then it stops by itself.

        Returns at once, so that two can drive together. It stops too when the caller's session ends.
        """
        with readable_errors():
            await motors[name].drive(speed, duration, owner=_owner(ctx), renew=renew)
        return MotorResult(name=name, speed=speed, seconds=duration)

    fastest = max(motor.settings.max_speed for motor in motors.values())
    longest = max(motor.settings.max_duration_s for motor in motors.values())
    drive_motor.__annotations__["speed"] = Annotated[
        float, Field(ge=-fastest, le=fastest, description="Share of full speed; negative: backwards.")
    ]
    drive_motor.__annotations__["duration"] = Annotated[float, Field(gt=0, le=longest, description="Seconds.")]
    _name_one_of(drive_motor, motors, f"Which motor. {_each(motors, _motor_limits)}.")
    server.tool(title="Drive a motor", annotations=ACTS)(drive_motor)


def _motor_limits(motor: Motor) -> str:
    return f"speed up to {motor.settings.max_speed:g}, for up to {motor.settings.max_duration_s:g} s"


def _owner(ctx: Context[Any, Any]) -> object:
    """Return the calling session, or its client's stay; what it moves stops with it."""
    owner = ctx.request_context.lifespan_context
    return owner if isinstance(owner, SessionOwner | ClientStay) else None


def _name_one_of(tool: Any, known: Iterable[str], description: str) -> None:
    """Let the schema list the names, which are known only at run time."""
    tool.__annotations__["name"] = Annotated[Literal[tuple(known)], Field(description=description)]


def _each(devices: dict[str, Any], limits: Any) -> str:
    return "; ".join(f"{name}: {limits(device)}" for name, device in devices.items())
