"""Servers as their presence describes them, and picking one of them. Pure.

Source: MCP over MQTT (EMQX specification, 2025-03-26 revision), "Service Discovery".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pydantic_core
from mcp_types.version import LATEST_MODERN_VERSION

from robot_node.core.json_limits import check_json
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt import topics
from robot_node.mcp_mqtt.jsonrpc import SERVER_ONLINE
from robot_node.mcp_mqtt.roles import MOST_DESCRIPTION, Role
from robot_node.mcp_mqtt.topics import ServerName

_MAX_PRESENCE_BYTES = 256 * 1024
_MAX_PRESENCE_VALUES = 5_000
_MAX_SERVERS = 10_000
_MAX_SERVERS_PER_ID = 32  # the broker's rules limit the ids that an account can use, not the names


@dataclass(frozen=True, slots=True)
class OnlineServer:
    """A server, as its presence describes it.

    Attributes:
        server_id: Its MQTT client id.
        server_name: Its hierarchical name.
        description: What it can do, in short; empty when it doesn't say.
        meta: Further facts, e.g. ``rbac.roles``.
        role: Our role there, as the broker says it (``MCP-RBAC``); None where it doesn't.
    """

    server_id: str
    server_name: str
    description: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)
    role: str | None = None

    @property
    def is_modern(self) -> bool:
        """Whether it speaks MCP 2026-07-28 (``meta.protocol_versions``): others may ignore ``server/discover``."""
        versions = self.meta.get("protocol_versions")
        return isinstance(versions, list) and LATEST_MODERN_VERSION in versions

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that the server knows (``meta.rbac.roles``), as far as they can be read."""
        rbac = self.meta.get("rbac")
        entries = rbac.get("roles") if isinstance(rbac, dict) else None
        read = (_role(entry) for entry in entries) if isinstance(entries, list) else ()
        return tuple(role for role in read if role is not None)


def _role(entry: object) -> Role | None:
    if not isinstance(entry, dict):
        return None
    try:
        return Role(
            name=entry["name"],
            description=str(entry.get("description", ""))[:MOST_DESCRIPTION],
            allowed_methods=entry["allowed_methods"],
            allowed_tools=entry["allowed_tools"],
            allowed_resources=entry["allowed_resources"],
        )
    except (KeyError, ValueError):  # it lacks a part, or has something else there
        return None


def pick(
    servers: Iterable[OnlineServer], name_filter: str, choose: Callable[[Sequence[OnlineServer]], OnlineServer]
) -> OnlineServer:
    """Pick a server by its name: servers of the same name are instances of one service.

    Args:
        servers: Who is online.
        name_filter: A server name, or an MQTT filter for server names.
        choose: Decides between several, e.g. ``random.choice``.

    Raises:
        RemoteError: none has such a name; the text says who is online.
    """
    everyone = tuple(servers)
    instances = tuple(server for server in everyone if topics.name_matches(name_filter, server.server_name))
    if not instances:
        names = ", ".join(sorted({server.server_name for server in everyone})[:10]) or "nobody"
        raise RemoteError(f"No server {name_filter} is online.", remedy=f"Online now: {names}.")
    return choose(instances)


def parse_presence(topic: str, payload: bytes) -> OnlineServer | str:
    """Read a presence message that isn't empty.

    The topic decides who is online: a broker's access rules protect it, not what the payload says of names.

    Returns:
        The server, or why it cannot be one. A description or meta of the wrong kind counts as absent.
    """
    name = topics.parse_presence(topic)
    if name is None:
        return "the topic is no presence topic"
    if len(payload) > _MAX_PRESENCE_BYTES:
        return f"it has {len(payload)} bytes"
    try:
        check_json(payload, max_values=_MAX_PRESENCE_VALUES)
        message = pydantic_core.from_json(payload)
    except ValueError as error:
        return f"it is not JSON that can be used: {error}"
    if not isinstance(message, dict) or message.get("method") != SERVER_ONLINE:
        return f"it is no {SERVER_ONLINE} notification"
    params = message.get("params")
    params = params if isinstance(params, dict) else {}
    description, meta = params.get("description"), params.get("meta")
    return OnlineServer(
        name.server_id,
        name.server_name,
        description if isinstance(description, str) else "",
        meta if isinstance(meta, dict) else {},
    )


class Servers:
    """The servers seen so far.

    Args:
        name_filter: MQTT filter for server names; others are passed over.
    """

    def __init__(self, name_filter: str) -> None:
        self._name_filter = name_filter
        self._online: dict[ServerName, OnlineServer] = {}
        self._number_of: Counter[str] = Counter()
        self._stale: set[ServerName] = set()
        self.roles: Mapping[str, str] = {}

    def receive(self, topic: str, payload: bytes) -> str:
        """Take in a presence message; returns what is wrong with it, or nothing."""
        name = topics.parse_presence(topic)
        if name is None or not topics.name_matches(self._name_filter, name.server_name):
            return ""  # a filter that the broker gave may be wider than what was asked for
        self._stale.discard(name)
        if not payload:
            self._remove(name)
            return ""
        server = parse_presence(topic, payload)
        if isinstance(server, str):
            return f"Ignored the presence message on {topic}: {server}."
        if name not in self._online and len(self._online) >= _MAX_SERVERS:
            return f"Ignored the presence message on {topic}: {_MAX_SERVERS} servers are online already."
        if name not in self._online:
            if self._number_of[name.server_id] >= _MAX_SERVERS_PER_ID:
                return f"Ignored the presence message on {topic}: {_MAX_SERVERS_PER_ID} servers have this id already."
            self._number_of[name.server_id] += 1
        role = self.roles.get(name.server_name)
        self._online[name] = server if role is None else replace(server, role=role)
        return ""

    def mark_all_stale(self) -> None:
        """Mark every server as stale; its next presence message takes the mark away."""
        self._stale = set(self._online)

    def evict_stale(self) -> tuple[ServerName, ...]:
        """Remove the servers that are still marked as stale; return them."""
        evicted = tuple(name for name in self._stale if self._remove(name))
        self._stale.clear()
        return evicted

    def find(self, server: OnlineServer | ServerName) -> OnlineServer | None:
        """The server's latest presence; None when it is not online."""
        return self._online.get(ServerName(server.server_id, server.server_name))

    def clear(self) -> None:
        """Forget all."""
        self._online.clear()
        self._number_of.clear()

    def _remove(self, name: ServerName) -> bool:
        if self._online.pop(name, None) is None:
            return False
        self._number_of[name.server_id] -= 1
        if not self._number_of[name.server_id]:
            del self._number_of[name.server_id]
        return True

    def sorted(self) -> tuple[OnlineServer, ...]:
        """Who is online, ordered by name."""
        return tuple(sorted(self._online.values(), key=lambda server: (server.server_name, server.server_id)))
