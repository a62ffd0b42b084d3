"""Viewers, by client id: their offers, candidates and sessions. Needs no media stack.

Every message is handled at once; only a session takes time, in a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from robot_node.core.log_context import in_session, new_session
from robot_node.core.rate_limit import RateLimiter, TokenBucket
from robot_node.core.state import RobotState
from robot_node.errors import SignalingError
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.media_stack import SessionOpener
from robot_node.webrtc.signaling import (
    MAX_CANDIDATES,
    Answer,
    Candidate,
    Message,
    Offer,
    Terminated,
    username_fragments,
)
from robot_node.webrtc.stats import TOO_MANY_OFFERS, TOO_MANY_VIEWERS, Cause, OpenSession, SessionEnd, Statistics

if TYPE_CHECKING:
    from robot_node.webrtc.session import Session

logger = logging.getLogger(__name__)

# Clients whose candidates came before their offer.
_MAX_WAITING_CLIENTS = 64
# Minutes' worth of offers that may come at once: each toggle of what a page sends makes one, and all viewers of a robot
# may return together.
_BURST_MINUTES = 0.5

RETURN_GRACE_S = 1.0
"""Seconds for which a client that closed its connection still counts as a viewer: pages close, then offer again."""


@dataclass(slots=True)
class ViewerClient:
    """One client id: at most one session, and at most one offer that waits to replace it.

    Attributes:
        id: The client id.
        candidates: Candidates that may belong to the next offer.
        next_offer: An offer that is not being served yet.
        next_log_name: Its session name in the log.
        fragments: ICE user name fragments of the offer that is being served.
        log_name: The session's name in the log.
        session: Serves the offer.
        task: Serves one offer after the other.
        expiry: Removes a client whose candidates are not followed by an offer.
        present: It counts as a viewer: media can flow, or could until it offered again a moment ago.
        small: It gets the small video, and leaves its place to one who wants the whole.
    """

    id: str
    candidates: deque[Candidate] = field(default_factory=lambda: deque(maxlen=MAX_CANDIDATES))
    next_offer: Offer | None = None
    next_log_name: str = ""
    fragments: frozenset[str] = frozenset()
    log_name: str = ""
    session: Session | None = None
    task: asyncio.Task[None] | None = None
    expiry: asyncio.TimerHandle | None = None
    present: bool = False
    small: bool = False

    def begin_offer(self, offer: Offer) -> list[Candidate]:
        """Make ``offer`` the one that is being served; return its candidates that came before it."""
        self.next_offer, self.log_name = None, self.next_log_name
        self.fragments = username_fragments(offer.sdp)
        own = [candidate for candidate in self.candidates if candidate.fits(self.fragments)]
        self.candidates.clear()
        return own

    def end_offer(self, cause: Cause) -> None:
        """Drop the candidates of the offer that was being served; those of one that is on its way stay."""
        if self.next_offer is None and cause is not Cause.TERMINATED:
            others = [each for each in self.candidates if each.username_fragment and not each.fits(self.fragments)]
            self.candidates.clear()
            self.candidates.extend(others)


class Viewers:
    """All viewers.

    Args:
        settings: How many there may be, and how long an offer may take to follow its candidates.
        state: Gets the number of connected viewers, and how many more may have the small video.
        statistics: Counts what happens.
        group: Where sessions run.
        send: Sends a message to a client.
        complain: Logs what is wrong with a client.
    """

    def __init__(
        self,
        settings: WebRtcSettings,
        state: RobotState,
        statistics: Statistics,
        group: asyncio.TaskGroup,
        *,
        send: Callable[[str, Message], None],
        complain: Callable[[str, SignalingError], None],
    ) -> None:
        self._settings = settings
        self._state = state
        self._statistics = statistics
        self._group = group
        self._send = send
        self._complain = complain
        self._open_session: SessionOpener | None = None
        self._can_open = asyncio.Event()
        self._viewers: dict[str, ViewerClient] = {}
        self._returning: dict[str, asyncio.TimerHandle] = {}
        self._leaving = False
        self._has_small_video = False
        self._clock = asyncio.get_running_loop().time
        each, in_all = settings.offers_per_minute, settings.all_offers_per_minute
        self._offers = RateLimiter(each, burst=_burst(each))
        self._all_offers = TokenBucket(in_all / 60, _burst(in_all), self._clock())

    def open_sessions_with(self, open_session: SessionOpener, *, has_small_video: bool = False) -> None:
        """Start serving, beginning with the offers that wait.

        Args:
            open_session: Opens a session.
            has_small_video: It can send the small video.
        """
        self._open_session, self._has_small_video = open_session, has_small_video
        self._count()
        self._can_open.set()

    def is_served(self, client_id: str) -> bool:
        """Whether a client has a session, or an offer that waits for one."""
        viewer = self._viewers.get(client_id)
        return viewer is not None and viewer.task is not None

    def is_connected(self, client_id: str) -> bool:
        """Whether a client is a viewer: media can flow, or could until it offered again."""
        viewer = self._viewers.get(client_id)
        return viewer is not None and viewer.present

    def connected(self) -> Iterator[str]:
        """Client ids of all viewers, as :meth:`is_connected` says."""
        return (viewer.id for viewer in self._viewers.values() if viewer.present)

    def offer(self, client_id: str, offer: Offer) -> None:
        """Begin a session, replacing the client's previous one.

        Raises:
            SignalingError: there are too many offers or viewers.
        """
        if self._leaving:
            return
        self._statistics.offer()
        self._limit_offers(client_id)
        small = offer.small and self._has_small_video
        if not self.is_served(client_id):
            self._make_room(small=small)
        viewer = self._viewers.get(client_id) or self._add(client_id)
        viewer.small = small
        viewer.present = self._take_returning(client_id) or viewer.present
        viewer.next_offer, viewer.next_log_name = offer, new_session("webrtc", client_id)
        with in_session(viewer.next_log_name):
            logger.debug("Viewer %r offers", client_id)
        if viewer.task is None:
            if viewer.expiry is not None:
                viewer.expiry.cancel()
            viewer.task = self._group.create_task(self._serve(viewer), name=f"WebRTC viewer {client_id}")
        elif viewer.session is not None:
            viewer.session.end(Cause.REPLACED)

    def candidate(self, client_id: str, candidate: Candidate) -> None:
        """Pass a candidate to the session that it belongs to, or keep it for the offer that it belongs to.

        Raises:
            SignalingError: the session has too many.
        """
        if self._leaving:
            return
        viewer = self._viewers.get(client_id) or self._add(client_id)
        # Also kept for the next offer: it may belong to one that is still on its way.
        viewer.candidates.append(candidate)
        if viewer.session is not None and viewer.next_offer is None and candidate.fits(viewer.fragments):
            with in_session(viewer.log_name):
                viewer.session.add_candidate(candidate)

    def terminate(self, client_id: str, reason: str) -> None:
        """End a session because its client has terminated it.

        Args:
            client_id: The client.
            reason: The client's reason.
        """
        if self._take_returning(client_id):
            self._count()
        viewer = self._viewers.get(client_id)
        if viewer is None or self._leaving:
            return
        viewer.next_offer = None
        viewer.candidates.clear()
        if viewer.session is not None:
            viewer.session.end(Cause.TERMINATED, reason and f"Terminated by the viewer: {reason[:200]!r}.")
        elif viewer.task is None:
            self._remove(viewer)

    async def leave(self) -> None:
        """End every session because the robot leaves, and wait until they are closed."""
        self._leaving = True
        self._can_open.set()  # offers that wait for the media stack end
        tasks = [viewer.task for viewer in self._viewers.values() if viewer.task is not None]
        for viewer in self._viewers.values():
            waited, viewer.next_offer = viewer.next_offer is not None, None
            if viewer.session is not None:
                viewer.session.end(Cause.LEAVING)
            elif waited:
                self._send(viewer.id, Terminated("The robot is leaving."))
        if tasks:
            await asyncio.wait(tasks)

    def close(self) -> None:
        """Remove every client."""
        for viewer in tuple(self._viewers.values()):
            self._remove(viewer)
        for client_id in tuple(self._returning):
            self._take_returning(client_id)
        self._count()

    def _limit_offers(self, client_id: str) -> None:
        now = self._clock()
        if wait_s := max(self._offers.wait_s(client_id, now), self._all_offers.wait_s(now)):
            self._statistics.refused(TOO_MANY_OFFERS)
            raise SignalingError("Too many offers.", remedy=f"Try again in {math.ceil(wait_s)} s.")
        self._offers.take(client_id, now)
        self._all_offers.take(now)

    def _make_room(self, *, small: bool) -> None:
        """Check that there is a place. The last one is not for the small video; its viewers leave theirs to others."""
        most = self._settings.max_viewers
        served = [viewer for viewer in self._viewers.values() if viewer.task is not None]
        if len(served) < most - small:
            return
        guest = None if small else next((viewer for viewer in reversed(served) if viewer.small), None)
        if guest is None:
            self._statistics.refused(TOO_MANY_VIEWERS)
            raise SignalingError(
                f"The robot already has {most} viewers, as many as it takes.", remedy="Try again later."
            )
        guest.small = False  # it leaves: the next one needs another one's place
        guest.next_offer = None
        if guest.session is not None:
            guest.session.end(Cause.YIELDED)

    def _add(self, client_id: str) -> ViewerClient:
        waiting = [viewer for viewer in self._viewers.values() if viewer.task is None]
        if len(waiting) >= _MAX_WAITING_CLIENTS:
            self._remove(waiting[0])
        viewer = self._viewers[client_id] = ViewerClient(client_id)
        self._expect_offer(viewer)
        return viewer

    def _expect_offer(self, viewer: ViewerClient) -> None:
        loop = asyncio.get_running_loop()
        viewer.expiry = loop.call_later(self._settings.connect_timeout_s, self._no_offer_came, viewer)

    def _no_offer_came(self, viewer: ViewerClient) -> None:
        self._complain(viewer.id, SignalingError("Candidates came, but no offer that they could belong to."))
        self._remove(viewer)

    def _remove(self, viewer: ViewerClient) -> None:
        if viewer.expiry is not None:
            viewer.expiry.cancel()
        if self._viewers.get(viewer.id) is viewer:
            del self._viewers[viewer.id]

    async def _serve(self, viewer: ViewerClient) -> None:
        """Serve one client id, one session after the other, for as long as new offers replace the old."""
        try:
            await self._can_open.wait()
            while (offer := viewer.next_offer) is not None and self._open_session is not None:
                candidates = viewer.begin_offer(offer)
                with in_session(viewer.log_name):
                    end = await self._serve_offer(viewer, offer, candidates, self._open_session)
                    self._log_end(viewer, end)
                viewer.end_offer(end.cause)
                if viewer.next_offer is None:
                    if viewer.present and end.cause is Cause.CLOSED and not self._leaving:
                        self._expect_return(viewer.id)
                    viewer.present = False
                    self._count()
                if end.notify_peer and viewer.next_offer is None:
                    self._send(viewer.id, Terminated(end.reason))
        finally:
            viewer.task, viewer.present = None, False
            self._count()
            if viewer.candidates and not self._leaving:
                self._expect_offer(viewer)  # they came after the end, for an offer that is still on its way
            else:
                self._remove(viewer)

    async def _serve_offer(
        self, viewer: ViewerClient, offer: Offer, candidates: list[Candidate], open_session: SessionOpener
    ) -> SessionEnd:
        end = SessionEnd(Cause.LEAVING, "The robot is leaving.")
        counted: OpenSession | None = None
        try:
            session = open_session(
                offer,
                client_id=viewer.id,
                send=lambda message: self._send_from_session(viewer, message),
                on_connected=lambda: self._connected(viewer),
            )
            for candidate in candidates:
                session.add_candidate(candidate)
            viewer.session = session
            counted = self._statistics.begin(session.stats)
            end = await session.run()
        except Exception:  # a failure in one session must not end the others
            logger.exception("The session of viewer %r failed", viewer.id)
            end = SessionEnd(Cause.FAILED, "The session failed inside the robot.")
        finally:
            if counted is None:
                self._statistics.refused(end.cause.name.lower())
            else:
                counted.end(end)
            viewer.session = None
        return end

    def _send_from_session(self, viewer: ViewerClient, message: Message) -> None:
        if isinstance(message, Answer):
            self._statistics.answer()
        self._send(viewer.id, message)

    def _log_end(self, viewer: ViewerClient, end: SessionEnd) -> None:
        if end.cause is Cause.REFUSED:
            self._complain(viewer.id, SignalingError(end.reason))
            return
        level = logging.DEBUG if end.cause is Cause.REPLACED else logging.INFO
        text = "The session of viewer %r has ended: %s (%d frames sent, %d dropped)"
        logger.log(level, text, viewer.id, end.reason, end.frames_sent, end.frames_dropped)

    def _connected(self, viewer: ViewerClient) -> None:
        logger.info("Viewer %r is connected", viewer.id)
        self._statistics.connected()
        viewer.present = True
        self._count()

    def _expect_return(self, client_id: str) -> None:
        loop = asyncio.get_running_loop()
        self._returning[client_id] = loop.call_later(RETURN_GRACE_S, self._did_not_return, client_id)

    def _did_not_return(self, client_id: str) -> None:
        del self._returning[client_id]
        self._count()

    def _take_returning(self, client_id: str) -> bool:
        """Forget that a client closed its connection a moment ago; False when it did not."""
        expiry = self._returning.pop(client_id, None)
        if expiry is not None:
            expiry.cancel()
        return expiry is not None

    def _count(self) -> None:
        count = len(self._returning) + sum(viewer.present for viewer in self._viewers.values())
        places = max(0, self._settings.max_viewers - 1 - count) if self._has_small_video else None
        self._state.update(viewers=count, small_video_places=places)


def _burst(per_minute: float) -> float:
    return max(1.0, per_minute * _BURST_MINUTES)
