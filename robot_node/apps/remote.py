"""What the commands ``robots``, ``call`` and ``watch`` do: visit a robot over the broker, as any agent or viewer."""

from __future__ import annotations

import asyncio
import base64
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.client.session import ElicitationFnT
from mcp_types import (
    REQUEST_TIMEOUT,
    CallToolResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ImageContent,
    TextContent,
)

from robot_node.errors import RemoteError, RobotNodeError
from robot_node.logs.text import escaped
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.presence import OnlineServer, directory, online_servers
from robot_node.mqtt import Backoff, Broker, LinkStatus

if TYPE_CHECKING:  # aiortc takes its time to load: only `watch` needs it
    from robot_node.webrtc.viewer import WatchReport

_CALL_LIMIT_S = 60.0  # MCP over MQTT, Time limits: tools/call


async def online(broker: Broker) -> tuple[OnlineServer, ...]:
    """Every robot that is online now, sorted by name and id.

    Raises:
        BrokerError: the broker cannot be reached.
    """
    return await online_servers(broker)


async def find(broker: Broker, robot: str) -> OnlineServer:
    """The robot with that server id, or the only one with that server name.

    Raises:
        RemoteError: none or several; the text says which are online.
    """
    everyone = await online(broker)
    matches = [known for known in everyone if known.server_id == robot]
    matches = matches or [known for known in everyone if known.server_name == robot]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(known.server_id for known in matches)
        raise RemoteError(f"{len(matches)} robots are called {robot}.", remedy=f"Name one by its server id: {ids}.")
    names = ", ".join(f"{known.server_id} ({known.server_name})" for known in everyone[:10]) or "nobody"
    raise RemoteError(f"No robot {robot} is online at {broker}.", remedy=f"Online now: {names}.")


@dataclass(frozen=True, slots=True)
class Movement:
    """A robot has come or gone.

    Attributes:
        online: It has come.
        robot: As it described itself last.
    """

    online: bool
    robot: OnlineServer


def movements(before: Sequence[OnlineServer], now: Sequence[OnlineServer]) -> Iterator[Movement]:
    """Who has gone, then who has come. One that describes itself anew comes again."""
    present, earlier = {(robot.server_id, robot.server_name) for robot in now}, set(before)
    for robot in before:
        if (robot.server_id, robot.server_name) not in present:
            yield Movement(online=False, robot=robot)
    for robot in now:
        if robot not in earlier:
            yield Movement(online=True, robot=robot)


async def follow(
    broker: Broker, *, show: Callable[[Movement], None], say: Callable[[str], None], backoff: Backoff | None = None
) -> None:
    """Tell who comes and goes until cancelled; first who is online already.

    While the broker is out of reach nobody is known to be online: all go, and come again with it.

    Args:
        broker: Where to look.
        show: Told of each movement.
        say: Told when the broker is reached and when it is lost.
        backoff: Delays between attempts to connect.
    """
    connected: bool | None = None

    def report(status: LinkStatus) -> None:
        nonlocal connected
        if status.connected is not connected:
            connected = status.connected
            say(f"Connected to {broker}." if connected else f"{status.reason} Trying again until it works.")

    before: tuple[OnlineServer, ...] = ()
    async with directory(broker, on_status=report, backoff=backoff) as followed, aclosing(followed.changes()) as all_:
        async for now in all_:
            for movement in movements(before, now):
                show(movement)
            before = now


def movement_as_json(movement: Movement, at: datetime) -> dict[str, Any]:
    """One line of ``robots --watch --json``."""
    event = "online" if movement.online else "offline"
    return {"time": at.isoformat(timespec="milliseconds"), "event": event, **as_json(movement.robot)}


def movement_as_text(movement: Movement, at: datetime) -> str:
    """One line of ``robots --watch``: strangers wrote parts of it, so that it must not move a terminal's cursor."""
    robot = movement.robot
    words = (robot.server_id, robot.server_name, robot.description)
    sign = "+" if movement.online else "-"
    line = "  ".join([f"{at:%H:%M:%S} {sign}", *(" ".join(word.split()) for word in words if word)])
    return "".join(char if char.isprintable() else "?" for char in line)


async def call(
    broker: Broker,
    robot: str,
    tool: str,
    arguments: dict[str, Any],
    *,
    client_id: str | None = None,
    ask: Callable[[str], bool] | None = None,
) -> CallToolResult:
    """Call a tool of a robot.

    Args:
        broker: The robot's broker.
        robot: Its server id or server name.
        tool: The tool's name.
        arguments: The tool's arguments.
        client_id: Our MQTT client id; a random one by default.
        ask: Puts a robot's question to a person, in a thread; True when the person agrees. None when nobody is there.

    Raises:
        RemoteError: the robot is not online, refused the call, or did not answer in time.
        BrokerError: the broker cannot be reached.
    """
    server = await find(broker, robot)
    transport = mqtt_transport(broker, server.server_id, server.server_name, client_id=client_id)
    asking = None if ask is None else _asking(ask)
    ended: list[RobotNodeError] = []

    async def on_message(message: object) -> None:
        if isinstance(message, RobotNodeError):  # why the transport ended, of which the SDK says "Connection closed"
            ended.append(message)

    try:
        async with Client(
            transport, read_timeout_seconds=_CALL_LIMIT_S, elicitation_callback=asking, message_handler=on_message
        ) as client:
            return await client.call_tool(tool, arguments)
    except (MCPError, ExceptionGroup) as error:
        cause = ended[0] if ended else _unwrapped(error)
        if isinstance(cause, RobotNodeError):
            raise cause from None
        if not isinstance(cause, MCPError):
            raise
        reason = cause.error.message.removesuffix(".")
        unheard = cause.error.code == REQUEST_TIMEOUT and broker.username not in {None, client_id}
        raise RemoteError(
            f"{server.server_id} refused the call of {tool}: {reason}.",
            remedy="A broker with access rules wants the user name as --client-id." if unheard else "",
        ) from error


def _unwrapped(error: Exception) -> Exception:
    """The SDK's client runs in a task group, which wraps what leaves it."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _asking(ask: Callable[[str], bool]) -> ElicitationFnT:
    async def answer(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        # Only a question with nothing to fill in can be answered by yes or no.
        if not isinstance(params, ElicitRequestFormParams) or params.requested_schema.get("properties"):
            return ElicitResult(action="cancel")
        agreed = await asyncio.to_thread(ask, params.message)
        return ElicitResult(action="accept", content={}) if agreed else ElicitResult(action="decline")

    return answer


async def watch(
    broker: Broker,
    robot: str,
    *,
    frames: int | None,
    output: Path | None,
    ice_servers: Sequence[str],
    say: Callable[[str], None],
    client_id: str | None = None,
) -> WatchReport | None:
    """Watch a robot's camera until enough frames have come; Ctrl-C ends it earlier, with a report.

    Args:
        broker: The robot's broker.
        robot: Its server id or server name.
        frames: How many frames to watch; None for as many as come.
        output: An MP4 file to write.
        ice_servers: STUN and TURN servers.
        say: Told about once a second how far it has got.
        client_id: Our MQTT client id; a random one by default.

    Returns:
        What was seen; None when it was interrupted before the first frame.

    Raises:
        RobotNodeError: see :func:`robot_node.webrtc.viewer.watch`.
    """
    from robot_node.webrtc import viewer  # noqa: PLC0415  # loads aiortc

    loop, stop, interrupted = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    seen, told_at = 0, loop.time()

    def progress(count: int) -> None:
        nonlocal seen, told_at
        seen = count
        if loop.time() - told_at >= 1:
            told_at = loop.time()
            say(f"{count} frames")

    server = await find(broker, robot)
    watching = loop.create_task(
        viewer.watch(
            broker,
            server.server_id,
            client_id=client_id,
            frames=frames,
            output=output,
            ice_servers=tuple(ice_servers),
            stop=stop,
            on_progress=progress,
        ),
        name="watch",
    )

    def interrupt() -> None:
        interrupted.set()
        if seen:
            stop.set()
        else:
            watching.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        return await watching
    except asyncio.CancelledError:
        if interrupted.is_set():
            return None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        watching.cancel()


def as_json(robot: OnlineServer) -> dict[str, Any]:
    """One robot as ``robots --json`` prints it."""
    return {
        "server_id": robot.server_id,
        "server_name": robot.server_name,
        "description": robot.description,
        "meta": dict(robot.meta),
    }


def result_as_json(result: CallToolResult) -> dict[str, Any]:
    """A tool result as it is on the wire."""
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


def result_as_text(result: CallToolResult, saved: Path | None) -> list[str]:
    """A tool result for people, line by line; an image only by its size."""
    lines = []
    for block in result.content:
        if isinstance(block, TextContent):
            lines += [escaped(line) for line in block.text.splitlines() or [""]]
        elif isinstance(block, ImageContent):
            size = len(base64.b64decode(block.data))
            where = f"saved as {saved}" if saved else "save it with --output FILE"
            lines.append(f"{block.mime_type}, {size} bytes; {where}")
        else:
            lines.append(f"({block.type})")
    return lines


def save_image(result: CallToolResult, output: Path) -> Path:
    """Write the first image of a result to a file.

    Raises:
        RemoteError: the result holds no image, or the file cannot be written.
    """
    image = next((block for block in result.content if isinstance(block, ImageContent)), None)
    if image is None:
        raise RemoteError("The result holds no image to save.", remedy="Leave --output out.")
    try:
        output.write_bytes(base64.b64decode(image.data))
    except OSError as error:
        raise RemoteError(
            f"{output} cannot be written: {error.strerror}.", remedy="Choose another --output."
        ) from error
    return output


def report_as_json(report: WatchReport) -> dict[str, Any]:
    """What ``watch --json`` prints."""
    return {
        "first_frame_ms": round(report.first_frame_ms, 1),
        "frames": report.frames,
        "width": report.width,
        "height": report.height,
        "fps": round(report.fps, 2),
    }
