"""One publication: the robot offers its stream to a server by WHIP, which passes it on to many."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from robot_node.core.mixer import Input
from robot_node.errors import SignalingError
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.audio import PeerSound, Sound
from robot_node.webrtc.broadcast import Broadcast
from robot_node.webrtc.call_control import CallCause, CallEnd
from robot_node.webrtc.offerer import Offerer
from robot_node.webrtc.sdp_fragments import with_candidates, write_fragment
from robot_node.webrtc.signaling import Candidate, Message
from robot_node.webrtc.whip import WhipClient
from robot_node.webrtc.whip_messages import RefusedError, WhipSession, for_server

logger = logging.getLogger(__name__)

_GATHERING_S = 1.0
_LAST_ANSWER_S = 1.0


class Publication:
    """From the offer to the end of its peer connection; the session at the server is for others to delete.

    Args:
        broadcast: Source of the video, as H.264.
        client: Speaks with the server.
        on_session: Called with the session's address before anything else happens.
        on_connected: Called once, when media can flow.
        sound: Source of sound; None: video only.
        settings: ICE servers, addresses and time limit of the connection.
        answer_timeout_s: Seconds within which the server must answer the offer.

    Attributes:
        session: What the server has answered; None before it has.
        retry_after_s: How long the server wants to be left alone.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        client: WhipClient,
        *,
        on_session: Callable[[str], Awaitable[None]],
        on_connected: Callable[[], None],
        sound: Sound | None,
        settings: WebRtcSettings,
        answer_timeout_s: float,
    ) -> None:
        self._client = client
        self._on_session = on_session
        self._answer_timeout_s = answer_timeout_s
        self._late: asyncio.Queue[Message] = asyncio.Queue()
        self._offerer = Offerer(
            broadcast,
            send=self._late.put_nowait,
            on_connected=on_connected,
            sound=PeerSound(sound, Input.CALL),
            settings=settings,
            peer="the server",
            only_sends=True,
        )
        self.session: WhipSession | None = None
        self.retry_after_s = 0.0

    def end(self, cause: CallCause, reason: str = "") -> None:
        """Make :meth:`run` end; only the first cause counts."""
        self._offerer.end(cause, reason)

    async def run(self) -> CallEnd:
        """Offer, stream, close the connection, and return how it ended."""
        return await self._offerer.run(self._negotiate())

    async def _negotiate(self) -> None:
        try:
            offer = for_server(await self._gathered(await self._offerer.offer()))
            session = self.session = await self._ask(offer)
            if session is None:
                self.end(CallCause.NOT_ANSWERED)
                return
            await self._on_session(session.url)
            if self._offerer.life.over:
                return
            await self._offerer.accept(session.answer)
            if self._offerer.add_servers(session.ice_servers):
                self._offerer.gather_late(offer)
            if session.etag and session.url:
                self._offerer.life.spawn(self._trickle(session, offer), "late candidates")
        except SignalingError as error:
            self.retry_after_s = error.retry_after_s if isinstance(error, RefusedError) else 0.0
            self.end(CallCause.UNUSABLE, str(error))

    async def _ask(self, offer: str) -> WhipSession | None:
        """Send the offer; None when there is no answer in time, or the answer is not wanted any more.

        Raises:
            RefusedError: the server does not take it.
            SignalingError: its answer cannot be used.
        """
        if self._offerer.life.over:
            return None
        asking = asyncio.create_task(self._client.offer(offer), name="WHIP offer")
        try:
            await self._offerer.life.wait_for(asking, self._answer_timeout_s)
            if not asking.done():  # given up: but what the server has begun by now is to be ended there
                await asyncio.wait({asking}, timeout=_LAST_ANSWER_S)
            return asking.result() if asking.done() else None
        finally:
            asking.cancel()

    async def _gathered(self, sdp: str) -> str:
        """Wait a moment for candidates of STUN and TURN servers: those in the offer need no further request."""
        if not self._offerer.more_to_come:
            return sdp
        self._offerer.gather_late(sdp)
        found: list[Candidate] = []
        try:
            async with asyncio.timeout(_GATHERING_S):
                while isinstance(message := await self._late.get(), Candidate):
                    found.append(message)
        except TimeoutError:
            logger.debug("The offer does not wait longer for STUN and TURN servers")
        return with_candidates(sdp, found)

    async def _trickle(self, session: WhipSession, offer: str) -> None:
        """Send each candidate that comes after the offer, as long as the server takes them (RFC 9725, 4.3)."""
        while True:
            message = await self._late.get()
            if isinstance(message, Candidate) and not await self._client.trickle(
                session, write_fragment(offer, [message])
            ):
                logger.debug("The server takes no late candidates")
                return
