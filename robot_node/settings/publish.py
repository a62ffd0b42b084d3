"""Settings of publishing: the robot's stream goes once to a server that passes it on to many (WHIP)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from robot_node.core.backoff import Backoff
from robot_node.settings.section import Section


class PublishSettings(Section):
    """The robot's video, sent once to a server for many viewers; off while there is no URL."""

    url: Annotated[str, Field(max_length=2048, repr=False)] = ""  # of some servers it is a secret
    token: Annotated[str, Field(repr=False)] = ""
    when: Literal["always", "camera", "on_demand"] = "camera"
    audio: bool = False
    ca_file: Path | None = None
    answer_timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    retry_initial_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    retry_maximum_s: Annotated[float, Field(gt=0, le=600)] = 60.0

    @field_validator("url")
    @classmethod
    def _usable_url(cls, value: str) -> str:
        if not value:
            return value
        try:
            parts = urlsplit(value)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("must be the http:// or https:// URL of a WHIP endpoint")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must hold neither user nor password: set publish.token")
        return value

    @field_validator("token")
    @classmethod
    def _usable_token(cls, value: str) -> str:
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise ValueError("must be of ASCII characters without space")
        return value

    @property
    def enabled(self) -> bool:
        """The robot may publish."""
        return bool(self.url)

    def backoff(self) -> Backoff:
        """New delays between attempts to publish."""
        return Backoff(initial_s=self.retry_initial_s, maximum_s=self.retry_maximum_s)
