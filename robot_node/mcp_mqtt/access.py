"""Access policy: which client has which role. Pure; :mod:`robot_node.mcp_mqtt.guard` enforces it.

A client gets its role by its MCP client id, which is worth as much as the broker's access rules: see docs/access.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from mcp_types import ErrorData

from robot_node.core.text import shown
from robot_node.errors import SettingsError
from robot_node.mcp_mqtt.jsonrpc import ErrorCode
from robot_node.mcp_mqtt.roles import HANDSHAKE, Role

__all__ = ["ADMIN", "HUMAN_ONLY", "LISTS", "AccessPolicy", "Role", "is_human_only"]

# They change nothing, and the answer goes to the client id that the message claims.
_UNVERIFIED_METHODS = HANDSHAKE | {
    "tools/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
}


ADMIN = Role(name="admin", description="Everything.")


class AccessPolicy:
    """Which client has which role. Without arguments every client is an admin.

    Args:
        roles: The roles.
        clients: Patterns of client ids (``*``, ``?``, ``[seq]``; upper and lower case differ), each with a role's
            name. The first that fits counts.
        default_role: The role of a client that matches no pattern.
        human_only: Tools that a role must allow by name.

    Raises:
        SettingsError: there is no such role.
    """

    def __init__(
        self,
        roles: Iterable[Role] = (ADMIN,),
        clients: Iterable[tuple[str, str]] = (),
        default_role: str = ADMIN.name,
        *,
        human_only: Iterable[str] = (),
    ) -> None:
        by_name = {role.name: role for role in roles}
        self._clients = tuple((pattern, _find(by_name, name)) for pattern, name in clients)
        self._default = _find(by_name, default_role)
        self.human_only = frozenset(human_only)

    @property
    def roles(self) -> tuple[Role, ...]:
        """All roles that clients can have, each once."""
        return tuple(dict.fromkeys((*(role for _, role in self._clients), self._default)))

    @property
    def allows_everything(self) -> bool:
        """Whether every client may do everything."""
        everything = ("all", "all", "all")
        return not self.human_only and all(
            (role.allowed_methods, role.allowed_tools, role.allowed_resources) == everything for role in self.roles
        )

    def role_of(self, client_id: str) -> Role:
        """The role of a client."""
        return next((role for pattern, role in self._clients if fnmatchcase(client_id, pattern)), self._default)

    def meta(self) -> dict[str, Any]:
        """The roles as the ``meta`` of a server's presence; empty when everything is allowed."""
        return {} if self.allows_everything else {"rbac": {"roles": [role.as_meta() for role in self.roles]}}

    def check(
        self, role: Role, method: str, params: Mapping[str, Any] | None, *, topic_verified: bool
    ) -> ErrorData | None:
        """Whether a client in that role may send this request.

        A role with a list gets the same error for a forbidden tool and for one that does not exist: the check
        looks at the list only.

        Args:
            role: The client's role.
            method: The request's method.
            params: Its parameters.
            topic_verified: The topic names the sender, so that the broker's access rules apply to it.

        Returns:
            None when it may; else the error to answer.
        """
        values = params or {}
        if not topic_verified and method not in _UNVERIFIED_METHODS:
            return _forbidden(
                role,
                f"{method} cannot open a session here: on the control topic anybody can claim to be anybody. "
                "The session is open now, send it again; or begin with server/discover.",
            )
        if not role.may_use(method):
            return _forbidden(role, f"The role {role.name} may not use {method}.")
        if method == "tools/call":
            return self._check_call(role, values.get("name"))
        uris = _uris(method, values)
        forbidden = next((uri for uri in uris if not role.may_read(uri)), None)
        if forbidden is not None:
            return _forbidden(role, f"The role {role.name} may not read {shown(forbidden)}.")
        return None

    def _check_call(self, role: Role, tool: object) -> ErrorData | None:
        if not isinstance(tool, str):
            return None  # the SDK says what is wrong with it
        human_only = tool in self.human_only
        if role.may_call(tool, human_only=human_only):
            return None
        if human_only and role.allowed_tools == "all":
            text = f"{tool} is for people only: the role {role.name} would have to allow it by name."
        else:
            text = f"The role {role.name} may not call {shown(tool)}."
        return _forbidden(role, text)

    def visible(self, role: Role, method: str, result: Mapping[str, Any]) -> dict[str, Any]:
        """The entries of a list's page that the role may see. A page may become empty; its cursor stays."""
        shown = dict(result)
        if method == "tools/list":
            shown["tools"] = [
                tool for tool in result["tools"] if role.may_call(tool["name"], human_only=self._human_only(tool))
            ]
        elif method == "resources/list":
            shown["resources"] = [entry for entry in result["resources"] if role.may_read(entry["uri"])]
        elif method == "resources/templates/list":
            shown["resourceTemplates"] = [
                entry for entry in result["resourceTemplates"] if role.may_read(entry["uriTemplate"])
            ]
        if "cacheScope" in shown:
            shown["cacheScope"] = "private"  # another client's list may differ
        return shown

    def _human_only(self, tool: Mapping[str, Any]) -> bool:
        return tool["name"] in self.human_only or is_human_only(tool.get("_meta"))


LISTS = frozenset({"tools/list", "resources/list", "resources/templates/list"})
"""Methods whose answers depend on the role."""

AUDIENCE_META_KEY = "robot-node/audience"
HUMAN_ONLY = {AUDIENCE_META_KEY: "people"}
"""A tool's ``_meta`` that marks it as for people only."""


def is_human_only(meta: Mapping[str, Any] | None) -> bool:
    """Whether a tool's ``_meta`` marks it as for people only."""
    return meta is not None and meta.get(AUDIENCE_META_KEY) == "people"


def _uris(method: str, params: Mapping[str, Any]) -> list[str]:
    """URIs that a request asks for; malformed ones are left to the SDK."""
    found: list[Any] = []
    if method in {"resources/read", "resources/subscribe"}:
        found = [params.get("uri")]
    elif method == "subscriptions/listen":
        notifications = params.get("notifications")
        listed = notifications.get("resourceSubscriptions") if isinstance(notifications, Mapping) else None
        found = listed if isinstance(listed, list) else []
    elif method == "completion/complete":
        ref = params.get("ref")
        found = [ref.get("uri")] if isinstance(ref, Mapping) and ref.get("type") == "ref/resource" else []
    return [uri for uri in found if isinstance(uri, str)]


def _forbidden(role: Role, text: str) -> ErrorData:
    return ErrorData(code=ErrorCode.FORBIDDEN, message=text, data={"role": role.name})


def _find(roles: Mapping[str, Role], name: str) -> Role:
    if name not in roles:
        raise SettingsError(f"There is no role {name!r}.", remedy=f"The roles are: {', '.join(sorted(roles))}.")
    return roles[name]
