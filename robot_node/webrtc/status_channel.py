"""A viewer's data channel ``status``: the robot's state, so that a page needs no polling."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiortc import RTCDataChannel, RTCPeerConnection

from robot_node.core.changes import Changes
from robot_node.core.json_limits import check_json
from robot_node.core.mixer import Taken
from robot_node.core.state import CameraState, RobotSnapshot, RobotState, camera_fault
from robot_node.errors import RemoteError

LABEL = "status"

_SHORTEST_S = 0.2  # between two messages
_FIGURES_EVERY_S = 1.0
# Bytes that may wait for a viewer that does not read; messages have a few hundred.
_MAX_WAITING_BYTES = 8192
_UNUSABLE = frozenset({CameraState.OFF, CameraState.FAILED})
_MAX_STATUS_CHARACTERS, _MAX_STATUS_VALUES = 64 * 1024, 1_000


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """Figures of the stream to one viewer.

    Attributes:
        bitrate: Of the video as sent lately, in bits per second.
        frame_age_ms: Since the newest frame was captured; None before there is one.
        rotation: Degrees clockwise by which the viewer has to rotate the picture itself: 0 when the video says it.
        taken: What becomes of the viewer's own sound; None when it sends none.
    """

    bitrate: int
    frame_age_ms: int | None
    rotation: int = 0
    taken: Taken | None = None


async def report_status(
    channel: RTCDataChannel, state: RobotState, figures: Callable[[], StreamFigures], watched: Sequence[str] = ()
) -> None:
    """Send the status when the channel opens and at each change, five times a second at most, until it closes.

    Figures of the stream alone are sent once a second. A viewer that reads too slowly misses messages.

    Args:
        channel: To the viewer.
        state: The robot's state.
        figures: Returns the figures of the stream.
        watched: Names of the cameras that the viewer sees; "camera" is the first of them.
    """
    last = ""
    with Changes(state.listen) as changes:
        while channel.readyState not in {"closing", "closed"}:
            status = status_message(state.snapshot, figures(), watched)
            if status != last and channel.readyState == "open" and channel.bufferedAmount < _MAX_WAITING_BYTES:
                channel.send(status)
                last = status
            await changes.wait(shortest_s=_SHORTEST_S, longest_s=_FIGURES_EVERY_S)


def status_message(now: RobotSnapshot, figures: StreamFigures, watched: Sequence[str]) -> str:
    """Return the message with the robot's status, as JSON (docs/protocol.md); arguments as of :func:`report_status`."""
    name = watched[0] if watched and watched[0] in now.cameras else ""
    of_several = {"watched": [*watched], "cameras": {name: each.state for name, each in now.every_camera.items()}}
    optional = {} if now.recording is None else {"recording": now.recording}
    if now.microphone_enabled is not None:
        optional["microphone"] = now.microphone_on
    if now.listening:
        optional["listening"] = True
    return json.dumps(
        {
            "type": "status",
            "camera": now.view_of_camera(name).state,
            "camera_error": now.fault(camera_fault(name)),
            "privacy": now.privacy,
            **optional,
            "emotion": now.emotion,
            "bitrate": figures.bitrate,
            "frame_age_ms": figures.frame_age_ms,
            **({"rotation": figures.rotation} if figures.rotation else {}),
            **({"taken": figures.taken} if figures.taken is not None else {}),
            **(of_several if now.cameras else {}),
        }
    )


class StatusReader:
    """The viewer's side: creates the channel, which must be done before the offer, and reads the robot's messages.

    Attributes:
        private: Done when the privacy switch is engaged.
        camera_unusable: Done when the camera is off or failed; its result is the error for a viewer that needs it.
        camera_error: Why the camera failed, or gives photos only; empty while it works.
    """

    def __init__(self, peer: RTCPeerConnection) -> None:
        loop = asyncio.get_running_loop()
        self.private: asyncio.Future[None] = loop.create_future()
        self.camera_unusable: asyncio.Future[RemoteError] = loop.create_future()
        self.camera_error = ""
        peer.createDataChannel(LABEL).on("message", self._receive)

    def _receive(self, message: object) -> None:
        if not isinstance(message, str) or len(message) > _MAX_STATUS_CHARACTERS:
            return
        try:
            check_json(message.encode(errors="replace"), max_values=_MAX_STATUS_VALUES)
            status = json.loads(message)
        except (ValueError, RecursionError):  # RecursionError: "[[[[..." nested deeper than the parser goes
            return
        if not isinstance(status, dict):
            return
        self.camera_error = str(status.get("camera_error", ""))
        if status.get("privacy") is True and not self.private.done():
            self.private.set_result(None)
        elif (state := status.get("camera")) in _UNUSABLE and not self.camera_unusable.done():
            self.camera_unusable.set_result(_camera_error(str(state), self.camera_error))


def _camera_error(state: str, error: str) -> RemoteError:
    if state == CameraState.OFF:
        return RemoteError(
            "The camera of the robot is off.", remedy="Switch it on: call control_camera with enabled=true."
        )
    if not error:  # an older robot
        return RemoteError("The camera of the robot has failed.", remedy="Its get_status has the reason.")
    return RemoteError(f"The camera of the robot has failed: {error}")
