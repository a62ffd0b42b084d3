"""Trickle ICE (RFC 8838): candidates are exchanged as they come, and no description waits for them."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any

from aiortc import RTCIceTransport, RTCPeerConnection

from robot_node.errors import SignalingError
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc import aiortc_hooks
from robot_node.webrtc.ice_servers import HeldBackServers, IceServer
from robot_node.webrtc.negotiation import (
    GATHERING_LIMIT_S,
    LATE_GATHERING_LIMIT_S,
    LOOPBACK,
    rtc_candidate,
    section_positions,
)
from robot_node.webrtc.signaling import MAX_CANDIDATES, Candidate, EndOfCandidates, Message

logger = logging.getLogger(__name__)

_NO_ANSWER, _ANSWERED = "no answer", "answered"
_TYPE = re.compile(r" typ (host|srflx|prflx|relay)\b")


class Trickle:
    """The candidates of one peer connection: the peer's and the robot's own.

    Args:
        connection: The connection.
        send: Sends a message to the peer.
        spawn: Starts a task that ends with the connection; None when that has ended.
    """

    def __init__(
        self,
        connection: RTCPeerConnection,
        *,
        send: Callable[[Message], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None] | None],
    ) -> None:
        self._connection = connection
        self._send = send
        self._spawn = spawn
        self._taken = 0
        self._mids: Sequence[str] = ()
        self._early: list[Candidate] | None = []
        self._held_back: dict[RTCIceTransport, HeldBackServers] = {}
        self._gathering: asyncio.Task[None] | None = None
        self._local_kinds: set[str] = set()
        self._remote_kinds: set[str] = set()
        self._servers: dict[str, str] = {}

    def take(self, candidate: Candidate) -> None:
        """Use a candidate of the peer; before the peer's description is in place, keep it until then.

        The end of the candidates is never passed on: an ICE agent that sees it before it has resolved a name gives
        up its only component, and then neither connects nor fails.

        Raises:
            SignalingError: there were too many.
        """
        if self._taken >= MAX_CANDIDATES:
            raise SignalingError(f"More than {MAX_CANDIDATES} candidates for one connection.")
        self._taken += 1
        if self._early is not None:
            self._early.append(candidate)
        else:
            self._use(candidate)

    def use_early(self, described: Sequence[Candidate], mids: Sequence[str] = ()) -> None:
        """Use the candidates in the peer's description, now that it is in place, and those that came before it.

        Args:
            described: The candidates in the description.
            mids: The names of the peer's media sections by position, when the connection knows only some of them.
        """
        self._mids = mids
        early, self._early = self._early or [], None
        for candidate in (*described[:MAX_CANDIDATES], *early):
            self._use(candidate)

    async def describe(self, settings: WebRtcSettings) -> str:
        """Set the robot's description, and return it with the candidates that take no time.

        Args:
            settings: The robot's own addresses to use.
        """
        loopback = LOOPBACK if settings.loopback else ()
        for transport in aiortc_hooks.ice_transports(self._connection):
            aiortc_hooks.limit_gathering(
                transport, GATHERING_LIMIT_S, only=settings.addresses, extra_addresses=loopback
            )
            if servers := aiortc_hooks.hold_back_servers(transport):
                self._held_back[transport] = servers
                self._servers |= dict.fromkeys(servers.names, _NO_ANSWER)
        await self._connection.setLocalDescription()
        sdp = self._connection.localDescription.sdp
        self._local_kinds.update(_TYPE.findall(sdp))
        return sdp.replace("a=end-of-candidates\r\n", "") if self._held_back else sdp

    @property
    def more_to_come(self) -> bool:
        """Whether candidates of STUN and TURN servers are to follow."""
        return bool(self._held_back)

    def send_late(self, sdp: str) -> None:
        """Start to gather from STUN and TURN servers; call after the description is sent.

        Args:
            sdp: The description.
        """
        if self._held_back:
            self._gathering = self._spawn(self._gather_late(sdp), "gathering")

    def add_servers(self, servers: Iterable[IceServer]) -> bool:
        """Use these servers too, where there are none of that kind yet; True if there are such, for :meth:`send_late`.

        Those that were known before are not asked again.
        """
        self._held_back = {}
        for transport in aiortc_hooks.ice_transports(self._connection):
            if added := aiortc_hooks.add_servers(transport, servers, known=self._servers):
                self._held_back[transport] = added
                self._servers |= dict.fromkeys(added.names, _NO_ANSWER)
        return bool(self._held_back)

    def stop_gathering(self) -> None:
        """Stop gathering: the connection is established."""
        if self._gathering is not None:
            self._gathering.cancel()

    def attempts(self) -> str:
        """What was tried in order to connect: kinds of candidates, and the ICE servers with their replies."""
        servers = [f"{name} ({reply})" for name, reply in self._servers.items()] or ["none configured"]
        local, remote = (" ".join(sorted(kinds)) or "none" for kinds in (self._local_kinds, self._remote_kinds))
        return f"Tried: candidates of the robot: {local}; of the peer: {remote}; ICE servers: {', '.join(servers)}."

    def _use(self, candidate: Candidate) -> None:
        if match := _TYPE.search(candidate.candidate):
            self._remote_kinds.add(f"{match[1]} with a hidden address" if candidate.hidden else match[1])
        # A task for each: resolving an mDNS name may take a second, for which nothing else must wait.
        self._spawn(self._resolve_and_add(candidate), "candidate")

    async def _resolve_and_add(self, candidate: Candidate) -> None:
        try:
            await self._connection.addIceCandidate(rtc_candidate(self._by_name(candidate)))
        except Exception as error:  # noqa: BLE001  # one address of several, chosen by the peer: anything can be wrong
            logger.debug("A candidate cannot be used: %s", error)

    def _by_name(self, candidate: Candidate) -> Candidate:
        """Name the media section that a candidate gives by position."""
        index = candidate.sdp_mline_index
        if index is None or not 0 <= index < len(self._mids) or not self._mids[index]:
            return candidate
        return replace(candidate, sdp_mid=candidate.sdp_mid or self._mids[index], sdp_mline_index=None)

    async def _gather_late(self, sdp: str) -> None:
        """Send each candidate as it comes, then the end of the candidates."""
        positions = section_positions(sdp)
        sections = {transport: aiortc_hooks.media_section(self._connection, transport) for transport in self._held_back}
        async with asyncio.TaskGroup() as group:
            for transport, servers in self._held_back.items():
                mid = sections[transport]

                def send_candidate(candidate: str, username_fragment: str, mid: str = mid) -> None:
                    self._local_kinds.update(_TYPE.findall(candidate))
                    self._send(Candidate(candidate, mid, positions[mid], username_fragment))

                group.create_task(
                    aiortc_hooks.gather_from(
                        servers, transport, send_candidate, self._note_reply, limit_s=LATE_GATHERING_LIMIT_S
                    ),
                    name="WebRTC ICE servers",
                )
        for name, reply in self._servers.items():
            if reply != _ANSWERED:
                logger.warning("%s gives no candidate: %s. robot-node doctor tests it.", name, reply)
        self._send(EndOfCandidates())

    def _note_reply(self, server: str, error: str) -> None:
        if self._servers.get(server) != _ANSWERED:  # from another of our addresses
            self._servers[server] = error or _ANSWERED
