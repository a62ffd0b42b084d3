"""Settings of the robot's own HTTP server, for everything that speaks no MQTT."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from robot_node.core.hosts import is_loopback
from robot_node.settings.section import Section, refused

_SHORTEST_TOKEN = 16


class HttpSettings(Section):
    """Pictures, video by WHEP and figures over HTTP; on this machine only by default."""

    enabled: bool = False
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    name: Annotated[str, Field(max_length=253)] = ""
    token: Annotated[str, Field(repr=False)] = ""
    cert_file: Path | None = None
    key_file: Path | None = None
    max_streams: Annotated[int, Field(ge=0, le=32)] = 4
    stream_frame_rate: Annotated[float, Field(gt=0, le=30)] = 5.0

    @field_validator("token")
    @classmethod
    def _usable_token(cls, value: str) -> str:
        if value and (len(value) < _SHORTEST_TOKEN or not (value.isascii() and value.isprintable()) or " " in value):
            raise ValueError(
                f"must have at least {_SHORTEST_TOKEN} ASCII characters and no space: openssl rand -hex 32"
            )
        return value

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.enabled and not self.token and not is_loopback(self.host):
            raise refused({"token": "is required, as other machines can reach http.host: openssl rand -hex 32"})
        if (self.cert_file is None) != (self.key_file is None):
            raise refused({"key_file": "and cert_file belong together: set both, or none"})
        return self
