"""Signalling of viewers that come by another way than the broker, e.g. by WHEP: they are viewers like all others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from robot_node.errors import NotReadyError
from robot_node.webrtc.signaling import Message
from robot_node.webrtc.viewers import Viewers

PREFIX = "http/"
"""Begins their ids: no client id of MQTT that can offer has a slash, since it is one level of a topic."""


class DirectSignaling:
    """Passes messages between a robot's viewers and what speaks for some of them. Used from the event loop only."""

    def __init__(self) -> None:
        self._viewers: Viewers | None = None
        self._receivers: dict[str, Callable[[Message], None]] = {}

    @contextmanager
    def serving(self, viewers: Viewers) -> Iterator[None]:
        """Pass offers to these viewers as long as the block runs."""
        self._viewers = viewers
        try:
            yield
        finally:
            self._viewers = None

    @property
    def viewers(self) -> Viewers:
        """Where offers and candidates go.

        Raises:
            NotReadyError: The robot does not answer offers now.
        """
        if self._viewers is None:
            raise NotReadyError("The robot does not stream now.", remedy="Try again later; see webrtc.enabled.")
        return self._viewers

    def is_served(self, viewer_id: str) -> bool:
        """Whether a viewer has a session, or an offer that waits for one."""
        return self._viewers is not None and self._viewers.is_served(viewer_id)

    def listen(self, viewer_id: str, receive: Callable[[Message], None]) -> None:
        """Pass the robot's messages to a viewer to ``receive``, until :meth:`forget`."""
        self._receivers[viewer_id] = receive

    def forget(self, viewer_id: str) -> None:
        """Drop messages to a viewer from now on."""
        self._receivers.pop(viewer_id, None)

    def deliver(self, viewer_id: str, message: Message) -> bool:
        """Deliver a message of the robot; return False when the viewer is one that the broker reaches."""
        if not viewer_id.startswith(PREFIX):
            return False
        if (receive := self._receivers.get(viewer_id)) is not None:
            receive(message)
        return True
