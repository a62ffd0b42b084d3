"""One call: the robot offers, a media backend answers. From the offer to the end of its peer connection.

:meth:`Call.run` runs the call; the other methods pass it what arrives meanwhile and return at once.
However it ends, the peer connection is closed when ``run`` is left.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from robot_node.core.mixer import Input
from robot_node.errors import SignalingError
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.audio import PeerSound, Sound
from robot_node.webrtc.broadcast import Broadcast
from robot_node.webrtc.call_control import CallCause, CallEnd
from robot_node.webrtc.offerer import Offerer
from robot_node.webrtc.signaling import Answer, Candidate, Message, Offer, Terminated, username_fragments

logger = logging.getLogger(__name__)


class Call:
    """A call to a media backend.

    Args:
        broadcast: Source of the video, as H.264.
        send: Sends a message to the backend.
        on_connected: Called once, when media can flow.
        vp8: Source of the video for a backend without H.264; None when such a backend cannot be called.
        sound: Source and sink of sound; None without sound.
        settings: ICE servers, addresses and time limit of the connection.
        answer_timeout_s: Seconds within which the backend must answer the offer.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        *,
        send: Callable[[Message], None],
        on_connected: Callable[[], None],
        vp8: Broadcast | None = None,
        sound: Sound | None = None,
        settings: WebRtcSettings,
        answer_timeout_s: float,
    ) -> None:
        self._send = send
        self._answer_timeout_s = answer_timeout_s
        self._offerer = Offerer(
            broadcast,
            send=send,
            on_connected=on_connected,
            vp8=vp8,
            sound=PeerSound(sound, Input.CALL),
            settings=settings,
            peer="the backend",
        )
        self._answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._fragments: frozenset[str] = frozenset()

    def receive(self, message: Message) -> None:
        """Handle a message of the backend.

        Raises:
            SignalingError: it doesn't fit into this call.
        """
        match message:
            case Answer() if not message.fits(self._fragments):
                logger.debug("Ignored the answer to an older offer")
            case Answer():
                if self._answer.done():
                    raise SignalingError("The backend has answered already.")
                self._answer.set_result(message)
            case Candidate():
                self._offerer.take(message)
            case Terminated(reason):
                self.end(CallCause.TERMINATED, reason and f"Ended by the backend: {reason[:200]!r}.")
            case Offer():
                raise SignalingError("The robot calls the backend; offers go to the robot's own topic.")
            case _:
                pass  # candidates never end for us: see Trickle.take; a backend does not chat here

    def refuse_answer(self, error: SignalingError) -> None:
        """End the call over an answer that could not be read, unless another has arrived before."""
        if not self._answer.done():
            self.end(CallCause.UNUSABLE, str(error))

    def end(self, cause: CallCause, reason: str = "") -> None:
        """Make :meth:`run` end; only the first cause counts."""
        self._offerer.end(cause, reason)

    @property
    def connected(self) -> bool:
        """Media can flow, or could until the call ended."""
        return self._offerer.connected

    async def run(self) -> CallEnd:
        """Offer, stream, close everything, and return how it ended."""
        return await self._offerer.run(self._negotiate())

    async def _negotiate(self) -> None:
        life = self._offerer.life
        try:
            offer = Offer(await self._offerer.offer())
            self._fragments = username_fragments(offer.sdp)
            if not life.over:
                logger.debug("Offer sent")
                self._send(offer)
                self._offerer.gather_late(offer.sdp)
            await life.wait_for(self._answer, self._answer_timeout_s)
            if life.over:
                return
            if not self._answer.done():
                text = f"The backend did not answer within {self._answer_timeout_s:g} s."
                self.end(CallCause.NOT_ANSWERED, text)
                return
            logger.debug("Answer received")
            await self._offerer.accept(self._answer.result().sdp)
        except SignalingError as error:
            self.end(CallCause.UNUSABLE, str(error))
