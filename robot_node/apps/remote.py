"""MQTT client side of ``robots``, ``tools``, ``events`` and ``call``: an ordinary agent of a robot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mcp import Client, MCPError
from mcp.client import ClientRequestContext, Transport
from mcp.client.session import ElicitationFnT
from mcp_types import (
    REQUEST_TIMEOUT,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    InputRequiredResult,
    ListToolsRequest,
    PaginatedRequestParams,
)
from pydantic import RootModel, ValidationError

from robot_node.apps.bridge.listing import TOOLS, Listing
from robot_node.core.text import one_line, shown
from robot_node.errors import RemoteError, RobotNodeError
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.presence import OnlineServer, directory, online_servers
from robot_node.mqtt import Backoff, Broker, LinkStatus

_CALL_LIMIT_S = 60.0  # MCP over MQTT, Time limits: tools/call
_MOVES_FOR = {"drive_motor": "duration"}
"""Tools that return while what they have begun goes on, and the argument that says for how many seconds."""
_LONGEST_STAY_S = 3600.0
_MAX_PAGES = 32
_MAX_LISTED = 10
_MAX_ROUNDS = 10
_MAX_REASON = 300
_READ_S = 2.0
"""A robot takes a faster no for that of a program which asks nobody, and waits for another person's answer."""
# A robot's answer decides which one: also a task group's, and pydantic's, which are ValueErrors.
_SDK_ERRORS = (MCPError, ExceptionGroup, ValueError, RuntimeError)


class _AnyResult(RootModel[dict[str, Any]]):
    """A result as it came."""


async def online(broker: Broker, robot: str | None = None) -> tuple[OnlineServer, ...]:
    """Return all robots that are online, sorted by name and id.

    Args:
        broker: The robots' broker.
        robot: A server id or server name that need not be waited for once it is there.

    Raises:
        BrokerError: The broker cannot be reached.
    """

    def is_there(found: tuple[OnlineServer, ...]) -> bool:
        return any(robot in {each.server_id, each.server_name} for each in found)

    return await online_servers(broker, is_enough=is_there)


async def find(broker: Broker, robot: str) -> OnlineServer:
    """Return the robot with that server id, or the only one with that server name.

    Raises:
        RemoteError: None or several; the text lists the robots that are online.
    """
    robots = await online(broker, robot)
    matches = [found for found in robots if found.server_id == robot]
    matches = matches or [found for found in robots if found.server_name == robot]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(shown(found.server_id) for found in matches[:_MAX_LISTED])
        raise RemoteError(f"{len(matches)} robots have the name {robot}.", remedy=f"Use a server id: {ids}.")
    listed = [f"{shown(found.server_id)} ({shown(found.server_name)})" for found in robots[:_MAX_LISTED]]
    names = ", ".join(listed) or "none"
    raise RemoteError(f"No robot {robot} is online at {broker}.", remedy=f"Online now: {names}.")


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """A robot that came online or went offline.

    Attributes:
        online: Whether it came online.
        robot: Its latest presence.
    """

    online: bool
    robot: OnlineServer


def presence_changes(before: Sequence[OnlineServer], now: Sequence[OnlineServer]) -> Iterator[PresenceChange]:
    """Yield the robots that went offline, then those that came online. A changed description counts as online again."""
    present, earlier = {(robot.server_id, robot.server_name) for robot in now}, set(before)
    for robot in before:
        if (robot.server_id, robot.server_name) not in present:
            yield PresenceChange(online=False, robot=robot)
    for robot in now:
        if robot not in earlier:
            yield PresenceChange(online=True, robot=robot)


async def follow(
    broker: Broker,
    *,
    show: Callable[[PresenceChange], None],
    log: Callable[[str], None],
    backoff: Backoff | None = None,
) -> None:
    """Report robots that come online or go offline until cancelled, beginning with those that are online already.

    When the connection to the broker is lost, all robots count as offline until it is back.

    Args:
        broker: The robots' broker.
        show: Called with each change.
        log: Called with a line when the broker is connected or lost.
        backoff: Delays between attempts to connect.
    """
    connected: bool | None = None

    def report(status: LinkStatus) -> None:
        nonlocal connected
        if status.connected is not connected:
            connected = status.connected
            log(f"Connected to {broker}." if connected else f"{status.problem} Retrying.")

    before: tuple[OnlineServer, ...] = ()
    async with directory(broker, on_status=report, backoff=backoff) as robots, aclosing(robots.changes()) as updates:
        async for now in updates:
            for change in presence_changes(before, now):
                show(change)
            before = now


def change_as_json(change: PresenceChange, at: datetime) -> dict[str, Any]:
    """Format a change for ``robots --watch --json``."""
    event = "online" if change.online else "offline"
    return {"time": at.isoformat(timespec="milliseconds"), "event": event, **as_json(change.robot)}


def change_as_text(change: PresenceChange, at: datetime) -> str:
    """Format a change for ``robots --watch``."""
    robot = change.robot
    words = (robot.server_id, robot.server_name, robot.description)
    sign = "+" if change.online else "-"
    return "  ".join([f"{at:%H:%M:%S} {sign}", *(_one_line(word) for word in words if word)])


def table_row(robot: OnlineServer) -> tuple[str, str, str]:
    """Format a robot for ``robots``: server id, server name and description."""
    return _one_line(robot.server_id), _one_line(robot.server_name), _one_line(robot.description)


def _one_line(text: str) -> str:
    """A text of a robot, whose line ends are mere spaces."""
    return one_line(" ".join(text.split()))


@asynccontextmanager
async def session(
    broker: Broker,
    robot: str,
    what: str,
    *,
    client_id: str | None = None,
    ask: Callable[[str], bool] | None = None,
) -> AsyncIterator[Client]:
    """Keep a session with a robot for as long as the block runs.

    Args:
        broker: The robot's broker.
        robot: Its server id or server name.
        what: The name of the tool, or of the request, for errors.
        client_id: MQTT client id; random by default.
        ask: Asks the user for consent, in a thread: returns True for yes. None if there is no user to ask.

    Raises:
        RemoteError: The robot is not online, refused what the block asks for, or did not answer in time.
        BrokerError: The broker cannot be reached.
    """
    server = await find(broker, robot)
    transport = mqtt_transport(broker, server.server_id, server.server_name, client_id=client_id)
    needs_client_id = broker.username not in {None, client_id}
    async with session_over(transport, server, what, needs_client_id=needs_client_id, ask=ask) as client:
        yield client


@asynccontextmanager
async def session_over(
    transport: Transport,
    server: OnlineServer,
    what: str,
    *,
    needs_client_id: bool = False,
    ask: Callable[[str], bool] | None = None,
    limit_s: float | None = None,
) -> AsyncIterator[Client]:
    """Keep a session with a robot over a transport, as :func:`session` does.

    Args:
        transport: The way to it.
        server: The robot.
        what: The name of the tool, or of the request, for errors.
        needs_client_id: The user has a name at the broker, and the client id is another one: a cause of silence.
        ask: Asks the user for consent, in a thread: returns True for yes. None if there is no user to ask.
        limit_s: How long a request may stay unanswered, in seconds; 60 by default.

    Raises:
        RemoteError: The robot is not online, refused what the block asks for, or did not answer in time.
    """
    elicitation = None if ask is None else _elicitation_callback(ask)
    ended: list[RobotNodeError] = []

    async def on_message(message: object) -> None:
        if isinstance(message, RobotNodeError):  # the reason, for which the SDK raises "Connection closed"
            ended.append(message)

    connected = False
    try:
        async with Client(
            transport,
            read_timeout_seconds=limit_s or _CALL_LIMIT_S,
            elicitation_callback=elicitation,
            message_handler=on_message,
        ) as client:
            connected = True
            yield client
    except _SDK_ERRORS as error:
        cause = ended[0] if ended else _unwrapped(error)
        if isinstance(cause, RobotNodeError):
            raise cause from None
        label = shown(server.server_id)
        if not isinstance(cause, MCPError):
            raise RemoteError(
                f"{label} answered the call of {what} with a malformed message: {_reason(cause)}."
            ) from error
        if cause.error.code == REQUEST_TIMEOUT:
            raise _timeout_error(label, what, connected=connected, needs_client_id=needs_client_id) from error
        reason = one_line(cause.error.message.removesuffix("."))
        raise RemoteError(f"{label} refused the call of {what}: {reason}.") from error


async def call(
    broker: Broker,
    robot: str,
    tool: str,
    arguments: dict[str, Any],
    *,
    client_id: str | None = None,
    ask: Callable[[str], bool] | None = None,
    on_stay: Callable[[float], None] = lambda _: None,
) -> CallToolResult:
    """Call a tool of a robot. Of a motor, stay until it stops: it stops with the session.

    Args:
        broker: The robot's broker.
        robot: Its server id or server name.
        tool: The tool's name.
        arguments: The tool's arguments.
        client_id: MQTT client id; random by default.
        ask: Asks the user for consent, in a thread: returns True for yes. None if there is no user to ask.
        on_stay: Called with the seconds for which the session stays open after the result.

    Raises:
        RemoteError: The robot is not online, refused the call, or did not answer in time.
        BrokerError: The broker cannot be reached.
    """
    async with session(broker, robot, tool, client_id=client_id, ask=ask) as client:
        return await call_and_stay(client, tool, arguments, on_stay)


async def call_and_stay(
    client: Client, tool: str, arguments: dict[str, Any], on_stay: Callable[[float], None]
) -> CallToolResult:
    """Call a tool of a session, and of a motor, wait until it stops, as :func:`call` does."""
    result = await request(client, tool, arguments)
    stay_s = arguments.get(_MOVES_FOR.get(tool, ""), 0.0)
    if not result.is_error and isinstance(stay_s, int | float) and 0 < stay_s <= _LONGEST_STAY_S:
        on_stay(stay_s)
        await asyncio.sleep(stay_s)
    return result


async def tools(broker: Broker, robot: str, *, client_id: str | None = None) -> list[dict[str, Any]]:
    """Return the tools that a robot offers this client, each checked on its own as the bridge does.

    Raises:
        RemoteError: The robot is not online, refused, or did not answer in time.
        BrokerError: The broker cannot be reached.
    """
    listing, cursor = Listing(TOOLS), None
    async with session(broker, robot, TOOLS.method, client_id=client_id) as client:
        for _ in range(_MAX_PAGES):
            params = PaginatedRequestParams(cursor=cursor)
            page = (await client.session.send_request(ListToolsRequest(params=params), _AnyResult)).root
            listing.add(page.get(TOOLS.member))
            if listing.is_full or not isinstance(cursor := page.get("nextCursor"), str):
                break
    return listing.items


async def request(client: Client, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    """Call a tool of a session, and answer the questions of the 2026-07-28 protocol until there is a result.

    The SDK's own ``call_tool`` reads the tool's output schema too, whose patterns can take the validator for ever.
    """
    answers: dict[str, Any] = {}
    for _ in range(_MAX_ROUNDS):
        params = CallToolRequestParams(name=tool, arguments=arguments, **answers)
        raw = (await client.session.send_request(CallToolRequest(params=params), _AnyResult)).root
        if raw.get("resultType") != "input_required":
            return CallToolResult.model_validate(raw, strict=True, by_name=False)
        asked = InputRequiredResult.model_validate(raw, by_name=False)
        responses = {}
        for key, request in (asked.input_requests or {}).items():
            context = ClientRequestContext(session=client.session, request_id=key)
            response = await client.session.dispatch_input_request(context, request)
            if isinstance(response, ErrorData):
                raise MCPError.from_error_data(response)
            responses[key] = response
        answers = {"input_responses": responses, "request_state": asked.request_state}
    raise RemoteError(f"There was no result of {tool} after {_MAX_ROUNDS} questions.")


def _reason(error: Exception) -> str:
    """What is wrong with a message, on one line; without what the message says."""
    if not isinstance(error, ValidationError):
        return one_line(str(error), _MAX_REASON).removesuffix(".")
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return one_line(f"{where}: {first['msg']}" if where else first["msg"], _MAX_REASON)


def _timeout_error(server_id: str, tool: str, *, connected: bool, needs_client_id: bool) -> RemoteError:
    if connected:
        return RemoteError(
            f"Timeout: {server_id} did not answer the call of {tool}.",
            remedy=f"It may still be executing it; 'robot-node call {server_id} get_status' shows the robot's status.",
        )
    causes = ["a broker bridge with MQTT 3.1.1 removes the user properties that MCP over MQTT needs: use MQTT 5"]
    if needs_client_id:
        causes.insert(0, "a broker with access rules requires the user name as --client-id")
    return RemoteError(
        f"Timeout: {server_id} is online, but did not answer the request to open a session (initialize).",
        remedy=f"Possible causes: {'; '.join(causes)}.",
    )


def _unwrapped(error: Exception) -> Exception:
    """Return the only exception of a group: the SDK's client runs in a task group."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _elicitation_callback(ask: Callable[[str], bool]) -> ElicitationFnT:
    async def answer(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        # Only a form without fields can be answered with yes or no.
        if not isinstance(params, ElicitRequestFormParams) or params.requested_schema.get("properties"):
            return ElicitResult(action="cancel")
        read_at = asyncio.get_running_loop().time() + _READ_S
        if await asyncio.to_thread(ask, one_line(params.message)):
            return ElicitResult(action="accept", content={})
        await asyncio.sleep(read_at - asyncio.get_running_loop().time())
        return ElicitResult(action="decline")

    return answer


def as_json(robot: OnlineServer) -> dict[str, Any]:
    """Format a robot for ``robots --json``."""
    return {
        "server_id": robot.server_id,
        "server_name": robot.server_name,
        "description": robot.description,
        "meta": dict(robot.meta),
    }
