"""What all viewers do, however they are signalled: offer, connect, count frames, write them to a file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from aiortc import RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from robot_node.errors import RemoteError, SignalingError
from robot_node.webrtc import aiortc_hooks
from robot_node.webrtc.negotiation import GATHERING_LIMIT_S, VideoCodec, prefer_with_retransmission
from robot_node.webrtc.recording import Recording


@dataclass(frozen=True, slots=True)
class ViewerLimits:
    """How long a viewer waits, in seconds.

    Attributes:
        answer_s: For the answer to its offer (protocol: one signalling step).
        connect_s: For media to flow, after the answer.
        frame_s: For the first frame and for each further one.
    """

    answer_s: float = 5.0
    connect_s: float = 15.0
    frame_s: float = 10.0


@dataclass(frozen=True, slots=True)
class WatchReport:
    """The video that a viewer received.

    Attributes:
        first_frame_ms: From sending the offer to the first decoded frame, in milliseconds.
        frames: Number of decoded frames.
        width: Of the last frame, in pixels.
        height: Of the last frame, in pixels.
        fps: Frames per second from the first to the last frame; 0 for a single frame.
    """

    first_frame_ms: float
    frames: int
    width: int
    height: int
    fps: float


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """One decoded frame.

    Attributes:
        image: The picture, with its RTP time.
        arrived_at: When it was decoded, in seconds of the monotonic clock.
    """

    image: av.VideoFrame
    arrived_at: float


async def watch_frames(
    next_frame: Callable[[], Awaitable[ReceivedFrame]],
    *,
    offered_at: float,
    frames: int | None,
    output: Path | None,
    stop: asyncio.Event,
    on_progress: Callable[[int], None],
) -> WatchReport:
    """Receive until ``frames`` frames are decoded, or until ``stop`` is set.

    Args:
        next_frame: Returns the next frame; raises when there is none.
        offered_at: When the offer was sent, in seconds of the monotonic clock.
        frames: How many frames to watch; None: no limit.
        output: An MP4 file to write the video to.
        stop: Set it to leave early with a report.
        on_progress: Called with the number of frames after each.

    Raises:
        SettingsError: The file cannot be written.
    """
    async with Recording(output) as recording:
        first = last = await next_frame()
        count = 1
        recording.add(first.image)
        on_progress(count)
        while not stop.is_set() and (frames is None or count < frames):
            last = await next_frame()
            count += 1
            recording.add(last.image)
            on_progress(count)
    seconds = last.arrived_at - first.arrived_at
    return WatchReport(
        first_frame_ms=round((first.arrived_at - offered_at) * 1000, 1),
        frames=count,
        width=last.image.width,
        height=last.image.height,
        fps=round((count - 1) / seconds, 2) if seconds > 0 else 0.0,
    )


async def offer_to_receive(
    peer: RTCPeerConnection,
    videos: int,
    *,
    others: Sequence[str] = (),
    codecs: Sequence[VideoCodec] = (VideoCodec.H264,),
) -> list[RTCRtpTransceiver]:
    """Set an offer to receive that many videos, with retransmission.

    Args:
        peer: The connection.
        videos: How many.
        others: Addresses of this machine to use in addition to those that are found.
        codecs: What can be decoded, the best first.
    """
    transceivers = [peer.addTransceiver("video", direction="recvonly") for _ in range(videos)]
    for transceiver in transceivers:
        prefer_with_retransmission(transceiver, *codecs)
    for transport in aiortc_hooks.ice_transports(peer):
        aiortc_hooks.limit_gathering(transport, GATHERING_LIMIT_S, extra_addresses=others)
    await peer.setLocalDescription()
    return transceivers


async def accept(peer: RTCPeerConnection, sdp: str, *, sender: str = "robot") -> None:
    """Use the answer of the robot, or of another ``sender``.

    Raises:
        SignalingError: It cannot be read.
    """
    try:
        await peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))
    except Exception as error:  # aiortc's parser raises anything on a broken description
        raise SignalingError(f"The {sender}'s answer cannot be read.") from error


async def wait_until_connected(
    peer: RTCPeerConnection, limit_s: float, *, ended: asyncio.Future[str] | None = None, sender: str = "robot"
) -> None:
    """Wait until media can flow.

    Args:
        peer: The connection.
        limit_s: How long, in seconds.
        ended: Done with a reason when the session has ended before.
        sender: Of the video, for people.

    Raises:
        RemoteError: No connection came about.
    """
    decided: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def look() -> None:
        if peer.connectionState in {"connected", "failed", "closed"} and not decided.done():
            decided.set_result(peer.connectionState)

    peer.on("connectionstatechange", look)
    look()
    done = await first_of({decided, ended} if ended is not None else {decided}, limit_s)
    if ended is not None and ended in done:
        raise RemoteError(f"The {sender} ended the session before it was connected: {ended.result()}")
    if decided not in done or decided.result() != "connected":
        raise RemoteError(
            f"The {sender} answered, but no connection came about within {limit_s:g} s.",
            remedy="Both must reach each other over UDP; across networks, configure a TURN server.",
        )


async def first_of(futures: set[asyncio.Future[Any]], limit_s: float) -> set[asyncio.Future[Any]]:
    """Wait for the first of them, for that many seconds at most; return those that are done."""
    done, _ = await asyncio.wait(futures, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    return done


def has_ended(received: asyncio.Future[Any]) -> bool:
    """Whether the wait for a frame, which is done, found the end of the stream.

    Raises:
        Exception: What the wait has raised otherwise.
    """
    error = received.exception()
    if error is not None and not isinstance(error, MediaStreamError):
        raise error
    return error is not None
