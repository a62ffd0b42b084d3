"""Settings of publishing: the robot's stream goes once to a server that passes it on to many (WHIP)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from robot_node.core.backoff import Backoff
from robot_node.settings.section import Section
from robot_node.settings.shared import BearerToken, server_url


class PublishSettings(Section):
    """The robot's video, sent once to a server for many viewers; off while there is no URL."""

    url: Annotated[str, Field(max_length=2048, repr=False)] = ""  # of some servers it is a secret
    token: BearerToken = ""
    when: Literal["always", "camera", "on_demand"] = "camera"
    audio: bool = False
    ca_file: Path | None = None
    answer_timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    retry_initial_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    retry_maximum_s: Annotated[float, Field(gt=0, le=600)] = 60.0

    @field_validator("url")
    @classmethod
    def _usable_url(cls, value: str) -> str:
        return server_url(
            value,
            lambda parts: parts.scheme in {"http", "https"},
            must_be="the http:// or https:// URL of a WHIP endpoint",
            secret="publish.token",  # noqa: S106  # the name of a setting
        )

    @property
    def enabled(self) -> bool:
        """The robot may publish."""
        return bool(self.url)

    def backoff(self) -> Backoff:
        """New delays between attempts to publish."""
        return Backoff(initial_s=self.retry_initial_s, maximum_s=self.retry_maximum_s)
