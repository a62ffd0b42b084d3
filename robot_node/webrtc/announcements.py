"""What the robot tells all of its peers about its speech, on ``$message/{client-id}``, whoever called whom."""

from __future__ import annotations

from collections.abc import Callable

from robot_node.webrtc.messages import BackendMessage


class Announcements:
    """Passes messages on to those who have peers. Used from the event loop only."""

    def __init__(self) -> None:
        self._receivers: list[Callable[[BackendMessage], None]] = []

    def send(self, message: BackendMessage) -> None:
        """Tell every peer that is connected; it is lost while the broker is away."""
        for receiver in tuple(self._receivers):
            receiver(message)

    def listen(self, receiver: Callable[[BackendMessage], None]) -> Callable[[], None]:
        """Pass each message to ``receiver``, until the returned function is called."""
        self._receivers.append(receiver)
        return lambda: self._receivers.remove(receiver)
