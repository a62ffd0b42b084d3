"""Topic names and identifiers of MCP over MQTT. Pure.

Source: MCP over MQTT (EMQX specification, 2025-03-26 revision), "Topics" and "Identifiers".
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from robot_node.core.text import SHOWN_CHARACTERS, bounded
from robot_node.errors import SettingsError
from robot_node.mqtt.identifiers import RESERVED_IDS, is_client_id, is_server_name, is_topic_text

_PRESENCE = "$mcp-server/presence/"
_CAPABILITY = "$mcp-server/capability/"
_CLIENT_PRESENCE = "$mcp-client/presence/"
_CLIENT_CAPABILITY = "$mcp-client/capability/"
_RPC = "$mcp-rpc/"


class Channel(enum.Enum):
    """What a topic carries, as seen by a server."""

    CONTROL = "control"
    CLIENT_PRESENCE = "client presence"
    CLIENT_CAPABILITY = "client capability"
    RPC = "RPC"


def check_client_id(value: str) -> str:
    """Return ``value`` when it is a client id or server id.

    Raises:
        SettingsError: it is not.
    """
    if not is_client_id(value):
        raise SettingsError(
            f"{bounded(value, SHOWN_CHARACTERS)!r} cannot be an MQTT client id or server id of MCP over MQTT.",
            remedy="Use 1 to 1024 bytes without '/', '+', '#' and control characters.",
        )
    if value in RESERVED_IDS:
        raise SettingsError(
            f"{value!r} cannot be an MQTT client id or server id: it is a word of MCP over MQTT's topics.",
            remedy=f"Use another one, e.g. 'robot-{value}'.",
        )
    return value


def check_server_name(value: str) -> str:
    """Return ``value`` when it is a server name.

    Raises:
        SettingsError: it is not.
    """
    if not is_server_name(value):
        raise SettingsError(
            f"{bounded(value, SHOWN_CHARACTERS)!r} cannot be a server name of MCP over MQTT.",
            remedy="Write it as 'group/name': at least one '/', not the first character, and no '+' or '#'.",
        )
    return value


def check_called_name(value: str) -> str:
    """Return ``value`` when a server can have that name: other implementations take names without ``/`` too.

    Raises:
        SettingsError: it cannot be a part of a topic.
    """
    if not value or not is_topic_text(value):
        raise SettingsError(
            f"{bounded(value, SHOWN_CHARACTERS)!r} cannot be a server name of MCP over MQTT.",
            remedy="Use 1 to 1024 bytes without '+', '#' and control characters.",
        )
    return value


def check_name_filter(value: str) -> str:
    """Return ``value`` when it is a filter for server names: a server name, or one with ``+`` and ``#`` as in MQTT.

    Raises:
        SettingsError: it is not.
    """
    levels = value.split("/")
    wildcards_alone = all(level in {"+", "#"} or not set(level) & {"+", "#"} for level in levels)
    if not value or not wildcards_alone or "#" in levels[:-1] or not is_topic_text(value.translate(_NO_WILDCARDS)):
        raise SettingsError(
            f"{bounded(value, SHOWN_CHARACTERS)!r} cannot filter server names.",
            remedy="Write it as an MQTT topic filter, e.g. '#', 'robot-node/#' or 'robot-node/+'.",
        )
    return value


_NO_WILDCARDS = str.maketrans({"+": "x", "#": "x"})


class ServerName(NamedTuple):
    """The server of a presence topic."""

    server_id: str
    server_name: str


def presence_filter(name_filter: str) -> str:
    """Topic filter for the presence of all servers whose name matches ``name_filter``."""
    return f"{_PRESENCE}+/{name_filter}"


def parse_presence(topic: str) -> ServerName | None:
    """The server of a presence topic; None when ``topic`` is no presence topic."""
    if not topic.startswith(_PRESENCE):
        return None
    server_id, _, server_name = topic[len(_PRESENCE) :].partition("/")
    return ServerName(server_id, server_name) if server_id and server_name else None


def name_matches(name_filter: str, server_name: str) -> bool:
    """Whether the server name matches an MQTT filter (MQTT 5.0, 4.7)."""
    pattern, levels = name_filter.split("/"), server_name.split("/")
    for index, level in enumerate(pattern):
        if level == "#":
            return True
        if index >= len(levels) or level not in {"+", levels[index]}:
            return False
    return len(pattern) == len(levels)


@dataclass(frozen=True, slots=True)
class ServerTopics:
    """The topics of one server.

    Attributes:
        server_id: MQTT client id of the server.
        server_name: Its hierarchical name.
    """

    server_id: str
    server_name: str

    @property
    def control(self) -> str:
        """Control topic: where a client opens a session."""
        return f"$mcp-server/{self.server_id}/{self.server_name}"

    @property
    def presence(self) -> str:
        """Presence topic, retained: the server is online; an empty payload means offline."""
        return f"{_PRESENCE}{self.server_id}/{self.server_name}"

    @property
    def capability(self) -> str:
        """Capability topic: the server's notifications to all clients."""
        return f"{_CAPABILITY}{self.server_id}/{self.server_name}"

    def rpc(self, client_id: str) -> str:
        """RPC topic of the server and one client."""
        return f"{_RPC}{client_id}/{self.server_id}/{self.server_name}"

    def parse(self, topic: str) -> tuple[Channel, str] | None:
        """The channel of a topic, and the client id in it (empty on the control topic).

        Returns:
            None for a topic that is none of this server's.
        """
        if topic.startswith(_RPC):
            client_id, _, server = topic[len(_RPC) :].partition("/")
            return (Channel.RPC, client_id) if server == f"{self.server_id}/{self.server_name}" else None
        if topic == self.control:
            return Channel.CONTROL, ""
        if topic.startswith(_CLIENT_PRESENCE):
            return Channel.CLIENT_PRESENCE, topic[len(_CLIENT_PRESENCE) :]
        if topic.startswith(_CLIENT_CAPABILITY):
            return Channel.CLIENT_CAPABILITY, topic[len(_CLIENT_CAPABILITY) :]
        return None


def client_presence(client_id: str) -> str:
    """A client's presence topic, which is the topic of its will too."""
    return f"{_CLIENT_PRESENCE}{client_id}"


def client_capability(client_id: str) -> str:
    """A client's capability topic: its notifications to all servers."""
    return f"{_CLIENT_CAPABILITY}{client_id}"
