"""The viewing side, for the command line and for tests, signalled by the robot's broker."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import av
from aiortc import MediaStreamTrack, RTCPeerConnection

from robot_node.core.hosts import is_loopback
from robot_node.errors import BrokerError, RemoteError, SignalingError
from robot_node.mqtt import Broker, Connection, ConnectOptions, Incoming, Subscription, Will, connect
from robot_node.webrtc.negotiation import LOOPBACK, VideoCodec, ice_server, rtc_candidate
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
from robot_node.webrtc.signaling import (
    MAX_CANDIDATES,
    MAX_MESSAGE_BYTES,
    Answer,
    Candidate,
    Offer,
    Terminated,
    answers_topic,
    encode,
    offers_topic,
    parse,
    username_fragments,
)
from robot_node.webrtc.status_channel import StatusReader

logger = logging.getLogger(__name__)

_LAST_WORD_S = 1.0


class Viewing:
    """A session with a robot, as its viewer. Created by :func:`view`."""

    def __init__(
        self,
        connection: Connection,
        signaling: _Signaling,
        status: StatusReader,
        tracks: Sequence[MediaStreamTrack],
        *,
        offered_at: float,
        limit_s: float,
    ) -> None:
        self._connection = connection
        self._signaling = signaling
        self._status = status
        self._tracks = tracks
        self._limit_s = limit_s
        self._count = 0
        self.offered_at = offered_at

    async def frame(self, *, needs_camera: bool = False, section: int = 0) -> ReceivedFrame:
        """Return the next decoded frame.

        Args:
            section: Which of the cameras that were asked for.
            needs_camera: Raise as soon as the robot reports that its camera is off or failed. Else wait, since somebody
                may switch it on.

        Raises:
            RemoteError: The robot ended the session, its privacy switch is engaged, or no frame came in time.
        """
        received = asyncio.create_task(self._tracks[section].recv(), name="WebRTC next frame")
        ended, private, unusable = self._signaling.ended, self._status.private, self._status.camera_unusable
        try:
            futures: set[asyncio.Future[Any]] = {received, ended, private}
            done = await first_of(futures | ({unusable} if needs_camera else set()), self._limit_s)
            if received in done and not has_ended(received):
                self._count += 1
                return ReceivedFrame(cast("av.VideoFrame", received.result()), time.monotonic())
            if done - {private, unusable}:
                # The video ends a moment before the message with the reason.
                done |= await first_of({ended}, _LAST_WORD_S)
        finally:
            await _cancel(received)
        if private in done:
            after = f" after {self._count} frames" if self._count else ""
            raise RemoteError(
                f"There is no picture{after}: the privacy switch of the robot is engaged.",
                remedy="Only a person at the robot can disengage it; then switch the camera on and watch again.",
            )
        if unusable in done:
            raise unusable.result()
        if ended in done:
            raise RemoteError(f"The robot ended the session after {self._count} frames: {ended.result()}")
        if done and await self._broker_lost():
            raise RemoteError(
                f"The session ended after {self._count} frames; the connection to the broker was lost before.",
                remedy="Watch again, with a client id that nobody else uses.",
            )
        if done:
            raise RemoteError(f"The robot closed the connection after {self._count} frames.")
        missing = "no" if self._count == 0 else f"after {self._count} frames no further"
        silence = f"Connected to the robot, but {missing} frame came within {self._limit_s:g} s"
        if self._status.camera_error:
            raise RemoteError(f"{silence}: {self._status.camera_error}")
        raise RemoteError(f"{silence}.", remedy="Is the camera on? Call control_camera with enabled=true.")

    async def _broker_lost(self) -> bool:
        """The session then ends by our own will, which the broker publishes: nobody is left who could tell us."""
        lost = asyncio.create_task(self._connection.lost(), name="WebRTC connection watch")
        await first_of({lost}, _LAST_WORD_S)
        await _cancel(lost)
        return not lost.cancelled() and isinstance(lost.exception(), BrokerError)


async def watch(
    broker: Broker,
    server_id: str,
    *,
    frames: int | None = None,
    output: Path | None = None,
    client_id: str | None = None,
    ice_servers: Sequence[str] = (),
    limits: ViewerLimits | None = None,
    camera: str = "",
    stop: asyncio.Event | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> WatchReport:
    """Watch a robot over its broker, and report the video received.

    Args:
        broker: Carries the robot's signalling.
        server_id: The robot.
        frames: How many frames to watch; None watches until ``stop`` is set.
        output: An MP4 file to write the video to.
        client_id: Our MQTT client id; a random one by default.
        ice_servers: STUN and TURN servers, as in the settings.
        limits: Time limits.
        camera: Which camera of several; empty: the first.
        stop: Set it to leave early with a report.
        on_progress: Called with the number of frames after each.

    Raises:
        BrokerError: the broker cannot be reached.
        SignalingError: no answer, or one that cannot be used.
        RemoteError: the robot refused or ended the session, or no frame came.
    """
    async with view(
        broker, server_id, client_id=client_id, ice_servers=ice_servers, limits=limits, cameras=(camera,)
    ) as viewing:
        return await watch_frames(
            functools.partial(viewing.frame, needs_camera=True),
            offered_at=viewing.offered_at,
            frames=frames,
            output=output,
            stop=stop or asyncio.Event(),
            on_progress=on_progress,
        )


@contextlib.asynccontextmanager
async def view(
    broker: Broker,
    server_id: str,
    *,
    client_id: str | None = None,
    ice_servers: Sequence[str] = (),
    limits: ViewerLimits | None = None,
    cameras: Sequence[str] = ("",),
    small: bool = False,
) -> AsyncIterator[Viewing]:
    """Open a session with a robot as its viewer; on leaving, notify the robot and close everything.

    A viewer that is killed is freed at once too: its MQTT will ends the session.

    A video section is offered for each of the ``cameras``; without names, for the robot's cameras in their order. With
    ``small`` the small video is asked for. The other arguments are those of :func:`watch`.

    Raises:
        BrokerError: the broker cannot be reached.
        SignalingError: no answer, or one that cannot be used.
        RemoteError: the robot refused the session.
    """
    limits = limits or ViewerLimits()
    client_id = client_id or f"robot-node-viewer-{secrets.token_hex(6)}"
    topic = offers_topic(client_id, server_id)
    options = ConnectOptions(
        client_id=client_id,
        publish_properties=(
            *((("camera", ",".join(cameras)),) if any(cameras) else ()),
            *((("video", "small"),) if small else ()),
        ),
        will=Will(topic, encode(Terminated("The viewer has lost its connection."))),
        max_packet_bytes=2 * MAX_MESSAGE_BYTES,
    )
    signaling = _Signaling()
    peer = PeerConnection([ice_server(url) for url in ice_servers])
    status = StatusReader(peer)
    try:
        async with connect(broker, options, signaling.receive) as connection:
            await connection.subscribe(Subscription(answers_topic(client_id)))
            # A robot whose broker is on this machine may be reachable on loopback only: in the demo without a network.
            videos = await offer_to_receive(
                peer,
                len(cameras),
                others=LOOPBACK if is_loopback(broker.host) else (),
                codecs=(VideoCodec.VP8,) if small else (VideoCodec.H264,),
            )
            signaling.fragments = username_fragments(peer.localDescription.sdp)
            offered_at = time.monotonic()
            await connection.publish(topic, encode(Offer(peer.localDescription.sdp)))
            candidates: asyncio.Task[None] | None = None
            try:
                await accept(peer, await signaling.wait_for_answer(connection, server_id, limits.answer_s))
                candidates = asyncio.create_task(signaling.add_candidates(peer), name="WebRTC candidates")
                await wait_until_connected(peer, limits.connect_s, ended=signaling.ended)
                tracks = [video.receiver.track for video in videos]
                yield Viewing(connection, signaling, status, tracks, offered_at=offered_at, limit_s=limits.frame_s)
            finally:
                if candidates is not None:
                    await _cancel(candidates)
                with contextlib.suppress(BrokerError):
                    await connection.publish(topic, encode(Terminated("The viewer has left.")))
    finally:
        await peer.close()


class _Signaling:
    """The robot's signalling messages, by kind."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.fragments: frozenset[str] = frozenset()
        self.answer: asyncio.Future[str] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self._candidates: asyncio.Queue[Candidate] = asyncio.Queue(MAX_CANDIDATES)

    def receive(self, incoming: Incoming) -> None:
        if incoming.retain:
            return  # it was sent before this session began
        try:
            message = parse(incoming.payload)
        except SignalingError as error:
            logger.warning("From the robot: %s", error)
            return
        match message:
            case Answer() if not message.fits(self.fragments):
                logger.debug("Ignored the answer to an older offer")
            case Answer(sdp) if not self.answer.done():
                self.answer.set_result(sdp)
            case Terminated(reason) if not self.ended.done():
                self.ended.set_result(reason or "no reason given")
            case Candidate() if not self._candidates.full():
                self._candidates.put_nowait(message)
            case _:
                logger.debug("Not expected from the robot: %s", type(message).__name__)

    async def wait_for_answer(self, connection: Connection, server_id: str, limit_s: float) -> str:
        """Wait for the session description of the answer."""
        lost = asyncio.create_task(connection.lost(), name="WebRTC connection watch")
        try:
            done = await first_of({self.answer, self.ended, lost}, limit_s)
        finally:
            await _cancel(lost)
        if self.answer in done:
            return self.answer.result()
        if self.ended in done:
            raise RemoteError(f"The robot {server_id} refused the session: {self.ended.result()}")
        if done:
            lost.result()  # raises
        raise SignalingError(
            f"The robot {server_id} did not answer within {limit_s:g} s.",
            remedy="Is it online, and its id right? `robot-node robots` lists the robots.",
        )

    async def add_candidates(self, peer: RTCPeerConnection) -> None:
        """Pass on the robot's candidates as they come."""
        while True:
            candidate = await self._candidates.get()
            try:
                await peer.addIceCandidate(rtc_candidate(candidate))
            except Exception as error:  # noqa: BLE001  # one address of several, chosen by the peer: anything can be wrong
                logger.debug("A candidate cannot be used: %s", error)


async def _cancel(future: asyncio.Future[Any]) -> None:
    future.cancel()
    await asyncio.wait({future})
