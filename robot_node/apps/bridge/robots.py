"""Sessions of the bridge with the robots of a broker, and each robot's tools and resources."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import (
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
    event_from_wire,
)
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT

from robot_node.apps.bridge.listing import RESOURCES, TEMPLATES, TOOLS, Budget, Kind
from robot_node.apps.bridge.session import Params, RobotSession, open_session
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.errors import RemoteError, RobotNodeError
from robot_node.mcp_mqtt.access import is_human_only
from robot_node.mcp_mqtt.presence import Directory, OnlineServer, directory
from robot_node.mcp_mqtt.topics import ServerName
from robot_node.mqtt import Backoff, Broker, LinkStatus

logger = logging.getLogger(__name__)

MAX_ROBOTS = 64
"""Most robots of one bridge: each costs a connection, and makes the agent's list of tools longer."""
MAX_SUBSCRIPTIONS = 256
"""Most subscribed resources per robot."""
_MAX_ROBOTS_PER_ID = 8  # a single robot must not take all places by server names of its own
_MAX_CONCURRENT_OPENINGS = 32
# Some servers leave a retained presence behind when they crash: the others must not wait long for those.
_OPEN_TIMEOUT_S = 10.0
# The broker sends all retained presence in one burst after the subscription.
_PRESENCE_S = 0.3
_SESSION_TIMEOUT_S = 5.0
# A robot may announce changes without end: its lists are read again at most this often.
_REREAD_INTERVAL_S = 0.2

OnEvent = Callable[[ServerName, ServerEvent], Awaitable[None]]


@dataclass(eq=False)
class Robot:
    """A robot that is online.

    Attributes:
        server: Its presence.
        budget: What the lists of all robots may take.
        tools: Its tools, unchanged.
        resources: Its resources, unchanged.
        templates: Its resource templates, unchanged.
        is_listed: Whether its tools have been read.
        instructions: Its instructions for agents; may be empty.
        problem: Why there is no session; empty when there is one.
        refusal: Its error for ``tools/list``; empty without one.
        left_out: The tools and resources that agents cannot use, and why.
        subscribed: URIs of its subscribed resources, renewed in its next session.
        tried: Set when the first attempt to open a session has succeeded or failed.
        stale: Set when it has announced that its lists changed.
    """

    server: OnlineServer
    budget: Budget
    tools: list[Params] = field(default_factory=list)
    resources: list[Params] = field(default_factory=list)
    templates: list[Params] = field(default_factory=list)
    is_listed: bool = False
    instructions: str = ""
    problem: str = "the session is being opened"
    refusal: str = ""
    left_out: list[str] = field(default_factory=list)
    subscribed: set[str] = field(default_factory=set)
    _session: RobotSession | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    stale: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> ServerName:
        """Its server id and server name."""
        return ServerName(self.server.server_id, self.server.server_name)

    def use(self, session: RobotSession | None, problem: str = "") -> None:
        """Set the session, or None and the reason."""
        self._session, self.problem = session, problem
        self.tried.set()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def session(self) -> RobotSession:
        """Return the session; waits up to 5 s for one that is being opened.

        Raises:
            RemoteError: There is none.
        """
        try:
            async with asyncio.timeout(_SESSION_TIMEOUT_S):
                while self._session is None:
                    await self._changed.wait()
        except TimeoutError:
            raise RemoteError(f"There is no session with {self.server.server_id}: {self.problem}.") from None
        return self._session

    async def read_lists(self, session: RobotSession) -> set[ServerEvent]:
        """Read its tools and resources.

        Returns:
            Events for what has changed.
        """
        self.stale.clear()
        before = self.tools, self.resources, self.templates
        self.refusal, self.instructions = "", session.instructions
        left_out: list[str] = []
        if "tools" in session.capabilities:
            # Behind the bridge are agents, whatever role its client id has: they answer no questions to people.
            tools = await self._list(session, TOOLS, left_out)
            self.tools = [tool for tool in tools if not is_human_only(tool.get("_meta"))]
        if "resources" in session.capabilities:
            self.resources = await self._list(session, RESOURCES, left_out)
            self.templates = await self._list(session, TEMPLATES, left_out)
        if left_out and left_out != self.left_out:
            logger.info("Left out of what %s offers: %s.", self.server.server_id, "; ".join(left_out))
        self.left_out = left_out
        changed: set[ServerEvent] = set()
        if self.tools != before[0] or not self.is_listed:
            changed.add(ToolsListChanged())
        if (self.resources, self.templates) != before[1:]:
            changed.add(ResourcesListChanged())
        self.is_listed = True
        return changed

    async def _list(self, session: RobotSession, kind: Kind, left_out: list[str]) -> list[Params]:
        try:
            listing = await session.list_all(kind, partial(self.budget.claim, self.name, kind))
        except MCPError as error:
            if error.code in {CONNECTION_CLOSED, REQUEST_TIMEOUT}:
                raise
            if kind is TOOLS:  # access rules may exclude resources, and templates are optional
                self.refusal = str(error).rstrip(".")
            return []
        left_out += listing.left_out
        return listing.items


class Robots:
    """Keeps a session with each robot that is online. Created by :func:`robots`."""

    servers: Directory

    def __init__(self, broker: Broker, wanted: Sequence[str], on_event: OnEvent) -> None:
        self.broker = broker
        self.status = LinkStatus(connected=False, reason="The bridge has just started.")
        self.left_out = 0
        self._wanted = frozenset(wanted)
        self._on_event = on_event
        self._online: dict[ServerName, tuple[Robot, asyncio.Task[None]]] = {}
        self._opening = asyncio.Semaphore(_MAX_CONCURRENT_OPENINGS)
        self._presence_received = asyncio.Event()
        self._settled = False
        self._budget = Budget()

    @property
    def online(self) -> list[Robot]:
        """The robots that are online, sorted by name."""
        return [self._online[name][0] for name in sorted(self._online, key=lambda name: (name.server_name, name))]

    @property
    def listed(self) -> list[Robot]:
        """The online robots whose tools have been read."""
        return [robot for robot in self.online if robot.is_listed]

    def get(self, name: ServerName) -> Robot:
        """Return the robot with that id and name.

        Raises:
            RemoteError: It is not online.
        """
        if (found := self._online.get(name)) is None:
            raise RemoteError(f"{name.server_id} ({name.server_name}) is not online.")
        return found[0]

    async def settled(self, limit_s: float) -> None:
        """Wait for the first presence messages and for the first session with each robot; later calls return at once.

        Agents are notified of later changes.

        Args:
            limit_s: Timeout in seconds.
        """
        if self._settled:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._presence_received.wait()
                for robot in self.online:
                    await robot.tried.wait()
        self._settled = True

    def on_status(self, status: LinkStatus) -> None:
        """Update the status of the connection to the broker."""
        self.status = status
        if not status.connected:
            self._presence_received.set()
        elif not self._presence_received.is_set():
            asyncio.get_running_loop().call_later(_PRESENCE_S, self._presence_received.set)

    async def update(self, servers: Sequence[OnlineServer]) -> None:
        """Open sessions with the robots that came online and close those with the robots that went offline."""
        wanted = {
            ServerName(server.server_id, server.server_name): server
            for server in servers
            if not self._wanted or self._wanted & {server.server_id, server.server_name}
        }
        gone = [self._online.pop(name) for name in list(self._online) if name not in wanted]
        self.left_out = 0
        for name, server in wanted.items():
            if name in self._online:
                self._online[name][0].server = server
            elif len(self._online) < MAX_ROBOTS and self._number_of(name.server_id) < _MAX_ROBOTS_PER_ID:
                robot = Robot(server, self._budget)
                task = asyncio.create_task(self._serve(robot), name=f"bridge to {server.server_id}")
                self._online[name] = (robot, task)
            else:
                self.left_out += 1
        for robot, task in gone:
            robot.use(None, "it went offline")
            self._budget.release(robot.name)
            task.cancel()  # calls in progress fail now; closing the session may take longer
        for robot, _ in gone:
            if robot.is_listed:
                await self._publish(robot.name, ToolsListChanged())
                await self._publish(robot.name, ResourcesListChanged())
        await cancel_and_wait(*(task for _, task in gone))

    def _number_of(self, server_id: str) -> int:
        return sum(name.server_id == server_id for name in self._online)

    async def close(self) -> None:
        """Close all sessions."""
        await cancel_and_wait(*(task for _, task in self._online.values()))
        self._online.clear()

    async def _serve(self, robot: Robot) -> None:
        backoff = Backoff(initial_s=0.5, maximum_s=30.0)
        while True:
            try:
                await self._keep_session(robot, backoff)
            except (RobotNodeError, MCPError) as error:
                robot.use(None, str(error).rstrip("."))
                logger.info("%s: %s", robot.server.server_id, error)
            except Exception:  # a bug in the session with one robot must not end it for good
                robot.use(None, "internal error of the bridge: see its log")
                logger.exception("Session with %s failed", robot.server.server_id)
            await asyncio.sleep(backoff.next_delay())

    async def _keep_session(self, robot: Robot, backoff: Backoff) -> None:
        loop = asyncio.get_running_loop()
        updates: asyncio.Queue[ServerEvent] = asyncio.Queue(MAX_SUBSCRIPTIONS)

        def on_change(method: str, params: Params) -> None:
            event = event_from_wire(method, params)
            if isinstance(event, ToolsListChanged | ResourcesListChanged):
                robot.stale.set()
            elif isinstance(event, ResourceUpdated):
                updated(event)

        def updated(event: ResourceUpdated) -> None:
            if not updates.full():
                updates.put_nowait(event)

        async with contextlib.AsyncExitStack() as stack:
            async with self._opening, _open_timeout(robot):
                session, ended = await stack.enter_async_context(open_session(self.servers, robot.server, on_change))
                changed = await robot.read_lists(session)
            for uri in sorted(robot.subscribed):
                with contextlib.suppress(MCPError):
                    await session.subscribe(uri)
                updated(ResourceUpdated(uri))  # it may have changed while there was no session
            robot.use(session)
            opened_at = loop.time()
            publisher = asyncio.create_task(self._publish_updates(robot.name, updates), name="bridge updates")
            try:
                while not ended.done():
                    for event in changed:
                        await self._publish(robot.name, event)
                    await asyncio.wait((ended,), timeout=_REREAD_INTERVAL_S)
                    await _wait_for_either(ended, robot.stale)
                    changed = set() if ended.done() else await robot.read_lists(session)
            finally:
                if loop.time() - opened_at >= backoff.stable_after_s:
                    backoff.reset()
                robot.use(None, "the session ended")
                await cancel_and_wait(publisher)

    async def _publish(self, name: ServerName, event: ServerEvent) -> None:
        try:
            await self._on_event(name, event)
        except Exception:  # an agent that cannot be notified must not end the session with the robot
            logger.exception("Could not notify agents of a change of %s", name.server_id)

    async def _publish_updates(self, name: ServerName, updates: asyncio.Queue[ServerEvent]) -> None:
        while True:
            await self._publish(name, await updates.get())


@contextlib.asynccontextmanager
async def _open_timeout(robot: Robot) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_OPEN_TIMEOUT_S):
            yield
    except TimeoutError:
        raise RemoteError(f"{robot.server.server_id} did not answer within {_OPEN_TIMEOUT_S:g} s.") from None


async def _wait_for_either(ended: asyncio.Task[None], stale: asyncio.Event) -> None:
    waiting = asyncio.create_task(stale.wait(), name="bridge stale lists")
    try:
        await asyncio.wait((ended, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


@contextlib.asynccontextmanager
async def robots(
    broker: Broker, *, wanted: Sequence[str], client_id: str, on_event: OnEvent, backoff: Backoff | None = None
) -> AsyncIterator[Robots]:
    """Keep sessions with the robots of a broker, through restarts of robots and broker.

    Args:
        broker: The broker.
        wanted: Server ids and server names; empty for all robots.
        client_id: MQTT client id.
        on_event: Called with each change: the robot and the event.
        backoff: Delays between attempts to connect to the broker.
    """
    pool = Robots(broker, wanted, on_event)

    async def follow() -> None:
        async with contextlib.aclosing(servers.changes()) as changes:
            async for online in changes:
                await pool.update(online)

    async with directory(broker, client_id=client_id, backoff=backoff, on_status=pool.on_status) as servers:
        pool.servers = servers
        following = asyncio.create_task(follow(), name="bridge directory")
        try:
            yield pool
        finally:
            await cancel_and_wait(following)
            await pool.close()
