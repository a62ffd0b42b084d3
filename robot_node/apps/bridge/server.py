"""The bridge as an MCP server: forwards messages between agents and robots, and changes names only.

The SDK checks the agent's requests (protocol era, handshake, parameters) and wraps the answers. The result itself is
the robot's, unchanged: the SDK's models would drop unknown members.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, cast

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated, ServerEvent, ToolsListChanged

from robot_node.apps.bridge import events as bridge_events
from robot_node.apps.bridge.agent import Agent, EventQueue
from robot_node.apps.bridge.channel import CAPABILITY, INSTRUCTIONS, Channel
from robot_node.apps.bridge.events import RobotEvents, has_events
from robot_node.apps.bridge.groups import Groups, common, with_robot
from robot_node.apps.bridge.listing import result_problem
from robot_node.apps.bridge.naming import Offer, ResourceUris, RobotNames, ToolNames
from robot_node.apps.bridge.overview import LIST_ROBOTS, describe, instructions
from robot_node.apps.bridge.robots import Robot, Robots
from robot_node.apps.bridge.session import Params
from robot_node.apps.bridge.subscriptions import Subscriptions
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.long_waits import PROGRESS_EVERY_S
from robot_node.core.text import one_line
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.jsonrpc import ErrorCode
from robot_node.mcp_mqtt.topics import ServerName

Context = ServerRequestContext[Any, Any]
_Offered = tuple[tuple[ServerName, tuple[str, ...]], ...]

# Members of a result that belong to the connection with the agent.
_ENVELOPE = ("resultType", "ttlMs", "cacheScope")
_RESERVED = frozenset({LIST_ROBOTS["name"]}) | bridge_events.TOOLS
_SETTLE_S = 3.0
_MAX_ID = 100
_MAX_TITLE = 200


class _AnnouncingServer(Server[Any]):
    """An MCP server that declares ``listChanged`` to agents of the handshake era, and perhaps a channel."""

    has_channel = False

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        changes = notification_options or NotificationOptions(tools_changed=True, resources_changed=True)
        experimental = (experimental_capabilities or {}) | ({CAPABILITY: {}} if self.has_channel else {})
        return super().create_initialization_options(changes, experimental or None, extensions)


class Bridge:
    """The MCP server that agents connect to.

    Args:
        channel: Kinds of events that arrive in the session of the only agent, unasked.
        progress_every_s: How often a wait for events sends progress.

    Attributes:
        server: For any transport of the SDK.
    """

    _robots: Robots

    def __init__(self, channel: Sequence[str] = (), *, progress_every_s: float = PROGRESS_EVERY_S) -> None:
        self._channel = channel
        self._bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(self._bus)
        self._subscriptions = Subscriptions()
        self._robot_names = RobotNames()
        self._tool_names = ToolNames({}, self._robot_names)
        self._groups = Groups(self._robot_names)
        self._events = RobotEvents(lambda: self._robots, self._robot_names, progress_every_s=progress_every_s)
        self._tool_names_of: _Offered = ()
        self._announced: dict[ServerEvent, list[object]] = {}
        self._numbers = itertools.count(1)
        self.server = _AnnouncingServer(
            "robot-node-bridge",
            version=version("robot-node"),
            title="Robots",
            instructions=self._instructions(()),
            # The SDK answers with these; _forward replaces them with the robots' results.
            on_list_tools=_placeholder(types.ListToolsResult(tools=[])),
            on_call_tool=_placeholder(types.CallToolResult(content=[])),
            on_list_resources=_placeholder(types.ListResourcesResult(resources=[])),
            on_list_resource_templates=_placeholder(types.ListResourceTemplatesResult(resource_templates=[])),
            on_read_resource=_placeholder(types.ReadResourceResult(contents=[])),
            on_subscribe_resource=self._subscribe,
            on_unsubscribe_resource=self._unsubscribe,
            on_subscriptions_listen=self._serve_listen,
        )
        self.server.has_channel = bool(channel)
        self.server.add_notification_handler("notifications/initialized", types.NotificationParams, self._send_events)
        self.server.middleware[:] = [self._forward]

    def serve(self, robots: Robots) -> None:
        """Set the robots to serve."""
        self._robots = robots

    def _instructions(self, robots: Sequence[Robot]) -> str:
        return instructions(robots) + (INSTRUCTIONS if self._channel else "")

    async def on_event(self, robot: ServerName, event: ServerEvent) -> None:
        """Notify agents of a change of a robot."""
        if isinstance(event, ResourceUpdated):
            offer = Offer(robot, event.uri)
            for uri in self._subscriptions.uris(offer):
                await self._bus.publish(ResourceUpdated(uri))
            if not self._subscriptions.uris(offer):
                await self._subscriptions.stop(offer, self._robots.get(robot))
            return
        # A robot that comes or goes also changes the URIs of the others' resources.
        for changed in (ToolsListChanged(), ResourcesListChanged()):
            now = self._listed(changed)
            if self._announced.get(changed, []) != now:
                self._announced[changed] = now
                await self._bus.publish(changed)
        if isinstance(event, ToolsListChanged):
            await self._events.on_listed(robot)

    async def _send_events(self, ctx: Context, _: types.NotificationParams) -> None:
        """Notify an agent of the handshake era of changes, until the end of its connection cancels this."""
        agent = Agent(ctx)
        queue = EventQueue()
        unsubscribe = self._bus.subscribe(queue.put)
        channel = Channel(self._events, self._channel, agent.notify).run() if self._channel else None
        sending = None if channel is None else asyncio.create_task(channel, name="bridge channel")
        try:
            async for event in queue.events():
                if not isinstance(event, ResourceUpdated) or self._subscriptions.has(agent.agent, event.uri):
                    await agent.notify_event(event)
        finally:
            unsubscribe()
            self._subscriptions.remove(agent.agent)
            if sending is not None:
                await cancel_and_wait(sending)

    async def _forward(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        answer = await call_next(ctx)
        if ctx.request_id is None or not isinstance(answer, dict):
            return answer
        params = dict(ctx.params or {})
        try:
            match ctx.method:
                case "initialize" | "server/discover":
                    await self._robots.settled(_SETTLE_S)
                    return answer | {"instructions": self._instructions(self._robots.listed)}
                case "tools/list":
                    await self._robots.settled(_SETTLE_S)
                    self._announced.setdefault(ToolsListChanged(), self._listed(ToolsListChanged()))
                    result: Params = {"tools": [LIST_ROBOTS, *self._events.tools(), *self._tools()]}
                case "tools/call":
                    result = await self._call(ctx, params)
                case "resources/list":
                    result = {"resources": await self._list("resources", "uri")}
                    self._announced.setdefault(ResourcesListChanged(), self._listed(ResourcesListChanged()))
                case "resources/templates/list":
                    result = {"resourceTemplates": await self._list("templates", "uriTemplate")}
                case "resources/read":
                    result = await self._read(ctx, params)
                case _:
                    return answer
        except RemoteError as error:
            raise self._refusal(error) from error
        return _in_envelope(answer, result)

    def _refusal(self, error: RemoteError) -> MCPError:
        """The error for an agent. Without the broker no robot is online: then that is the reason."""
        status = self._robots.status
        if status.connected:
            return MCPError(types.INVALID_PARAMS, one_line(str(error)))
        text = f"The bridge has no connection to the broker: {status.problem} It keeps trying to reconnect."
        return MCPError(types.INTERNAL_ERROR, one_line(text))

    async def _call(self, ctx: Context, params: Params) -> Params:
        await self._robots.settled(_SETTLE_S)
        if params["name"] == LIST_ROBOTS["name"]:
            return describe(self._robots, self._names(), self._robot_names, self._common())
        arguments = params.get("arguments") or {}
        if params["name"] in bridge_events.TOOLS:
            return await self._events.call(params["name"], arguments, Agent(ctx).report_progress)
        names = self._names()
        if (grouped := self._groups.resolve(params["name"], arguments, dict(self._offered()))) is not None:
            offer, arguments = grouped
            params |= {"arguments": arguments}
        else:
            offer = names.resolve(params["name"])
        session = await self._robots.get(offer.robot).session()
        try:
            result = await session.request(ctx.method, params | {"name": offer.tool}, Agent(ctx))
        except MCPError as error:
            if error.code != ErrorCode.MESSAGE_TOO_LARGE:
                raise
            # As a result the model reads it, and can ask for less.
            return _tool_error(f"{_label_of(offer.robot)}: {one_line(str(error))}")
        if problem := result_problem(result, "content"):
            return _tool_error(f"{_label_of(offer.robot)} returned a malformed result: {problem}.")
        return result

    async def _read(self, ctx: Context, params: Params) -> Params:
        await self._robots.settled(_SETTLE_S)
        offer = self._uris().resolve(params["uri"])
        session = await self._robots.get(offer.robot).session()
        result = await session.request(ctx.method, params | {"uri": offer.tool}, Agent(ctx))
        if problem := result_problem(result, "contents"):
            text = f"{_label_of(offer.robot)} returned a malformed result: {problem}."
            raise MCPError(types.INTERNAL_ERROR, text)
        if params["uri"] == offer.tool or "contents" not in result:
            return result
        prefix = params["uri"].removesuffix(offer.tool)
        return result | {
            "contents": [content | {"uri": f"{prefix}{content.get('uri', '')}"} for content in result["contents"]]
        }

    async def _list(self, kind: str, key: str) -> list[Params]:
        await self._robots.settled(_SETTLE_S)
        uris, shown_alone = self._uris(), self._shown_alone()
        return [
            (item if shown_alone else _labelled(item, self._robot_names.prefix(robot.name), robot))
            | {key: uris.shown(robot.name, item[key])}
            for robot in self._robots.listed
            for item in getattr(robot, kind)
        ]

    def _offered(self) -> _Offered:
        return tuple((robot.name, tuple(tool["name"] for tool in _own_tools(robot))) for robot in self._robots.listed)

    def _listed(self, event: ServerEvent) -> list[object]:
        """What an event announces a change of; empty for lists that are all empty."""
        is_tools = isinstance(event, ToolsListChanged)
        lists = [
            (robot.name, robot.tools, []) if is_tools else (robot.name, robot.resources, robot.templates)
            for robot in self._robots.listed
        ]
        return [*lists] if any(items or more for _, items, more in lists) else []

    def _show_robots(self) -> None:
        self._robot_names.show(robot.name for robot in self._robots.listed)

    def _shown_alone(self) -> bool:
        """Whether a single robot is shown, with the names that it gives its tools and resources."""
        return [robot.name for robot in self._robots.listed] == [self._robot_names.unprefixed]

    def _names(self) -> ToolNames:
        self._show_robots()
        offered = self._offered()
        if offered != self._tool_names_of:  # every tool call needs them, and they change rarely
            self._tool_names = ToolNames(dict(offered), self._robot_names, reserved=_RESERVED)
            self._tool_names_of = offered
        return self._tool_names

    def _uris(self) -> ResourceUris:
        self._show_robots()
        offered = {robot.name: [item["uri"] for item in robot.resources] for robot in self._robots.listed}
        return ResourceUris(offered, self._robot_names)

    def _common(self) -> dict[Offer, str]:
        return common({robot.name: _own_tools(robot) for robot in self._robots.listed}, self._groups)

    def _tools(self) -> list[Params]:
        names, shown_alone, grouped = self._names(), self._shown_alone(), self._common()
        robots_of: dict[str, list[str]] = {}
        for offer, name in grouped.items():
            robots_of.setdefault(name, []).append(self._robot_names.prefix(offer.robot))
        tools: dict[str, Params] = {}
        for robot in self._robots.listed:
            for tool in _own_tools(robot):
                offer = Offer(robot.name, tool["name"])
                if (name := grouped.get(offer, "")) and name not in tools:
                    tools[name] = with_robot(tool, robots_of[name]) | {"name": name}
                elif not name and (name := names.shown.get(offer, "")):
                    shown = tool if shown_alone else _labelled(tool, self._robot_names.prefix(robot.name), robot)
                    tools[name] = shown | {"name": name}
        return [*tools.values()]

    async def _subscribe(self, ctx: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        await self._add_subscription(Agent(ctx).agent, params.uri)
        return types.EmptyResult()

    async def _unsubscribe(self, ctx: Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        self._subscriptions.remove(Agent(ctx).agent, params.uri)
        return types.EmptyResult()

    async def _serve_listen(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        subscriber = f"listener {next(self._numbers)}"
        try:
            for uri in params.notifications.resource_subscriptions or ():
                await self._add_subscription(subscriber, uri)
            return await self._listen(ctx, params)
        finally:
            self._subscriptions.remove(subscriber)

    async def _add_subscription(self, subscriber: str, uri: str) -> None:
        await self._robots.settled(_SETTLE_S)
        try:
            offer = self._uris().resolve(uri)
            await self._subscriptions.add(subscriber, uri, offer, self._robots.get(offer.robot))
        except RemoteError as error:
            raise self._refusal(error) from error


def _own_tools(robot: Robot) -> list[Params]:
    """A robot's tools, without those for which the bridge has its own."""
    if not has_events(robot.tools):
        return robot.tools
    return [tool for tool in robot.tools if tool["name"] not in bridge_events.TOOLS]


def _placeholder(result: Any) -> Any:
    async def handler(_ctx: Context, _params: object) -> Any:
        return result

    return handler


def _tool_error(text: str) -> Params:
    return {"content": [{"type": "text", "text": text}], "isError": True}


def _label_of(robot: ServerName) -> str:
    return f"{one_line(robot.server_id, _MAX_ID)} ({one_line(robot.server_name, _MAX_ID)})"


def _in_envelope(answer: Mapping[str, Any], result: Params) -> Params:
    envelope = {key: answer[key] for key in _ENVELOPE if key in answer}
    meta = (result.get("_meta") or {}) | cast("Params", answer.get("_meta") or {})
    return result | envelope | ({"_meta": meta} if meta else {})  # a robot has no say in the connection with the agent


def _labelled(item: Params, label: str, robot: Robot) -> Params:
    title = one_line(str(item.get("title") or item.get("name")), _MAX_TITLE)
    description = item.get("description")
    where = f"On the robot {label} ({one_line(robot.server.server_id, _MAX_ID)})."
    return item | {
        "title": f"{title} ({label})",
        "description": f"{where} {description}" if description else where,
    }
