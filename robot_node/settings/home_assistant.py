"""Settings of the robot as a device in Home Assistant."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from robot_node.settings.section import Section, refused
from robot_node.settings.shared import ClientId


class HomeAssistantSettings(Section):
    """The robot as a device in Home Assistant, read-only unless it is allowed to control the robot."""

    enabled: bool = False
    prefix: Annotated[str, Field(pattern=r"^[^/+#$\x00][^+#\x00]*$", max_length=128)] = "homeassistant"
    pictures: bool = False
    picture_interval_s: Annotated[float, Field(ge=1, le=3600)] = 10.0
    picture_max_side: Annotated[int, Field(ge=64, le=1920)] = 640
    control: bool = False
    client_id: ClientId = "home-assistant"
    remove: bool = False

    @model_validator(mode="after")
    def _enabled_or_removed(self) -> Self:
        if self.enabled and self.remove:
            raise refused({"remove": "removes the robot from Home Assistant: set enabled to false for that"})
        return self
