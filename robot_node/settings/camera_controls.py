"""What a camera can be set to, with the limits that hold for every camera; a camera's own may be narrower."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from robot_node.settings.section import NUMBER_FROM_TEXT, Section, refused

ALTERNATIVES = (("focus", "focus_dioptres"), ("white_balance", "colour_temperature", "colour_gains"))
"""Controls of which one at a time can be set."""

Rotation = Literal[0, 90, 180, 270]
"""Degrees clockwise."""


def excluded_by(names: Iterable[str]) -> set[str]:
    """Return the controls that cannot be set together with some others."""
    given = set(names)
    return {name for group in ALTERNATIVES if not given.isdisjoint(group) for name in group} - given


class ControlSettings(Section):
    """The camera's controls at the start; what is left out is as the camera has it."""

    focus: Literal["continuous", "once"] | None = None
    focus_dioptres: Annotated[float, Field(ge=0, le=100)] | None = None
    exposure_ms: Annotated[float, Field(ge=0, le=1000)] | None = None
    gain: Annotated[float, Field(ge=0, le=1000)] | None = None
    exposure_compensation: Annotated[float, Field(ge=-8, le=8)] | None = None
    white_balance: Literal["auto", "incandescent", "tungsten", "fluorescent", "indoor", "daylight", "cloudy"] | None = (
        None
    )
    colour_temperature: Annotated[int, Field(ge=1000, le=40_000)] | None = None
    colour_gains: tuple[Annotated[float, Field(gt=0, le=32)], Annotated[float, Field(gt=0, le=32)]] | None = None
    hdr: Literal["off", "multi_exposure", "single_exposure", "night"] | None = None
    brightness: Annotated[float, Field(ge=-1, le=1)] | None = None
    contrast: Annotated[float, Field(ge=0, le=32)] | None = None
    saturation: Annotated[float, Field(ge=0, le=32)] | None = None
    sharpness: Annotated[float, Field(ge=0, le=16)] | None = None
    noise_reduction: Literal["off", "fast", "high_quality", "minimal"] | None = None
    flicker_hz: Annotated[Literal[0, 50, 60], NUMBER_FROM_TEXT] | None = None
    zoom: Annotated[float, Field(ge=1, le=100)] | None = None
    pan: Annotated[float, Field(ge=-1, le=1)] | None = None
    tilt: Annotated[float, Field(ge=-1, le=1)] | None = None
    mirror: bool | None = None
    night: bool | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for names in ALTERNATIVES:
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) > 1:
                raise refused({given[1]: f"{' and '.join(given)} exclude each other"})
        return self


class CameraControls(ControlSettings):
    """What a camera is set to; None: as the camera has it.

    Attributes:
        focus: ``"continuous"`` follows the subject, ``"once"`` focuses now and stays; None: continuous if it can.
        focus_dioptres: A fixed focus: 1 / distance in metres; 0: infinity.
        exposure_ms: Exposure time in milliseconds; 0: automatic. Longer than a frame, it lowers the frame rate.
        gain: Of the sensor, 1: none; 0: automatic.
        exposure_compensation: Of the automatic exposure, in EV.
        white_balance: An automatic mode.
        colour_temperature: A fixed white balance, in kelvin.
        colour_gains: A fixed white balance, as gains of red and blue.
        hdr: High dynamic range.
        brightness: -1 to 1, 0: unchanged.
        contrast: A factor, 1: unchanged.
        saturation: A factor, 1: unchanged, 0: grey.
        sharpness: A factor, 1: unchanged.
        noise_reduction: How thoroughly noise is removed.
        flicker_hz: Of the mains: lamps make no bands in the picture; 0: not avoided.
        zoom: Digital, a factor.
        pan: What a zoomed picture shows: -1 left edge, 1 right edge.
        tilt: What a zoomed picture shows: -1 lower edge, 1 upper edge.
        mirror: Left and right are exchanged.
        night: Slow shutter: the frame rate may fall to 5/s in the dark.
        rotate: Degrees clockwise.
    """

    rotate: Annotated[Rotation, NUMBER_FROM_TEXT] = 0
