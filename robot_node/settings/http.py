"""Settings of the web servers: the robot's own, for everything that speaks no MQTT, and the console's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from robot_node.core.hosts import is_loopback
from robot_node.settings.section import Section, refused

_SHORTEST_TOKEN = 16

PageOrigin = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.\[\]:-]+$", max_length=260), AfterValidator(str.lower)]
"""Scheme, host and port of a page, as browsers write it: without the usual port."""


class WebServerSettings(Section):
    """Address, token and certificate of a web server; on this machine only by default."""

    enabled: bool = False
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)]
    name: Annotated[str, Field(max_length=253)] = ""
    token: Annotated[str, Field(repr=False)] = ""
    cert_file: Path | None = None
    key_file: Path | None = None

    @field_validator("token")
    @classmethod
    def _usable_token(cls, value: str) -> str:
        if value and (len(value) < _SHORTEST_TOKEN or not (value.isascii() and value.isprintable()) or " " in value):
            raise ValueError(
                f"must have at least {_SHORTEST_TOKEN} ASCII characters and no space: openssl rand -hex 32"
            )
        return value

    @model_validator(mode="after")
    def _whole_certificate(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise refused({"key_file": "and cert_file belong together: set both, or none"})
        return self


class HttpSettings(WebServerSettings):
    """Pictures, video by WHEP and figures over HTTP."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    max_streams: Annotated[int, Field(ge=0, le=32)] = 4
    stream_frame_rate: Annotated[float, Field(gt=0, le=30)] = 5.0
    embed_origins: Annotated[tuple[PageOrigin, ...], Field(max_length=16)] = ()

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.enabled and not self.token and not is_loopback(self.host):
            raise refused({"token": "is required, as other machines can reach http.host: openssl rand -hex 32"})
        return self


class ConsoleSettings(WebServerSettings):
    """The web console, served by the robot itself or by ``robot-node console``."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8088
    broker_url: Annotated[str, Field(pattern=r"^(wss?://.+)?$")] = ""
    username: str = ""
    whep_url: Annotated[
        str, Field(pattern=r"^(https?://[A-Za-z0-9.:\[\]-]+(/[!-~]*)?|/[!-.0-~][!-~]*)?$", max_length=2048)
    ] = ""
    whep_token: Annotated[str, Field(pattern=r"^[!-~]*$", repr=False)] = ""

    @field_validator("broker_url", "whep_url")
    @classmethod
    def _without_password(cls, value: str) -> str:
        if "@" in value:
            raise ValueError("must hold neither user nor password: everybody who loads the page can read it")
        return value
