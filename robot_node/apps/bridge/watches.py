"""Which agent wants to be told of changes of which resource."""

from __future__ import annotations

import contextlib

from mcp.shared.exceptions import MCPError

from robot_node.apps.bridge.naming import Offer
from robot_node.apps.bridge.robots import MAX_SUBSCRIPTIONS, Robot
from robot_node.errors import RemoteError


class Watches:
    """Who watches what, under which URI.

    A robot is asked once per resource. It is told to stop when the next change comes that nobody wants to know of, or
    another of its resources is watched: agents leave without a word.
    """

    def __init__(self) -> None:
        self._watchers: dict[Offer, set[tuple[str, str]]] = {}

    async def start(self, who: str, uri: str, offer: Offer, robot: Robot) -> None:
        """Let an agent watch a resource.

        Raises:
            RemoteError: there is no session with the robot, or too much of it is watched.
            MCPError: the robot refused.
        """
        if offer.tool not in robot.subscribed:
            await self._stop_unwatched(robot)
            if len(robot.subscribed) >= MAX_SUBSCRIPTIONS:
                raise RemoteError(f"{MAX_SUBSCRIPTIONS} resources of {robot.server.server_id} are subscribed to.")
            await (await robot.session()).subscribe(offer.tool)
            robot.subscribed.add(offer.tool)
        self._watchers.setdefault(offer, set()).add((who, uri))

    async def _stop_unwatched(self, robot: Robot) -> None:
        for offer in [Offer(robot.name, uri) for uri in sorted(robot.subscribed)]:
            if offer not in self._watchers:
                await self.stop(offer, robot)

    async def stop(self, offer: Offer, robot: Robot) -> None:
        """Let the robot be silent about a resource."""
        robot.subscribed.discard(offer.tool)
        with contextlib.suppress(RemoteError, MCPError):
            await (await robot.session()).subscribe(offer.tool, on=False)

    def forget(self, who: str, uri: str | None = None) -> None:
        """An agent has left, or watches one resource no longer."""
        for offer, watchers in list(self._watchers.items()):
            watchers -= {watcher for watcher in watchers if watcher[0] == who and uri in {None, watcher[1]}}
            if not watchers:
                del self._watchers[offer]

    def uris(self, offer: Offer) -> list[str]:
        """What those who watch a resource call it; none when nobody does."""
        return sorted({uri for _, uri in self._watchers.get(offer, ())})

    def has(self, who: str, uri: str) -> bool:
        """Whether an agent watches the resource that it calls so."""
        return any((who, uri) in watchers for watchers in self._watchers.values())
