"""A viewer by WHEP (draft-ietf-wish-whep-02), of a media server or of the robot's own HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import av
from aiortc import MediaStreamTrack

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.hosts import is_loopback
from robot_node.errors import RemoteError, SettingsError
from robot_node.webrtc import aiortc_hooks
from robot_node.webrtc.negotiation import (
    LATE_GATHERING_LIMIT_S,
    LOOPBACK,
    VideoCodec,
    ice_server,
    section_positions,
)
from robot_node.webrtc.peer_connection import PeerConnection
from robot_node.webrtc.receiving import (
    ReceivedFrame,
    ViewerLimits,
    WatchReport,
    accept,
    first_of,
    has_ended,
    offer_to_receive,
    wait_until_connected,
    watch_frames,
)
from robot_node.webrtc.sdp_fragments import write_fragment
from robot_node.webrtc.signaling import Candidate
from robot_node.webrtc.whip import WhipClient, http_client
from robot_node.webrtc.whip_messages import WHEP, WhipSession, origin

logger = logging.getLogger(__name__)

_SENDER = "server"


class WhepViewing:
    """A session of a WHEP player. Created by :func:`view`.

    Attributes:
        offered_at: When the offer was sent, in seconds of the monotonic clock.
    """

    def __init__(self, track: MediaStreamTrack, *, offered_at: float, limit_s: float) -> None:
        self._track = track
        self._limit_s = limit_s
        self._count = 0
        self.offered_at = offered_at

    async def frame(self) -> ReceivedFrame:
        """Return the next decoded frame.

        Raises:
            RemoteError: The server has closed the connection, or no frame came in time.
        """
        received = asyncio.create_task(self._track.recv(), name="WebRTC next frame")
        try:
            done = await first_of({received}, self._limit_s)
            if done and not has_ended(received):
                self._count += 1
                return ReceivedFrame(cast("av.VideoFrame", received.result()), time.monotonic())
        finally:
            await cancel_and_wait(received)
        if done:
            raise RemoteError(f"The server closed the connection after {self._count} frames.")
        missing = "no" if self._count == 0 else f"after {self._count} frames no further"
        raise RemoteError(
            f"Connected to the server, but {missing} frame came within {self._limit_s:g} s.",
            remedy="Is the camera on, and does the robot publish there? Its get_status shows both.",
        )


async def watch(
    url: str,
    *,
    token: str = "",
    frames: int | None = None,
    output: Path | None = None,
    ice_servers: Sequence[str] = (),
    limits: ViewerLimits | None = None,
    stop: asyncio.Event | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> WatchReport:
    """Watch what a WHEP endpoint sends, and report the video received.

    Args:
        url: The endpoint.
        token: Sent as bearer token, if there is one.
        frames: How many frames to watch; None watches until ``stop`` is set.
        output: An MP4 file to write the video to.
        ice_servers: STUN and TURN servers, as in the settings; without any, those that the server names.
        limits: Time limits.
        stop: Set it to leave early with a report.
        on_progress: Called with the number of frames after each.

    Raises:
        SettingsError: The address cannot be used, or the file cannot be written.
        SignalingError: The server refuses, does not answer, or its answer cannot be used.
        RemoteError: No connection came about, or no frame came.
    """
    async with view(url, token=token, ice_servers=ice_servers, limits=limits) as viewing:
        return await watch_frames(
            viewing.frame,
            offered_at=viewing.offered_at,
            frames=frames,
            output=output,
            stop=stop or asyncio.Event(),
            on_progress=on_progress,
        )


@contextlib.asynccontextmanager
async def view(
    url: str, *, token: str = "", ice_servers: Sequence[str] = (), limits: ViewerLimits | None = None
) -> AsyncIterator[WhepViewing]:
    """Open a session at a WHEP endpoint; on leaving, delete it and close everything.

    The arguments, and what is raised, are those of :func:`watch`.
    """
    check_url(url)
    limits = limits or ViewerLimits()
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(await asyncio.to_thread(http_client, None, limits.connect_s))
        client = WhipClient(http, url, token, wording=WHEP)
        peer = PeerConnection([ice_server(each) for each in ice_servers])
        stack.push_async_callback(peer.close)
        # A robot on this machine may be reachable on loopback only: in the demo without a network.
        others = LOOPBACK if is_loopback(urlsplit(url).hostname or "") else ()
        codecs = (VideoCodec.H264, VideoCodec.VP8)
        (video,) = await offer_to_receive(peer, 1, others=others, codecs=codecs)
        offer, offered_at = peer.localDescription.sdp, time.monotonic()
        session = await client.offer(offer)
        if session.url:
            stack.push_async_callback(_delete, client, session.url)
        await accept(peer, session.answer, sender=_SENDER)
        if session.ice_servers and not ice_servers:
            late = asyncio.create_task(_use_servers(peer, client, session, offer), name="WebRTC ICE servers")
            stack.push_async_callback(cancel_and_wait, late)
        await wait_until_connected(peer, limits.connect_s, sender=_SENDER)
        yield WhepViewing(video.receiver.track, offered_at=offered_at, limit_s=limits.frame_s)


def check_url(url: str) -> None:
    """Refuse what is no address of an endpoint.

    Raises:
        SettingsError: It is no http(s) URL, or has a password in it.
    """
    if not origin(url):
        raise SettingsError(f"{url!r} is no address of a WHEP endpoint.", remedy="Give its http:// or https:// URL.")
    if "@" in urlsplit(url).netloc:
        raise SettingsError(
            "The address of a WHEP endpoint must have no password in it.",
            remedy="Give the token apart: --token-file FILE, or WHEP_TOKEN in the environment.",
        )


async def _delete(client: WhipClient, session: str) -> None:
    if await client.delete(session) is not True:
        logger.warning("The server at %s does not say that the session has ended.", origin(session))


async def _use_servers(peer: PeerConnection, client: WhipClient, session: WhipSession, offer: str) -> None:
    """Gather from the STUN and TURN servers that the answer names, and send what they give, if the server takes it."""
    positions = section_positions(offer)
    found: asyncio.Queue[Candidate] = asyncio.Queue()

    async def send() -> None:
        while await client.trickle(session, write_fragment(offer, [await found.get()])):
            pass

    sending = asyncio.create_task(send(), name="WHEP candidates")
    try:
        for transport in aiortc_hooks.ice_transports(peer):
            mid = aiortc_hooks.media_section(peer, transport)

            def use(candidate: str, fragment: str, mid: str = mid) -> None:
                if session.etag and session.url:
                    found.put_nowait(Candidate(candidate, mid, positions[mid], fragment))

            servers = aiortc_hooks.add_servers(transport, session.ice_servers, known=())
            await aiortc_hooks.gather_from(servers, transport, use, _note_reply, limit_s=LATE_GATHERING_LIMIT_S)
        await asyncio.Event().wait()  # until the session ends: what was found is still being sent
    finally:
        await cancel_and_wait(sending)


def _note_reply(server: str, error: str) -> None:
    logger.log(logging.WARNING if error else logging.DEBUG, "%s: %s", server, error or "answered")
