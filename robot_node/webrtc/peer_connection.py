"""aiortc's peer connection, which can be closed at any moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection

logger = logging.getLogger(__name__)

_CLOSE_LIMIT_S = 5.0
_CONNECTING_SHARE = 0.2


class PeerConnection(RTCPeerConnection):
    """aiortc's peer connection; closing it ends what is still connecting.

    aiortc connects in a task of its own, which goes on when the connection is closed meanwhile: it then starts ICE's
    consent checks and the sender's RTCP after those were to be stopped, for ever, or fails where nobody hears it.

    Args:
        ice_servers: STUN and TURN servers; without any, none is asked. (To aiortc, None means a public one.)

    Raises:
        AttributeError: when it connects: this aiortc connects in another way.
    """

    def __init__(self, ice_servers: Sequence[RTCIceServer] = ()) -> None:
        super().__init__(RTCConfiguration(iceServers=list(ice_servers)))
        self._connecting: set[asyncio.Task[None]] = set()

    async def _RTCPeerConnection__connect(self) -> None:  # noqa: N802  # the name that Python gives to aiortc's own
        task = asyncio.current_task()
        assert task is not None
        self._connecting.add(task)
        try:
            await super()._RTCPeerConnection__connect()  # type: ignore[misc]  # see above
        finally:
            self._connecting.discard(task)

    async def close(self) -> None:
        """End it, whatever it is doing; what has not ended after 5 s is logged as an error, and left."""
        try:
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                connecting = tuple(self._connecting)
                for task in connecting:
                    task.cancel()
                if connecting:
                    # Not for ever: wait_for, in aiortc, may lose a cancellation (Python before 3.12). To such a one
                    # the transports tell that they are closed.
                    await asyncio.wait(connecting, timeout=_CONNECTING_SHARE * _CLOSE_LIMIT_S)
                await super().close()
        except TimeoutError:
            logger.error("A peer connection did not close within %g s.", _CLOSE_LIMIT_S)
