"""Agents' subscriptions to resources of robots."""

from __future__ import annotations

import contextlib

from mcp.shared.exceptions import MCPError

from robot_node.apps.bridge.naming import Offer
from robot_node.apps.bridge.robots import MAX_SUBSCRIPTIONS, Robot
from robot_node.errors import RemoteError


class Subscriptions:
    """Subscribers of each resource, with the URI that each of them uses.

    The bridge subscribes to a resource of a robot once. Since agents disconnect without unsubscribing, it unsubscribes
    when a change arrives that has no subscriber, or when another resource of that robot is subscribed to.
    """

    def __init__(self) -> None:
        self._subscribers: dict[Offer, set[tuple[str, str]]] = {}

    async def add(self, subscriber: str, uri: str, offer: Offer, robot: Robot) -> None:
        """Add a subscriber of a resource.

        Raises:
            RemoteError: There is no session with the robot, or it has too many subscriptions.
            MCPError: The robot refused.
        """
        if offer.tool not in robot.subscribed:
            await self._stop_unused(robot)
            if len(robot.subscribed) >= MAX_SUBSCRIPTIONS:
                raise RemoteError(f"{robot.server.server_id} has {MAX_SUBSCRIPTIONS} subscriptions, the maximum.")
            await (await robot.session()).subscribe(offer.tool)
            robot.subscribed.add(offer.tool)
        self._subscribers.setdefault(offer, set()).add((subscriber, uri))

    async def _stop_unused(self, robot: Robot) -> None:
        for offer in [Offer(robot.name, uri) for uri in sorted(robot.subscribed)]:
            if offer not in self._subscribers:
                await self.stop(offer, robot)

    async def stop(self, offer: Offer, robot: Robot) -> None:
        """Unsubscribe from a resource of a robot."""
        robot.subscribed.discard(offer.tool)
        with contextlib.suppress(RemoteError, MCPError):
            await (await robot.session()).subscribe(offer.tool, on=False)

    def remove(self, subscriber: str, uri: str | None = None) -> None:
        """Remove a subscriber, of one URI or of all."""
        for offer, subscribers in list(self._subscribers.items()):
            subscribers -= {entry for entry in subscribers if entry[0] == subscriber and uri in {None, entry[1]}}
            if not subscribers:
                del self._subscribers[offer]

    def uris(self, offer: Offer) -> list[str]:
        """Return the URIs that the subscribers of a resource use; empty without subscribers."""
        return sorted({uri for _, uri in self._subscribers.get(offer, ())})

    def has(self, subscriber: str, uri: str) -> bool:
        """Whether a subscriber has subscribed to this URI."""
        return any((subscriber, uri) in subscribers for subscribers in self._subscribers.values())
