"""A viewer's data channel ``status``: the robot's state, so that a page needs no polling."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from aiortc import RTCDataChannel

from robot_node.core.changes import Changes
from robot_node.core.state import Device, RobotState

LABEL = "status"

_SHORTEST_S = 0.2  # between two messages
_FIGURES_EVERY_S = 1.0
# Bytes that may wait for a viewer that does not read; messages have a few hundred.
_MAX_WAITING_BYTES = 8192


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """Figures of the stream to one viewer.

    Attributes:
        bitrate: Of the video as sent lately, in bits per second.
        frame_age_ms: Since the newest frame was captured; None before there is one.
    """

    bitrate: int
    frame_age_ms: int | None


async def report_status(channel: RTCDataChannel, state: RobotState, figures: Callable[[], StreamFigures]) -> None:
    """Send the status when the channel opens and at each change, five times a second at most, until it closes.

    Figures of the stream alone are sent once a second. A viewer that reads too slowly misses messages.
    """
    last = ""
    with Changes(state.listen) as changes:
        while channel.readyState not in {"closing", "closed"}:
            status = _status(state, figures())
            if status != last and channel.readyState == "open" and channel.bufferedAmount < _MAX_WAITING_BYTES:
                channel.send(status)
                last = status
            await changes.wait(shortest_s=_SHORTEST_S, longest_s=_FIGURES_EVERY_S)


def _status(state: RobotState, figures: StreamFigures) -> str:
    now = state.snapshot
    return json.dumps(
        {
            "type": "status",
            "camera": now.camera,
            "camera_error": now.fault(Device.CAMERA),
            "privacy": now.privacy,
            "emotion": now.emotion,
            "bitrate": figures.bitrate,
            "frame_age_ms": figures.frame_age_ms,
        }
    )
