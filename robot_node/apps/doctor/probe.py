"""Names that nobody else has, for what the doctor publishes: it disturbs no robot and no agent."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from robot_node.mcp_mqtt import topics
from robot_node.mqtt import Incoming
from robot_node.mqtt.identifiers import is_client_id

NAME = "robot-node/doctor"
"""A server name in the group that the access rules which we ship are for."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A client and a server that nobody else knows, and the topic between them.

    Attributes:
        client: MQTT client id of the client.
        server: MQTT client id of the server.
        speaker: MCP client id: the access rules that we ship let a user speak below its own name, whatever its id.
        user: Who we are to the broker; None for nobody.
    """

    client: str
    server: str
    speaker: str
    user: str | None

    @classmethod
    def new(cls, user: str | None) -> Probe:
        """Names for one visit."""
        client = f"doctor-{secrets.token_hex(4)}"
        speaker = user if user and is_client_id(user) else client
        return cls(client, f"{client}-server", speaker, user)

    @property
    def topic(self) -> str:
        """Between client and server."""
        return topics.ServerTopics(self.server, NAME).rpc(self.speaker)


def ignore(_: Incoming) -> None:
    """Nothing that comes matters."""
