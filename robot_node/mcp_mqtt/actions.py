"""What reaches a server, and what it does about it: the vocabulary of :mod:`robot_node.mcp_mqtt.protocol`."""

from __future__ import annotations

from dataclasses import dataclass

from mcp_types import JSONRPCError, JSONRPCMessage


@dataclass(frozen=True, slots=True)
class Packet:
    """A PUBLISH that reached the server.

    Attributes:
        sender: User property ``MCP-MQTT-CLIENT-ID``; None when the packet has none.
        retain: The broker kept the message and delivers it late.
    """

    topic: str
    payload: bytes
    sender: str | None
    retain: bool = False


@dataclass(frozen=True, slots=True)
class SessionKey:
    """One session: a client id, and a number that tells it from earlier sessions of that id."""

    client_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Open:
    """Subscribe the client's topics, then serve the session; ``Deliver`` of its first message follows."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class Deliver:
    """Put the message into the session's inbox."""

    session: SessionKey
    message: JSONRPCMessage


@dataclass(frozen=True, slots=True)
class Close:
    """Cancel the session and let nothing more of it out.

    Attributes:
        unsubscribe: Give up the client's topics too; False when another session of this client takes them over.
        tell: Say ``notifications/disconnected`` to the client, which doesn't know.
    """

    session: SessionKey
    reason: str
    unsubscribe: bool
    tell: bool = False


@dataclass(frozen=True, slots=True)
class Forget:
    """Give up the topics of a client whose session ended before."""

    client_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Publish an error on the client's RPC topic."""

    client_id: str
    error: JSONRPCError


@dataclass(frozen=True, slots=True)
class Ping:
    """Send a ``ping`` with this id on the client's RPC topic."""

    session: SessionKey
    request_id: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something to log, once in a while.

    Attributes:
        kind: Short and of a small set: notes of one kind are thinned out together.
        text: The whole sentence.
    """

    kind: str
    text: str


Action = Open | Deliver | Close | Forget | Answer | Ping | Note
