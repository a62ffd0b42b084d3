"""Publishing as a service: publishes while it is wanted, tries again after failures, and deletes what it began.

Loaded only where it is enabled, and when the robot is reachable.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from robot_node.core.atomic_file import read_small, write_atomically
from robot_node.core.backoff import Backoff
from robot_node.core.changes import Changes
from robot_node.core.log_context import in_session, new_session
from robot_node.core.state import RobotState
from robot_node.robot.publish_control import PublishControl
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.audio import Sound
from robot_node.webrtc.broadcast import Broadcast
from robot_node.webrtc.call_control import CallCause, CallEnd
from robot_node.webrtc.publication import Publication
from robot_node.webrtc.streams import Streams
from robot_node.webrtc.whip import WhipClient, http_client
from robot_node.webrtc.whip_messages import MAX_URL_CHARACTERS, origin

logger = logging.getLogger(__name__)

_CLOSE_LIMIT_S = 6.0  # longer than a peer connection takes to close at worst


class SessionFile:
    """Keeps the address of the open session over a restart, so that what a crash left behind is deleted.

    Args:
        path: The file; None: nothing is kept.
        endpoint: Sessions of other origins are forgotten: the settings have changed, or the server had redirected.
    """

    def __init__(self, path: Path | None, endpoint: str) -> None:
        self._path = path
        self._endpoint = endpoint
        self.url = ""

    async def load(self) -> None:
        """Read the address; what cannot be read, or must not be asked, counts as none."""
        if self._path is None:
            return
        try:
            data = await asyncio.to_thread(read_small, self._path, MAX_URL_CHARACTERS)
        except OSError as error:
            logger.warning("The published session cannot be read from %s: %s", self._path, error.strerror)
            return
        url = (data or b"").decode("ascii", "replace").strip()
        if len(url) <= MAX_URL_CHARACTERS and url.isprintable() and origin(url) == origin(self._endpoint):
            self.url = url

    async def keep(self, url: str) -> None:
        """Replace the address; an empty one forgets it."""
        self.url = url if origin(url) == origin(self._endpoint) else ""
        if self._path is None:
            return
        try:
            if self.url:
                await asyncio.to_thread(write_atomically, self._path, self.url.encode())
            else:
                await asyncio.to_thread(self._path.unlink, missing_ok=True)
        except OSError as error:
            logger.warning("The published session cannot be kept in %s: %s", self._path, error.strerror)


class Publisher:
    """Publishes one stream after the other while publishing is wanted.

    Args:
        control: Says when, and gets what becomes of it.
        state: Whose changes may make it wanted.
        streams: What is published; stay open.
        webrtc: ICE servers, addresses, and the time limit of a connection.
        file: Where the address of the session is kept; None: nowhere.
        backoff: Delays between attempts.
    """

    def __init__(
        self,
        control: PublishControl,
        state: RobotState,
        streams: Streams,
        webrtc: WebRtcSettings,
        *,
        file: Path | None,
        backoff: Backoff | None = None,
    ) -> None:
        self._control = control
        self._settings = control.settings
        self._state = state
        self._streams = streams
        self._webrtc = webrtc
        self._kept = SessionFile(file, self._settings.url)
        self._backoff = backoff or self._settings.backoff()

    async def run(self) -> None:
        """Publish whenever it is wanted, until cancelled; then end it, and delete the session.

        Raises:
            SettingsError: the file of certificates cannot be used.
        """
        settings, control = self._settings, self._control
        await self._kept.load()
        broadcast = await self._streams.video()
        sound = await self._streams.sound() if settings.audio else None
        http = await asyncio.to_thread(http_client, settings.ca_file, settings.answer_timeout_s)
        async with http:
            client = WhipClient(http, settings.url, settings.token)
            await self._delete(client, self._kept.url)
            with Changes(self._state.listen, control.listen, value=control.wanted) as changes:
                while True:
                    while not control.wanted():
                        await changes.wait()
                    try:
                        async with asyncio.TaskGroup() as group:
                            publishing = group.create_task(
                                self._keep_publishing(client, broadcast, sound), name="WHIP publishing"
                            )
                            while control.wanted():
                                await changes.wait()
                            publishing.cancel()
                    finally:
                        control.report_unwanted()

    async def _keep_publishing(self, client: WhipClient, broadcast: Broadcast, sound: Sound | None) -> None:
        """Publish again and again, until cancelled."""
        self._backoff.reset()
        while True:
            with in_session(new_session("publication", origin(self._settings.url))):
                self._control.begin()
                await self._delete(client, self._kept.url)
                end, pause_s = await self._publish_once(client, broadcast, sound)
                if end.connected_s is not None and end.connected_s >= self._backoff.stable_after_s:
                    self._backoff.reset()
                self._control.report_failed(end)
                delay = max(self._backoff.next_delay(), pause_s)
                logger.debug("Publishing: %s Next attempt in %.1f s.", end.reason, delay)
            await asyncio.sleep(delay)

    async def _publish_once(
        self, client: WhipClient, broadcast: Broadcast, sound: Sound | None
    ) -> tuple[CallEnd, float]:
        """Publish until it ends by itself; return how, and how long the server wants to be left alone, in seconds."""
        publication = Publication(
            broadcast,
            client,
            on_session=self._kept.keep,
            on_connected=self._control.report_connected,
            sound=sound,
            settings=self._webrtc,
            answer_timeout_s=self._settings.answer_timeout_s,
        )
        # A task of its own: after our cancellation it still has to close its connection.
        running = asyncio.create_task(_run(publication), name="WHIP publication")
        try:
            await asyncio.wait({running})
        finally:
            publication.end(CallCause.HUNG_UP)
            await asyncio.wait({running}, timeout=_CLOSE_LIMIT_S)
            if publication.session is not None:
                await self._delete(client, publication.session.url)
        return running.result(), publication.retry_after_s

    async def _delete(self, client: WhipClient, url: str) -> None:
        """End a session at the server; one of which it is not known whether it has ended is kept for the next time."""
        if url and await client.delete(url) is not None:
            await self._kept.keep("")


async def _run(publication: Publication) -> CallEnd:
    try:
        return await publication.run()
    except Exception:  # a failure in one publication must not end publishing
        logger.exception("Publishing failed")
        return CallEnd(CallCause.FAILED, "Publishing failed inside the robot.")
