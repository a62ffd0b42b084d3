"""What a server does about what it receives: the vocabulary of :mod:`robot_node.mcp_mqtt.protocol`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse


class SessionKey(NamedTuple):
    """Identity of a session: a client id, and a number that distinguishes it from earlier sessions of that id."""

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
    """Cancel the session; publish nothing more of it.

    Attributes:
        unsubscribe: Unsubscribe the client's topics too; False when another session of this client needs them.
        notify: Send ``notifications/disconnected`` to the client, which doesn't know.
        replaced: Another session of this client follows: its stay goes on.
    """

    session: SessionKey
    reason: str
    unsubscribe: bool
    notify: bool = False
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class UnsubscribeClient:
    """Unsubscribe the topics of a client whose session ended before."""

    client_id: str


@dataclass(frozen=True, slots=True)
class Retire:
    """Let a replaced session's calls end by themselves; publish their answers only. ``Close`` follows."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class Answer:
    """Publish an answer on the client's RPC topic."""

    client_id: str
    message: JSONRPCResponse | JSONRPCError


@dataclass(frozen=True, slots=True)
class Ping:
    """Send a ``ping`` with this id on the client's RPC topic."""

    session: SessionKey
    request_id: str


@dataclass(frozen=True, slots=True)
class LogNotice:
    """Something to log, at a limited rate.

    Attributes:
        kind: Short and of a small set: the rate of each kind is limited by itself.
        text: The whole sentence.
    """

    kind: str
    text: str


Action = Open | Deliver | Close | Retire | UnsubscribeClient | Answer | Ping | LogNotice
