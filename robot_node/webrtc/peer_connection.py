"""Peer connections of sessions and calls: closing, their tasks, detection of a peer that has vanished."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, Generic, TypeVar

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCRtpSender
from aiortc.stats import RTCTransportStats

from robot_node.webrtc import aiortc_hooks

logger = logging.getLogger(__name__)

End = TypeVar("End")

_CLOSE_LIMIT_S = 5.0
_CONNECTING_SHARE = 0.2
# Silent intervals after which a peer counts as vanished: noticed within 5 s, while an outage of 2 s is survived.
_WATCH_INTERVAL_S = 0.5
_SILENT_INTERVALS = 7


class PeerConnection(aiortc_hooks.TrackedPeerConnection):
    """aiortc's peer connection; closing it ends what is still connecting.

    aiortc connects in a task of its own, which goes on when the connection is closed meanwhile: it then starts ICE's
    consent checks and the sender's RTCP after those were to be stopped, for ever, or fails where nobody hears it.

    Args:
        ice_servers: STUN and TURN servers; without any, none is asked. (To aiortc, None means a public one.)
        bundling: Which media sections of an offer have a transport of their own.
    """

    def __init__(
        self, ice_servers: Sequence[RTCIceServer] = (), bundling: RTCBundlePolicy = RTCBundlePolicy.BALANCED
    ) -> None:
        super().__init__(RTCConfiguration(iceServers=list(ice_servers), bundlePolicy=bundling))

    async def close(self) -> None:
        """Close it in any state; what has not ended after 5 s is logged as an error, and abandoned."""
        try:
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                connecting = tuple(self.connecting)
                for task in connecting:
                    task.cancel()
                if connecting:
                    # With a time limit: wait_for, in aiortc, may lose a cancellation (Python before 3.12). Such a task
                    # ends when the transports close.
                    await asyncio.wait(connecting, timeout=_CONNECTING_SHARE * _CLOSE_LIMIT_S)
                await self._close_all()
            aiortc_hooks.break_cycles(self)
        except TimeoutError:
            logger.error("A peer connection did not close within %g s.", _CLOSE_LIMIT_S)

    async def _close_all(self) -> None:
        try:
            await super().close()
        except Exception as error:  # noqa: BLE001  # a broken description leaves aiortc in states that it does not expect
            logger.debug("aiortc cannot close a peer connection: %r", error)
            for transport in aiortc_hooks.ice_transports(self):
                await transport.stop()


class Lifetime(Generic[End]):
    """Runs a negotiation, and the tasks that it starts, until the first :meth:`end`."""

    def __init__(self) -> None:
        self._end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def over(self) -> bool:
        """:meth:`end` was called."""
        return self._end.done()

    def end(self, how: End) -> None:
        """Make :meth:`run` return ``how``; only the first call counts."""
        if not self._end.done():
            self._end.set_result(how)

    async def wait_for(self, something: asyncio.Future[Any], limit_s: float) -> None:
        """Wait for a future until the time limit or the end, whatever comes first."""
        either: set[asyncio.Future[Any]] = {something, self._end}
        await asyncio.wait(either, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        """Start a task that is cancelled at the end; None before :meth:`run` and after the end."""
        if self._group is None or self._end.done():
            coroutine.close()
            return None
        task = self._group.create_task(coroutine, name=f"WebRTC {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def run(self, negotiation: Coroutine[Any, Any, None]) -> End:
        """Run until the end; return how it ended, when no task is left."""
        async with asyncio.TaskGroup() as self._group:
            self._group.create_task(negotiation, name="WebRTC negotiation")
            how = await self._end
            # The negotiation is not cancelled: aiortc would leave sockets open. It ends soon by itself.
            for task in tuple(self._tasks):
                task.cancel()
        return how


async def until_vanished(sender: RTCRtpSender) -> None:
    """Return when nothing has come from the peer for about 4 s.

    Receivers report once a second while they get video. While they get none, only the answer to an ICE check of ours
    shows that they are still there.
    """
    transport = sender.transport.transport
    received, silent = -1, 0
    question: asyncio.Task[bool] | None = None
    try:
        while silent < _SILENT_INTERVALS:
            await asyncio.sleep(_WATCH_INTERVAL_S)
            now_received = await _packets_received(sender)
            # Intervals are counted, not seconds: a pause of our own event loop says nothing about the peer.
            silent = silent + 1 if now_received == received else 0
            received = now_received
            if question is not None and question.done():
                silent, question = 0 if question.result() else silent, None
            if silent and question is None:
                question = asyncio.create_task(aiortc_hooks.answers_check(transport), name="WebRTC ICE check")
    finally:
        if question is not None:
            question.cancel()
            await asyncio.wait({question})


async def _packets_received(sender: RTCRtpSender) -> int:
    report = await sender.getStats()
    return sum(stats.packetsReceived for stats in report.values() if isinstance(stats, RTCTransportStats))


def log_steps(connection: RTCPeerConnection, sender: RTCRtpSender) -> None:
    """Log each step of connecting at DEBUG: gathering, ICE, DTLS, the connection as a whole.

    Args:
        connection: The connection.
        sender: One of its senders, which must have its transport.
    """
    dtls = sender.transport
    connection.on("icegatheringstatechange", lambda: logger.debug("ICE gathering: %s", connection.iceGatheringState))
    connection.on("iceconnectionstatechange", lambda: logger.debug("ICE: %s", connection.iceConnectionState))
    dtls.on("statechange", lambda: logger.debug("DTLS: %s", dtls.state))
    connection.on("connectionstatechange", lambda: logger.debug("Connection: %s", connection.connectionState))
