"""Roles: which methods, tools and resources of MCP a client may use. Pure."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic import dataclasses as checked

HANDSHAKE = frozenset({"initialize", "server/discover", "ping"})
"""Methods that every client may use: who may connect at all is decided by the broker."""

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
"""The methods of MCP that a role may allow, besides those of the handshake."""

MOST_DESCRIPTION = 500
"""Characters of a role's description."""


def _all_or_names(value: Any) -> Any:
    names = isinstance(value, list | tuple | set | frozenset) and all(isinstance(name, str) for name in value)
    if value != "all" and not names:
        raise ValueError('must be "all" or a list of names')
    return value


Allowed = Annotated[Literal["all"] | frozenset[str], BeforeValidator(_all_or_names)]


@checked.dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Permissions:
    """Permissions of a role's clients.

    Raises:
        ValueError: a value cannot be used.

    Attributes:
        description: What the role is for, in short.
        allowed_methods: MCP methods besides the handshake and ping.
        allowed_tools: Tools that may be called. ``"all"`` leaves out those that are for people only.
        allowed_resources: URIs; one that ends with ``*`` stands for all that begin so.
    """

    description: Annotated[str, Field(max_length=MOST_DESCRIPTION)] = ""
    allowed_methods: Allowed = "all"
    allowed_tools: Allowed = frozenset()
    allowed_resources: Allowed = frozenset()

    def may_use(self, method: str) -> bool:
        """Whether requests of this method are allowed."""
        return method in HANDSHAKE or self.allowed_methods == "all" or method in self.allowed_methods

    def may_call(self, tool: str, *, human_only: bool = False) -> bool:
        """Whether the tool may be called."""
        if self.allowed_tools == "all":
            return not human_only
        return tool in self.allowed_tools

    def may_read(self, uri: str) -> bool:
        """Whether the resource, or the resource template, may be read and subscribed to."""
        if self.allowed_resources == "all" or uri in self.allowed_resources:
            return True
        # A template's handler could decode the escapes, and leave the part of the tree that the prefix names.
        if ".." in uri or "%" in uri:
            return False
        return any(entry.endswith("*") and uri.startswith(entry[:-1]) for entry in self.allowed_resources)


@checked.dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Role(Permissions):
    """Permissions with a name; everything is allowed unless it is limited.

    Attributes:
        name: Its name in errors and presence.
    """

    name: str
    allowed_tools: Allowed = "all"
    allowed_resources: Allowed = "all"

    @classmethod
    def of(cls, name: str, permissions: Permissions) -> Role:
        """The role of that name with these permissions."""
        return cls(name=name, **{each.name: getattr(permissions, each.name) for each in fields(permissions)})

    def as_meta(self) -> dict[str, Any]:
        """The role as a server's presence describes it (MCP over MQTT: ``meta.rbac.roles``)."""
        return {
            "name": self.name,
            "description": self.description,
            # MCP over MQTT, "Service Discovery": "all" is no choice here. EMQX's TypeScript client does not see a
            # server that says it.
            "allowed_methods": sorted(METHODS if self.allowed_methods == "all" else self.allowed_methods),
            "allowed_tools": _as_meta(self.allowed_tools),
            "allowed_resources": _as_meta(self.allowed_resources),
        }


def _as_meta(allowed: Allowed) -> str | list[str]:
    return allowed if isinstance(allowed, str) else sorted(allowed)
