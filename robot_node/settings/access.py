"""Access settings: roles, human-only tools, confirmation, rate limits. See docs/access.md."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from robot_node.mcp_mqtt.roles import METHODS, Permissions
from robot_node.settings.section import Section, refused

TOOLS = (
    "control_camera",
    "change_emotion",
    "show_text",
    "take_photo",
    "look",
    "save_clip",
    "start_recording",
    "stop_recording",
    "set_camera",
    "get_camera",
    "set_video",
    "see_motion",
    "get_status",
    "get_events",
    "wait_for_event",
    "control_volume",
    "control_microphone",
    "say",
    "stop_speaking",
    "call_backend",
    "hang_up",
    "publish_stream",
    "unpublish_stream",
    "set_led",
    "beep",
    "move_servo",
    "look_at",
    "drive_motor",
    "perform",
    "stop_all",
    "ask",
    "listen",
    "answer_question",
    "set_log_level",
)
"""Every built-in tool; which of them a robot has depends on its hardware and settings.

Devices of other packages add tools, known once they are loaded (:func:`robot_node.tools.access.guarded`).
"""

BUILT_IN_ROLES = {
    "viewer": Permissions(
        description="Sees what the robot sees and how it is, and changes nothing.",
        allowed_tools=frozenset(
            {"get_status", "get_events", "wait_for_event", "take_photo", "look", "get_camera", "see_motion"}
        ),
        allowed_resources="all",
    ),
    "operator": Permissions(
        description="Uses camera, face, sound and pins, but does not record, or connect the robot to others.",
        allowed_tools=frozenset(
            {
                "get_status",
                "get_events",
                "wait_for_event",
                "take_photo",
                "look",
                "set_camera",
                "get_camera",
                "set_video",
                "see_motion",
                "control_camera",
                "change_emotion",
                "show_text",
                "control_volume",
                "control_microphone",
                "say",
                "stop_speaking",
                "set_led",
                "beep",
                "move_servo",
                "look_at",
                "drive_motor",
                "perform",
                "stop_all",
                "ask",
                "listen",
            }
        ),
        allowed_resources="all",
    ),
    "admin": Permissions(
        description="Everything but the tools that are for people only.", allowed_tools="all", allowed_resources="all"
    ),
}
"""The roles that exist by default. A configured role of the same name replaces a built-in one."""


def _without(role: Permissions, tools: Collection[str]) -> Permissions:
    if role.allowed_tools == "all":  # which leaves them out by itself
        return role
    return replace(role, allowed_tools=role.allowed_tools.difference(tools))


class ClientRole(Section):
    """The role of clients whose id matches a pattern."""

    client_id: Annotated[str, Field(min_length=1, max_length=256)]
    role: str


class AccessSettings(Section):
    """Who may do what, and how often. By default everybody may do everything."""

    roles: dict[str, Permissions] = Field(default={})
    default_role: str = "admin"
    clients: tuple[ClientRole, ...] = ()
    people_only_tools: tuple[str, ...] = ()
    confirm_tools: tuple[str, ...] = ()
    confirm_by: Annotated[tuple[Literal["elicitation", "button", "console"], ...], Field(min_length=1)] = (
        "elicitation",
        "button",
        "console",
    )
    confirm_timeout_s: Annotated[float, Field(gt=0, le=600)] = 50.0
    calls_per_minute: Annotated[float, Field(ge=0, le=100_000)] = 0.0
    tool_calls_per_minute: dict[str, Annotated[float, Field(ge=0, le=100_000)]] = Field(default={})

    @field_validator("roles")
    @classmethod
    def _usable_roles(cls, value: dict[str, Permissions]) -> dict[str, Permissions]:
        for name, role in value.items():
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
                raise ValueError(f"{name[:80]!r} cannot be a role's name: use letters, digits, '_' and '-'")
            unknown = () if role.allowed_methods == "all" else sorted(role.allowed_methods.difference(METHODS))
            if unknown:
                reason = f"there is no method {unknown[0][:80]!r}; there are: {', '.join(METHODS)}"
                raise refused({f"{name}.allowed_methods": reason})
        return value

    @model_validator(mode="after")
    def _known_roles(self) -> Self:
        roles = self.all_roles()
        named = {"default_role": self.default_role}
        named |= {f"clients.{number}.role": client.role for number, client in enumerate(self.clients)}
        unknown = {key: name for key, name in named.items() if name not in roles}
        if unknown:
            there_are = f"there are: {', '.join(roles)}"
            raise refused({key: f"there is no role {name[:80]!r}; {there_are}" for key, name in unknown.items()})
        return self

    def grants_by_name(self, tool: str) -> bool:
        """Whether a role lists this tool by name: "all" does not count."""
        return any(role.allowed_tools != "all" and tool in role.allowed_tools for role in self.all_roles().values())

    def all_roles(self) -> dict[str, Permissions]:
        """All roles by name, the built-in ones included."""
        return BUILT_IN_ROLES | self.roles

    def roles_without(self, people_only: Collection[str]) -> dict[str, Permissions]:
        """All roles by name, where the built-in ones do not have the tools that are for people only.

        Only a role of the settings that lists such a tool has it: nobody has named it for the built-in ones.
        """
        return {name: _without(role, people_only) for name, role in BUILT_IN_ROLES.items()} | self.roles

    def named_tools(self) -> Iterator[tuple[str, str]]:
        """Yield each mention of a tool: key of the setting, name of the tool."""
        for name, role in self.roles.items():
            if role.allowed_tools != "all":
                yield from ((f"access.roles.{name}.allowed_tools", tool) for tool in sorted(role.allowed_tools))
        yield from (("access.people_only_tools", tool) for tool in self.people_only_tools)
        yield from (("access.confirm_tools", tool) for tool in self.confirm_tools)
        yield from (("access.tool_calls_per_minute", tool) for tool in self.tool_calls_per_minute)
