"""The settings of who may do what with the robot, and how often. See docs/access.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from robot_node.settings.section import Section

TOOLS = (
    "control_camera",
    "change_emotion",
    "show_text",
    "take_photo",
    "get_status",
    "control_volume",
    "say",
    "stop_speaking",
    "call_backend",
    "hang_up",
    "set_led",
    "beep",
    "move_servo",
    "look_at",
    "drive_motor",
    "stop_all",
    "set_log_level",
)
"""Every tool that a robot may have by itself; which of them it has depends on its hardware and settings.

Devices of other packages bring more, which are known only when they are loaded
(:func:`robot_node.tools.access.guarded`).
"""

METHODS = (
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "subscriptions/listen",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
)
"""The methods of MCP that a role may allow; the handshake and ping are everybody's."""

Names = Literal["all"] | tuple[str, ...]


def _known(names: Iterable[str], known: tuple[str, ...], kind: str) -> tuple[str, ...]:
    given = tuple(names)
    for name in given:
        if name not in known:
            raise ValueError(f"there is no {kind} {name[:80]!r}; there are: {', '.join(known)}")
    return given


class RoleSettings(Section):
    """What clients in a role may do."""

    description: Annotated[str, Field(max_length=500)] = ""
    allowed_methods: Names = "all"
    allowed_tools: Names = ()
    allowed_resources: Names = ()

    @field_validator("allowed_methods", "allowed_tools", "allowed_resources", mode="before")
    @classmethod
    def _all_or_list(cls, value: object) -> object:
        if value != "all" and not (isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)):
            raise ValueError('must be "all" or a list of names')
        return value

    @field_validator("allowed_methods")
    @classmethod
    def _known_methods(cls, value: Names) -> Names:
        return value if value == "all" else _known(value, METHODS, "method")


BUILT_IN_ROLES = {
    "viewer": RoleSettings(
        description="Sees what the robot sees and how it is, and changes nothing.",
        allowed_tools=("get_status", "take_photo"),
        allowed_resources="all",
    ),
    "operator": RoleSettings(
        description="Uses camera, face, loudspeaker and pins, but does not connect the robot to others.",
        allowed_tools=(
            "get_status",
            "take_photo",
            "control_camera",
            "change_emotion",
            "show_text",
            "control_volume",
            "say",
            "stop_speaking",
            "set_led",
            "beep",
            "move_servo",
            "look_at",
            "drive_motor",
            "stop_all",
        ),
        allowed_resources="all",
    ),
    "admin": RoleSettings(
        description="Everything but the tools that are for people only.", allowed_tools="all", allowed_resources="all"
    ),
}
"""The roles that exist without being configured. A configured one of the same name takes the place of a built-in."""


class ClientRole(Section):
    """The role of the clients whose id fits a pattern."""

    client_id: Annotated[str, Field(min_length=1, max_length=256)]
    role: str


class AccessSettings(Section):
    """Who may do what, and how often. Without being configured everybody may do everything."""

    roles: dict[str, RoleSettings] = Field(default={})
    default_role: str = "admin"
    clients: tuple[ClientRole, ...] = ()
    people_only_tools: tuple[str, ...] = ()
    confirm_tools: tuple[str, ...] = ()
    confirm_timeout_s: Annotated[float, Field(gt=0, le=600)] = 50.0
    calls_per_minute: Annotated[float, Field(ge=0, le=100_000)] = 0.0
    tool_calls_per_minute: dict[str, Annotated[float, Field(ge=0, le=100_000)]] = Field(default={})

    @field_validator("roles")
    @classmethod
    def _short_names(cls, value: dict[str, RoleSettings]) -> dict[str, RoleSettings]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
                raise ValueError(f"{name[:80]!r} cannot be a role's name: use letters, digits, '_' and '-'")
        return value

    @field_validator("default_role")
    @classmethod
    def _known_role(cls, value: str, info: ValidationInfo) -> str:
        _known((value,), _role_names(info), "role")
        return value

    @field_validator("clients")
    @classmethod
    def _known_roles(cls, value: tuple[ClientRole, ...], info: ValidationInfo) -> tuple[ClientRole, ...]:
        _known((client.role for client in value), _role_names(info), "role")
        return value

    def gives_by_name(self, tool: str) -> bool:
        """Whether some role has that tool because it is named, and not because it has all."""
        return any(role.allowed_tools != "all" and tool in role.allowed_tools for role in self.all_roles().values())

    def all_roles(self) -> dict[str, RoleSettings]:
        """The roles by name, built-in ones included."""
        return BUILT_IN_ROLES | self.roles

    def named_tools(self) -> Iterator[tuple[str, str]]:
        """Every tool that is named somewhere, behind the key of the setting."""
        for name, role in self.roles.items():
            if role.allowed_tools != "all":
                yield from ((f"access.roles.{name}.allowed_tools", tool) for tool in role.allowed_tools)
        yield from (("access.people_only_tools", tool) for tool in self.people_only_tools)
        yield from (("access.confirm_tools", tool) for tool in self.confirm_tools)
        yield from (("access.tool_calls_per_minute", tool) for tool in self.tool_calls_per_minute)


def _role_names(info: ValidationInfo) -> tuple[str, ...]:
    configured: dict[str, Any] = info.data.get("roles", {})  # without them when they are wrong, which is said there
    return (*BUILT_IN_ROLES, *(name for name in configured if name not in BUILT_IN_ROLES))
