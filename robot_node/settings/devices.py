"""Settings of the robot's devices: camera, display and face, sound, voice and hearing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from robot_node.face.custom import with_custom
from robot_node.face.display_policy import DisplayPolicy, Night
from robot_node.face.shapes import Expression
from robot_node.settings.camera_controls import CameraControls, ControlSettings, Rotation
from robot_node.settings.pins import Claims
from robot_node.settings.section import NUMBER_FROM_TEXT, Section


class CameraSettings(Section):
    """The camera and its video."""

    driver: Literal["picamera2", "v4l2"] = "picamera2"
    device: str = "auto"
    format: Literal["auto", "mjpeg", "yuyv", "h264"] = "auto"
    number: Annotated[int, Field(ge=0, le=7)] = 0
    on_at_start: bool = False
    on_after_restart: bool = False
    photo_switches_on: bool = False
    photo_folder: Path | None = None
    photo_folder_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    width: Annotated[int, Field(ge=64, le=1920, multiple_of=2)] = 1280
    height: Annotated[int, Field(ge=64, le=1080, multiple_of=2)] = 720
    frame_rate: Annotated[int, Field(ge=1, le=60)] = 30
    bitrate: Annotated[int, Field(ge=100_000, le=25_000_000)] = 2_000_000
    keyframe_interval_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    rotate: Annotated[Rotation, NUMBER_FROM_TEXT] = 0
    adjustable: bool = False
    keep_controls: bool = False
    controls: ControlSettings = Field(default_factory=ControlSettings)
    off_when_unwatched_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    restart_after_s: Annotated[float, Field(ge=1, le=600)] = 5.0

    def initial_controls(self) -> CameraControls:
        """What the camera is set to at the start."""
        return CameraControls(**self.controls.model_dump(), rotate=self.rotate)


class DisplaySettings(Section):
    """The OLED that shows the face."""

    driver: Literal["ssd1306", "sh1106", "none"] = "ssd1306"
    interface: Literal["i2c", "spi"] = "i2c"
    bus: Annotated[int, Field(ge=0, le=32)] = 1
    address: Annotated[int, Field(ge=0x08, le=0x77), NUMBER_FROM_TEXT] = 0x3C
    spi_port: Annotated[int, Field(ge=0, le=7)] = 0
    spi_device: Annotated[int, Field(ge=0, le=7)] = 0
    spi_hz: Annotated[Literal[500_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000, 16_000_000], NUMBER_FROM_TEXT] = (
        8_000_000
    )
    dc_pin: Annotated[int, Field(ge=0, le=27)] = 24
    reset_pin: Annotated[int, Field(ge=0, le=27)] = 25
    width: Annotated[Literal[128], NUMBER_FROM_TEXT] = 128
    height: Annotated[Literal[32, 64], NUMBER_FROM_TEXT] = 64
    rotate: Annotated[Literal[0, 180], NUMBER_FROM_TEXT] = 0
    contrast: Annotated[int, Field(ge=0, le=255)] = 255
    night: str = ""
    night_contrast: Annotated[int, Field(ge=0, le=255)] = 0
    off_after_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    shift_every_s: Annotated[float, Field(ge=0, le=86_400)] = 120.0

    @field_validator("night")
    @classmethod
    def _two_times_of_day(cls, value: str) -> str:
        if value:
            Night.parse(value)
        return value

    def claims(self) -> Claims:
        """The GPIOs that the display is wired to."""
        if self.driver == "none":
            return
        if self.interface == "spi":
            if self.spi_port == 0:
                for gpio in (7, 8):
                    yield "the SPI bus of [display] (dtparam=spi=on takes both chip selects)", gpio
                for gpio in (9, 10, 11):
                    yield "the SPI bus of [display]", gpio
            yield "display.dc_pin", self.dc_pin
            yield "display.reset_pin", self.reset_pin
        elif self.bus == 1:
            for gpio in (2, 3):
                yield "the I2C bus of [display]", gpio

    def policy(self) -> DisplayPolicy:
        """The settings of dimming, switching off and burn-in protection."""
        return DisplayPolicy(
            contrast=self.contrast,
            night=Night.parse(self.night) if self.night else None,
            night_contrast=self.night_contrast,
            off_after_s=self.off_after_s,
            shift_every_s=self.shift_every_s,
        )


class FaceSettings(Section):
    """Custom expressions, and changes to the built-in ones."""

    expressions: dict[str, dict[str, Any]] = Field(default={})

    def all_expressions(self, display: DisplaySettings) -> Mapping[str, Expression]:
        """The built-in expressions with the configured changes and additions, by name.

        Args:
            display: Its size limits them.

        Raises:
            SettingsError: an expression cannot be used; says which, and why.
        """
        return with_custom(self.expressions, size=(display.width, display.height))


class AudioSettings(Section):
    """Microphone and loudspeaker; neither by default."""

    microphone: Annotated[str, Field(min_length=1)] = "none"
    loudspeaker: Annotated[str, Field(min_length=1)] = "none"
    volume: Annotated[int, Field(ge=0, le=100)] = 80
    volume_control: Annotated[str, Field(min_length=1, max_length=64)] = "auto"
    bitrate: Annotated[int, Field(ge=6_000, le=128_000)] = 32_000
    viewer_may_speak: bool = False


_LanguageTag = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=64)]


class VoiceSettings(Section):
    """Speech synthesis; none by default."""

    engine: Annotated[str, Field(min_length=1, max_length=64)] = "none"
    language: _LanguageTag = "en"
    rate: Annotated[int, Field(ge=80, le=450)] = 175
    pitch: Annotated[int, Field(ge=0, le=99)] = 50
    program: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    voices: Path | None = None
    voice: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    voice_by_language: Annotated[
        dict[_LanguageTag, Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=50)
    ] = Field(default_factory=dict)
    unload_after_s: Annotated[float, Field(ge=0, le=86_400)] = 600.0
    memory_mb: Annotated[float, Field(ge=50, le=16_000)] = 500.0


class HearingSettings(Section):
    """Speech recognition; none by default."""

    engine: Annotated[str, Field(min_length=1, max_length=64)] = "none"
    source: Literal["microphone", "viewer", "both"] = "microphone"
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=64)] = "en"
    phrases: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=1000)] = ()
    model: Path | None = None
    voice_activity: Annotated[str, Field(min_length=1, max_length=64)] = "none"
    speech_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    end_of_speech_s: Annotated[float, Field(ge=0.6, le=1.2)] = 0.7
    wake_word: Annotated[str, Field(min_length=1, max_length=64)] = "none"
    wake_words: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=400)], ...], Field(min_length=1, max_length=8)
    ] = ("okay_nabu",)
    stop_words: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=400)], ...], Field(max_length=8)] = ()
    wake_threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    follow_up_s: Annotated[float, Field(ge=0, le=60)] = 8.0
    stop_phrases: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=20)] = (
        "stop talking",
        "be quiet",
    )
    interruptible: bool = True

    @property
    def has_turns(self) -> bool:
        """What is said belongs to turns; else all that is said is recognised."""
        return self.voice_activity != "none"

    @property
    def hears_microphone(self) -> bool:
        """What is said near the robot is recognised."""
        return self.engine != "none" and self.source != "viewer"

    @property
    def all_phrases(self) -> tuple[str, ...]:
        """The phrases to recognise, with turns those that stop the robot among them; empty for any text."""
        stop_phrases = self.stop_phrases if self.has_turns else ()
        return tuple(dict.fromkeys((*self.phrases, *stop_phrases))) if self.phrases else ()
