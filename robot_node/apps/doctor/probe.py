"""Random names for the doctor's own messages, so that they disturb no robot and no agent."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from robot_node.mcp_mqtt import topics
from robot_node.mqtt import Incoming
from robot_node.mqtt.identifiers import is_client_id

NAME = "robot-node/doctor"
"""A server name in the group of the shipped access rules."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A client and a server with random names, and the topic between them.

    Attributes:
        client: MQTT client id of the client.
        server: MQTT client id of the server.
        mcp_client: MCP client id in topics: the user name if possible, as the shipped access rules require.
        user: User name at the broker; None without one.
    """

    client: str
    server: str
    mcp_client: str
    user: str | None

    @classmethod
    def new(cls, user: str | None) -> Probe:
        """Create random names for one run."""
        client = f"doctor-{secrets.token_hex(4)}"
        mcp_client = user if user and is_client_id(user) else client
        return cls(client, f"{client}-server", mcp_client, user)

    @property
    def topic(self) -> str:
        """The RPC topic between client and server."""
        return topics.ServerTopics(self.server, NAME).rpc(self.mcp_client)

    @property
    def wildcards(self) -> tuple[str, ...]:
        """Filters with wildcards that match the topic and nothing outside of this client's own topics."""
        own = f"$mcp-rpc/{self.mcp_client}"
        return f"{own}/+/{NAME}", f"{own}/#"


def ignore(_: Incoming) -> None:
    """Ignore a message."""
