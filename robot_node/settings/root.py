"""The tree of settings, a class for each table: keys, defaults, ranges, and checks across tables.

Tables of a library are its own option classes (:class:`ServerLimits`, :class:`Broker`). ``config/robot-node.toml`` has
every setting with a comment; the environment variable of one is ``ROBOT_NODE_<SECTION>__<KEY>``.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from robot_node.core.backoff import Backoff
from robot_node.errors import SettingsError
from robot_node.mcp_mqtt.options import ServerLimits
from robot_node.mqtt.identifiers import RESERVED_IDS, is_client_id, is_server_name
from robot_node.mqtt.types import Broker, parse_address, split_urls
from robot_node.settings.access import AccessSettings
from robot_node.settings.behaviours import BehaviourSettings
from robot_node.settings.cameras import ONLY, CameraTables, problems, with_inherited
from robot_node.settings.devices import (
    AudioSettings,
    CameraSettings,
    DisplaySettings,
    FaceSettings,
    HearingSettings,
    VoiceSettings,
)
from robot_node.settings.home_assistant import HomeAssistantSettings
from robot_node.settings.http import ConsoleSettings, HttpSettings
from robot_node.settings.logs import LogSettings
from robot_node.settings.pins import PinsSettings, PrivacySettings, pins_used_twice
from robot_node.settings.publish import PublishSettings
from robot_node.settings.reactions import ReactionSettings
from robot_node.settings.realtime import RealtimeSettings
from robot_node.settings.recording import RecordingSettings, TimelapseSettings
from robot_node.settings.section import Section, refused
from robot_node.settings.vision import DetectionSettings, MotionSettings

ENV_PREFIX = "ROBOT_NODE_"


def _hostname_id() -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", platform.node().partition(".")[0]) or "robot"


def _one_level(value: str) -> str:
    if not is_client_id(value):
        raise ValueError("must not contain '/', '+', '#' or control characters: it is one level of an MQTT topic")
    return value


def _not_reserved(value: str) -> str:
    if value in RESERVED_IDS:
        raise ValueError(
            f"must not be {value!r}, which is a word of MCP over MQTT's topics: use another, e.g. 'robot-{value}'"
        )
    return value


def _one_level_or_empty(value: str) -> str:
    return value and _one_level(value)


TopicLevel = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_one_level)]


class RobotSettings(Section):
    """Identity of the robot (protocol: identifiers)."""

    server_id: Annotated[TopicLevel, AfterValidator(_not_reserved)] = f"robot-node-{_hostname_id()}"
    server_name: Annotated[str, Field(max_length=256)] = f"robot-node/{_hostname_id()}"
    description: Annotated[str, Field(max_length=500)] = (
        "A robot with a camera and a face: switch the camera, take a photo, show an emotion."
    )

    state_file: Path | None = None

    @field_validator("server_name")
    @classmethod
    def _hierarchical_name(cls, value: str) -> str:
        if not is_server_name(value):
            raise ValueError(
                "must have the form 'group/name': at least one '/', not the first, no '+', '#' or control character"
            )
        return value


@dataclass(frozen=True, kw_only=True)
class BrokerSettings(Broker):
    """The MQTT broker: address, credentials, TLS, time limits, reconnects."""

    password_file: Path | None = None
    reconnect_initial_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    reconnect_maximum_s: Annotated[float, Field(gt=0, le=600)] = 30.0

    @field_validator("url", mode="before")
    @classmethod
    def _joined(cls, value: object) -> object:
        """Accept a list, too."""
        if isinstance(value, list | tuple) and value and all(isinstance(url, str) for url in value):
            return ",".join(value)
        return value

    @field_validator("url")
    @classmethod
    def _readable(cls, value: str) -> str:
        for url in split_urls(value):
            parse_address(url)
        return value

    @model_validator(mode="after")
    def _usable_credentials(self) -> Self:
        if self.cert_file is not None and not self.tls:
            reason = "a client certificate is shown over TLS only: broker.url must begin with mqtts:// or wss://"
            raise refused({"cert_file": reason})
        for key in ("key_file", "key_password"):
            if getattr(self, key) is not None and self.cert_file is None:
                raise refused({key: "is the key of a certificate: set broker.cert_file too"})
        if self.password is None and self.password_file is not None:
            # Once, with the settings: a running robot needs no right to read it.
            object.__setattr__(self, "password", _read_password(self.password_file))
        return self

    def backoff(self) -> Backoff:
        """New delays between attempts to connect."""
        return Backoff(initial_s=self.reconnect_initial_s, maximum_s=self.reconnect_maximum_s)


def _read_password(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise refused({"password_file": f"{file} cannot be read: {reason}"}) from error


class WebRtcSettings(Section):
    """WebRTC streaming."""

    enabled: bool = True
    proxy: bool = False
    ice_servers: Annotated[tuple[str, ...], Field(repr=False)] = ()  # may hold passwords
    addresses: tuple[str, ...] = ()
    loopback: bool = False
    max_viewers: Annotated[int, Field(ge=1, le=64)] = 16
    small_video: bool = True
    offers_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 20
    all_offers_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 120
    connect_timeout_s: Annotated[float, Field(gt=0, le=120)] = 15.0
    min_bitrate: Annotated[int, Field(ge=100_000, le=25_000_000)] = 250_000


class DialerSettings(Section):
    """Calls to a media backend."""

    enabled: bool = False
    backend: TopicLevel = "multimedia_proxy"
    device_id: Annotated[str, Field(max_length=128), AfterValidator(_one_level_or_empty)] = ""
    call_at_start: bool = True
    answer_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    retry_initial_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    retry_maximum_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    max_attempts: Annotated[int, Field(ge=0, le=10_000)] = 0

    def backoff(self) -> Backoff:
        """New delays between attempts to call."""
        return Backoff(initial_s=self.retry_initial_s, maximum_s=self.retry_maximum_s)


class MetricsSettings(Section):
    """Prometheus metrics over HTTP; anyone who reaches the port can read them."""

    enabled: bool = False
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9464


class HealthSettings(Section):
    """Health messages: the metrics as a retained message on the broker."""

    enabled: bool = False
    interval_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0


AgentId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=128)]
"""A2A over MQTT 0.1, "Identifier Format"."""


class A2aSettings(Section):
    """The robot's Agent Card, for agents that look for others by A2A over MQTT."""

    enabled: bool = False
    organization: AgentId = "robot-node"
    unit: AgentId = "robots"
    agent: AgentId | Literal[""] = ""


class DevicesSettings(BaseModel):
    """Devices of other packages: a table for each, with the device's own settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @property
    def tables(self) -> Mapping[str, Mapping[str, Any]]:
        """The settings of each device, by its name."""
        return self.model_extra or {}

    @model_validator(mode="after")
    def _tables_only(self) -> Self:
        reasons = {
            name: f"must be a table: [devices.{name}]"
            for name, settings in self.tables.items()
            if not isinstance(settings, dict)
        }
        if reasons:
            raise refused(reasons)
        return self


class SimulationSettings(Section):
    """Simulated hardware; ignored on a real robot."""

    scene: str = "clock"
    display_picture: Path | None = None
    camera_hangs_while: Path | None = None
    microphone_sound: Path | None = None
    loudspeaker_recording: Path | None = None


class Settings(Section):
    """All settings of one robot, a field for each table of the settings file."""

    robot: RobotSettings = RobotSettings()
    broker: BrokerSettings = BrokerSettings()
    mcp: ServerLimits = ServerLimits()
    access: AccessSettings = AccessSettings()
    camera: CameraSettings = CameraSettings()
    cameras: CameraTables = Field(default={})
    display: DisplaySettings = DisplaySettings()
    face: FaceSettings = FaceSettings()
    behaviours: BehaviourSettings = BehaviourSettings()
    audio: AudioSettings = AudioSettings()
    voice: VoiceSettings = VoiceSettings()
    webrtc: WebRtcSettings = WebRtcSettings()
    hearing: HearingSettings = HearingSettings()
    motion: MotionSettings = MotionSettings()
    detection: DetectionSettings = DetectionSettings()
    dialer: DialerSettings = DialerSettings()
    console: ConsoleSettings = ConsoleSettings()
    privacy: PrivacySettings = PrivacySettings()
    pins: PinsSettings = PinsSettings()
    recording: RecordingSettings = RecordingSettings()
    timelapse: TimelapseSettings = TimelapseSettings()
    reactions: ReactionSettings = ReactionSettings()
    metrics: MetricsSettings = MetricsSettings()
    health: HealthSettings = HealthSettings()
    home_assistant: HomeAssistantSettings = HomeAssistantSettings()
    a2a: A2aSettings = A2aSettings()
    http: HttpSettings = HttpSettings()
    publish: PublishSettings = PublishSettings()
    realtime: RealtimeSettings = RealtimeSettings()
    devices: DevicesSettings = DevicesSettings()
    simulation: SimulationSettings = SimulationSettings()
    log: LogSettings = LogSettings()

    def all_cameras(self) -> Mapping[str, CameraSettings]:
        """The robot's cameras by name, at least one; the first is the default."""
        return self.cameras or {ONLY: self.camera}

    @model_validator(mode="before")
    @classmethod
    def _inheriting(cls, sections: Any) -> Any:
        return with_inherited(sections)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Check the sections against each other, once each is valid by itself: so no error follows from another."""
        reasons = pins_used_twice([*self.display.claims(), *self.privacy.claims(), *self.pins.claims()])
        try:
            emotions = tuple(self.face.all_expressions(self.display))
        except SettingsError as error:
            reasons["face.expressions"] = str(error)
        else:
            found = self.reactions.problems(emotions, self.pins, self.motion.watched)
            reasons.update((f"reactions.{key}", reason) for key, reason in found)
            reasons.update((f"behaviours.{key}", reason) for key, reason in self.behaviours.problems(emotions))
        reasons.update((f"cameras.{key}", reason) for key, reason in problems(self.cameras))
        reasons.update((f"hearing.{key}", reason) for key, reason in self._hearing_problems())
        reasons.update((f"dialer.{key}", reason) for key, reason in self._dialer_problems())
        if self.realtime.enabled and self.voice.engine == "none":
            reasons["realtime.url"] = "the robot cannot speak the answers: set voice.engine"
        if self.realtime.sound and not (self.hearing.hears_microphone and self.hearing.has_turns):
            reasons["realtime.sound"] = "sound is sent in turns only: set hearing.engine and hearing.voice_activity"
        if self.publish.enabled and not self.webrtc.enabled:
            reasons["publish.url"] = "the robot cannot publish while webrtc.enabled is false"
        reasons.update((f"recording.{key}", reason) for key, reason in self.recording.problems())
        reasons.update((f"reactions.{key}", reason) for key, reason in self._rule_problems())
        if reasons:
            raise refused(reasons)
        return self

    def _hearing_problems(self) -> Iterator[tuple[str, str]]:
        hearing, audio = self.hearing, self.audio
        if hearing.engine == "none":
            return
        if hearing.source != "viewer" and audio.microphone == "none":
            yield "source", 'there is no microphone to listen to: set audio.microphone, e.g. to "default"'
        if hearing.source != "microphone" and not (audio.viewer_may_speak and self.webrtc.enabled):
            yield "source", "viewers cannot speak: set audio.viewer_may_speak and webrtc.enabled to true"
        if hearing.wake_word != "none" and not hearing.has_turns:
            yield "wake_word", 'after it the end of speech must be found: set hearing.voice_activity, e.g. to "silero"'

    def _rule_problems(self) -> Iterator[tuple[str, str]]:
        for number, rule in enumerate(self.reactions.rules):
            if rule.then.record is not None and not self.recording.enabled:
                yield f"rules.{number}.then.record", "the robot may not record: set recording.enabled to true"
            if rule.when.detected is not None and self.detection.engine == "none":
                yield f"rules.{number}.when.detected", "the robot detects no objects: set detection.engine"

    def _dialer_problems(self) -> Iterator[tuple[str, str]]:
        backend, webrtc = self.dialer.backend, self.webrtc
        if not self.dialer.enabled:
            return
        if not webrtc.enabled:
            yield "enabled", "the robot cannot call while webrtc.enabled is false"
        if backend == self.robot.server_id or (webrtc.proxy and backend == "multimedia_proxy"):
            yield "backend", f"the robot would call itself: it answers offers to {backend} (webrtc.proxy)"
