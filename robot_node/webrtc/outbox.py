"""The queue of signalling messages to the broker."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from robot_node.mqtt import Connection
from robot_node.webrtc.signaling import Message, answers_topic, encode

logger = logging.getLogger(__name__)

_CAPACITY = 256


class Outbox:
    """Queue of messages to the broker: bounded, in order, sent by one task while connected.

    Args:
        topic_for: Returns the topic of a peer; that of the answering side by default.
    """

    def __init__(self, topic_for: Callable[[str], str] = answers_topic) -> None:
        self._topic_for = topic_for
        self._messages: deque[tuple[str, bytes]] = deque()
        self._changed = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._sending = False
        self._overflowing = False

    def put(self, peer: str, message: Message) -> None:
        """Send a message to a peer as soon as possible; it is lost when too many wait."""
        self.publish(self._topic_for(peer), encode(message))

    def publish(self, topic: str, payload: bytes) -> None:
        """Send any message in its turn; it is lost when too many wait."""
        if len(self._messages) >= _CAPACITY:
            if not self._overflowing:
                logger.warning("Signalling messages are lost: %d wait for the broker.", _CAPACITY)
            self._overflowing = True
            return
        self._overflowing = False
        self._messages.append((topic, payload))
        self._empty.clear()
        self._changed.set()

    def clear(self) -> None:
        """Drop the messages that wait."""
        self._messages.clear()
        self._empty.set()

    async def send_through(self, connection: Connection) -> None:
        """Send messages until cancelled.

        Raises:
            BrokerError: the connection is lost.
        """
        self._sending = True
        try:
            while True:
                while self._messages:
                    topic, payload = self._messages[0]
                    await connection.publish(topic, payload)
                    self._messages.popleft()
                self._empty.set()
                self._changed.clear()
                await self._changed.wait()
        finally:
            self._sending = False
            self._empty.set()

    async def flush(self) -> None:
        """Wait until everything is sent; return at once without a connection."""
        if self._sending:
            await self._empty.wait()
