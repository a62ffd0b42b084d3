"""Watches a robot's camera for the command ``watch``: an ordinary viewer of the robot, or a player by WHEP."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_types import CallToolResult, TextContent

from robot_node.apps.remote import call, find
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.text import one_line, shown
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.presence import Directory, OnlineServer, directory
from robot_node.mqtt import Broker

if TYPE_CHECKING:  # aiortc is slow to import, and only needed to watch
    from robot_node.webrtc.receiving import WatchReport

_CHECK_S = 0.5
_SWITCH_OFF_S = 15.0
_STALLED_S = 2.0
"""Seconds without a frame after which a robot that is offline counts as gone. While frames arrive it is not: the
connection to its broker may be interrupted without affecting the video."""


class _Progress:
    """Counts frames, and logs their number about once a second."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._log = log
        self.frames = 0
        self._frame_at = self._logged_at = self._loop.time()

    @property
    def stalled_s(self) -> float:
        """Seconds since the last frame."""
        return self._loop.time() - self._frame_at

    def update(self, frames: int) -> None:
        """Set the number of frames so far."""
        self.frames, self._frame_at = frames, self._loop.time()
        if self._frame_at - self._logged_at >= 1:
            self._logged_at = self._frame_at
            self._log(f"{frames} frames")


async def watch(
    broker: Broker,
    robot: str,
    *,
    frames: int | None,
    output: Path | None,
    ice_servers: Sequence[str],
    log: Callable[[str], None],
    client_id: str | None = None,
    camera: str = "",
) -> WatchReport | None:
    """Watch a robot's camera until ``frames`` frames are decoded, or until Ctrl-C.

    Args:
        broker: The robot's broker.
        robot: Its server id or server name.
        frames: Number of frames to watch; None for no limit.
        output: MP4 file to write.
        ice_servers: STUN and TURN servers.
        log: Called with the progress, about once a second.
        client_id: MQTT client id; random by default.
        camera: Which camera of several; empty: the first.

    Returns:
        Measurements; None when it was interrupted before the first frame.

    Raises:
        RemoteError: The robot went offline.
        RobotNodeError: See :func:`robot_node.webrtc.viewer.watch`.
    """
    from robot_node.webrtc import viewer  # noqa: PLC0415  # imports aiortc

    stop, progress = asyncio.Event(), _Progress(log)
    server = await find(broker, robot)
    watching = asyncio.create_task(
        viewer.watch(
            broker,
            server.server_id,
            client_id=client_id,
            frames=frames,
            output=output,
            ice_servers=tuple(ice_servers),
            camera=camera,
            stop=stop,
            on_progress=progress.update,
        ),
        name="watch",
    )

    async def check() -> None:
        async with directory(broker, name_filter=server.server_name) as robots:
            await _wait_while_online(watching, robots, server, progress)

    return await _until_interrupted(watching, stop, progress, check)


async def watch_whep(
    url: str,
    *,
    token: str,
    frames: int | None,
    output: Path | None,
    ice_servers: Sequence[str],
    log: Callable[[str], None],
) -> WatchReport | None:
    """Watch what a WHEP endpoint sends, as :func:`watch` does a robot.

    Args:
        url: The endpoint.
        token: Sent as bearer token; empty: none.
        frames: Number of frames to watch; None for no limit.
        output: MP4 file to write.
        ice_servers: STUN and TURN servers; without any, those that the server names.
        log: Called with the progress, about once a second.

    Raises:
        RobotNodeError: See :func:`robot_node.webrtc.whep_viewer.watch`.
    """
    from robot_node.webrtc import whep_viewer  # noqa: PLC0415  # imports aiortc

    stop, progress = asyncio.Event(), _Progress(log)
    watching = asyncio.create_task(
        whep_viewer.watch(
            url,
            token=token,
            frames=frames,
            output=output,
            ice_servers=tuple(ice_servers),
            stop=stop,
            on_progress=progress.update,
        ),
        name="watch",
    )
    return await _until_interrupted(watching, stop, progress)


async def _until_interrupted(
    watching: asyncio.Task[WatchReport],
    stop: asyncio.Event,
    progress: _Progress,
    check: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> WatchReport | None:
    """Wait for the report; Ctrl-C asks for it early, or gives None before the first frame.

    Args:
        watching: Makes the report.
        stop: Asks it to.
        progress: What it has received.
        check: Returns when ``watching`` is done, or raises when it is in vain.
    """
    interrupted, loop = asyncio.Event(), asyncio.get_running_loop()

    def interrupt() -> None:
        interrupted.set()
        if progress.frames:
            stop.set()
        else:
            watching.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        if check is not None:
            await check()
        return await watching
    except asyncio.CancelledError:
        if interrupted.is_set():
            return None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        await cancel_and_wait(watching)


async def watch_switched_on(broker: Broker, robot: str, **options: Any) -> WatchReport | None:
    """Watch a robot's camera, switched on for it and off again at the end, however it ends; see :func:`watch`.

    A camera that is on already stays on.

    Raises:
        RemoteError: The camera cannot be switched, or as :func:`watch` does.
    """
    client_id, camera = options.get("client_id"), options.get("camera", "")
    its = {"camera": camera} if camera else {}
    before = await _call(broker, robot, "get_status", {}, client_id)
    if _camera_of(before, camera) == "on":
        return await watch(broker, robot, **options)
    try:
        await _call(broker, robot, "control_camera", {"enabled": True, **its}, client_id)
        return await watch(broker, robot, **options)
    finally:
        try:
            async with asyncio.timeout(_SWITCH_OFF_S):
                await _call(broker, robot, "control_camera", {"enabled": False, **its}, client_id)
        except TimeoutError:
            raise RemoteError(
                f"{shown(robot)} did not switch its camera off.", remedy="Look whether it is on."
            ) from None


async def _call(
    broker: Broker, robot: str, tool: str, arguments: dict[str, Any], client_id: str | None
) -> CallToolResult:
    result = await call(broker, robot, tool, arguments, client_id=client_id)
    if result.is_error:
        raise RemoteError(f"{shown(robot)}: {one_line(_text_of(result))}")
    return result


def _camera_of(result: CallToolResult, name: str) -> object:
    """The state of a camera in the result of get_status."""
    status: object = result.structured_content
    if status is None:
        try:
            status = json.loads(_text_of(result))
        except (ValueError, RecursionError):
            return None
    if not isinstance(status, dict):
        return None
    states = status.get("cameras")
    return states.get(name) if name and isinstance(states, dict) else status.get("camera")


def _text_of(result: CallToolResult) -> str:
    return next((block.text for block in result.content if isinstance(block, TextContent)), "")


async def _wait_while_online(
    watching: asyncio.Task[WatchReport], robots: Directory, server: OnlineServer, progress: _Progress
) -> None:
    """Return when ``watching`` is done.

    Raises:
        RemoteError: The robot went offline and sends no frames. A killed robot cannot end the session itself.
    """
    was_online = False
    while not (await asyncio.wait({watching}, timeout=_CHECK_S))[0]:
        is_online = any(each.server_id == server.server_id for each in robots.servers)
        was_online = was_online or is_online
        if was_online and not is_online and robots.connected and progress.stalled_s > _STALLED_S:
            raise RemoteError(
                f"{server.server_id} went offline after {progress.frames} frames.",
                remedy="When it is online again, watch again. Its log may have the reason: journalctl -u robot-node",
            )


def report_as_json(report: WatchReport) -> dict[str, Any]:
    """Format a report for ``watch --json``."""
    return {
        "first_frame_ms": round(report.first_frame_ms, 1),
        "frames": report.frames,
        "width": report.width,
        "height": report.height,
        "fps": round(report.fps, 2),
    }
