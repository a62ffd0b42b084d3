"""Settings of conversations with a model behind a server that speaks the protocol OpenAI Realtime."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from robot_node.settings.section import Section, refused
from robot_node.settings.shared import BearerToken, ClientId, server_url

CAMERA_TOOLS = frozenset(
    {
        *("control_camera", "set_camera", "set_video", "take_photo", "look", "see_motion", "publish_stream"),
        *("save_clip", "start_recording"),
    }
)
"""Tools that see, or switch on what sees."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class RealtimeSettings(Section):
    """What people say goes to a model, as text or as sound, and the robot speaks its answers; off without a URL."""

    url: Annotated[str, Field(max_length=2048)] = ""
    key: BearerToken = ""
    instructions: Annotated[str, Field(max_length=10_000)] = (
        "You are the voice of a small robot. Answer in one or two short sentences, in the language of the person, "
        "without lists and emoji: your answer is spoken."
    )
    tools: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=64)], ...], Field(max_length=64)] = ()
    camera: bool = False
    sound: bool = False
    sound_voice: Annotated[str, Field(max_length=128)] = ""
    transcription_model: Annotated[str, Field(max_length=128)] = ""
    client_id: ClientId = "realtime"
    idle_s: Annotated[float, Field(ge=10, le=600)] = 60.0
    answer_timeout_s: Annotated[float, Field(gt=0, le=300)] = 30.0
    longest_session_s: Annotated[float, Field(ge=60, le=3600)] = 900.0
    minutes_per_day: Annotated[float, Field(gt=0, le=1440)] = 60.0
    tokens_per_day: Annotated[int, Field(gt=0)] = 200_000
    sound_minutes_per_day: Annotated[float, Field(gt=0, le=1440)] = 30.0

    @field_validator("url")
    @classmethod
    def _usable_url(cls, value: str) -> str:
        return server_url(
            value,
            lambda parts: parts.scheme == "wss" or (parts.scheme == "ws" and parts.hostname in _LOOPBACK),
            must_be="a wss:// URL, or ws:// to this machine",
            secret="realtime.key",  # noqa: S106  # the name of a setting
        )

    @model_validator(mode="after")
    def _camera_only_where_it_is_allowed(self) -> Self:
        if not self.camera and (seeing := sorted(CAMERA_TOOLS.intersection(self.tools))):
            raise refused({"tools": f"need realtime.camera = true: {', '.join(seeing)}"})
        return self

    @property
    def enabled(self) -> bool:
        """There is a model to talk to."""
        return bool(self.url)

    @property
    def sends_sound(self) -> bool:
        """What people say goes to the model as sound."""
        return self.enabled and self.sound
