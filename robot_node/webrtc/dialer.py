"""The offering side of WebRTC: the robot calls a media backend, and calls again when the call fails.

Signalling has an MQTT connection of its own. Media does not pass through the broker: a call outlives a lost
signalling connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from robot_node.core.counters import Counters
from robot_node.core.log_context import in_session, new_session
from robot_node.core.rate_limit import TokenBucket
from robot_node.core.state import CallState
from robot_node.errors import SignalingError
from robot_node.mqtt import (
    Backoff,
    Broker,
    Connection,
    ConnectOptions,
    Incoming,
    LinkStatus,
    Subscription,
    Will,
    keep_connected,
    tell_crash,
)
from robot_node.settings.root import DialerSettings, WebRtcSettings
from robot_node.webrtc.audio import Sound
from robot_node.webrtc.broadcast import Broadcast
from robot_node.webrtc.call import Call
from robot_node.webrtc.call_control import CallCause, CallControl, CallEnd
from robot_node.webrtc.ice_servers import parse_ice_server
from robot_node.webrtc.messages import (
    Announcements,
    BackendMessage,
    device_messages_topic,
    encode_message,
    messages_topic,
    parse_message,
)
from robot_node.webrtc.outbox import Outbox
from robot_node.webrtc.signaling import (
    MAX_MESSAGE_BYTES,
    Terminated,
    UnusableAnswerError,
    answers_topic,
    encode,
    offers_topic,
    parse,
)
from robot_node.webrtc.streams import Streams

logger = logging.getLogger(__name__)

# MQTT's own header and the topic, on top of the message.
_PACKET_OVERHEAD_BYTES = 1024
_GOODBYE_LIMIT_S = 2.0
_MAX_COMPLAINTS = 64
# Of a backend, of any kind. A long text takes 5 ms to show.
_MESSAGES_PER_S = 50
_MESSAGES_AT_ONCE = 200


def dialer_client_id(server_id: str) -> str:
    """The MQTT client id of a robot's calls."""
    return f"{server_id}-dialer"


async def dial(
    broker: Broker,
    server_id: str,
    streams: Streams,
    settings: DialerSettings,
    control: CallControl,
    *,
    webrtc: WebRtcSettings | None = None,
    counters: Counters | None = None,
    backoff: Backoff | None = None,
    link_backoff: Backoff | None = None,
    on_status: Callable[[LinkStatus], None] = lambda _: None,
    on_message: Callable[[BackendMessage], None] = lambda _: None,
    announcements: Announcements | None = None,
) -> None:
    """Call the media backend whenever ``control`` is on, until cancelled; then notify the backend, and close.

    Args:
        broker: Carries the signalling; the MQTT client id is ``{server_id}-dialer``.
        server_id: The robot's id; topics have the client id, or ``dialer.device_id``.
        streams: Video and sound for the backend; stay open.
        settings: The backend, time limits and retries.
        control: Switches calls on and off; gets their state.
        webrtc: ICE servers, addresses, and the time limit of a connection.
        counters: Count calls.
        backoff: Delays between attempts to call; as the settings say by default.
        link_backoff: Delays between attempts to connect to the broker.
        on_status: Called at each change of the signalling connection.
        on_message: Called with the backend's messages of speech and text.
        announcements: Messages of the robot to the backend during a call.

    Raises:
        SettingsError: an ICE server's address cannot be used.
    """
    device_id = settings.device_id or dialer_client_id(server_id)
    outgoing = offers_topic(device_id, settings.backend)
    options = ConnectOptions(
        client_id=dialer_client_id(server_id),
        will=Will(outgoing, encode(Terminated("The robot has lost its connection."))),
        max_packet_bytes=MAX_MESSAGE_BYTES + _PACKET_OVERHEAD_BYTES,
    )
    backoff = backoff or settings.backoff()
    webrtc = webrtc or WebRtcSettings()
    for url in webrtc.ice_servers:
        parse_ice_server(url)
    broadcast, vp8, sound = await streams.video(), await streams.vp8(), await streams.sound()

    loop = asyncio.get_running_loop()
    allowance = TokenBucket(_MESSAGES_PER_S, _MESSAGES_AT_ONCE, loop.time())

    def receive(incoming: Incoming) -> None:
        if incoming.retain:
            return  # it was sent before the robot listened, for another call
        if not allowance.take(loop.time()):
            dialer.complain(SignalingError(f"More than {_MESSAGES_PER_S} messages per second; some are dropped."))
            return
        try:
            if incoming.topic == answers_topic(device_id):
                dialer.receive(incoming.payload)
            else:
                on_message(parse_message(incoming.payload))
        except SignalingError as error:
            dialer.complain(error)

    async def serve(connection: Connection) -> None:
        # Messages for the old connection are stale: an offer among them was not answered in time.
        dialer.outbox.clear()
        connection.on_message = receive
        await connection.subscribe(
            Subscription(answers_topic(device_id)),
            Subscription(messages_topic(device_id), no_local=True),  # the robot's speech is published there, too
        )
        dialer.reachable.set()
        try:
            await dialer.outbox.send_through(connection)
        finally:
            dialer.reachable.clear()

    async with tell_crash(on_status, "Dialer"), asyncio.TaskGroup() as group:
        dialer = _Dialer(
            broadcast,
            settings,
            control,
            backoff,
            vp8=vp8,
            sound=sound,
            device_id=device_id,
            webrtc=webrtc,
            counters=counters or Counters(),
            group=group,
        )
        stop_announcing = announcements.listen(dialer.announce) if announcements else lambda: None
        link = group.create_task(
            keep_connected(broker, options, serve, name="Dialer", backoff=link_backoff, on_status=on_status),
            name="WebRTC dialer signalling",
        )
        try:
            await dialer.run()
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_LIMIT_S):
                    await dialer.leave()
            stop_announcing()
            link.cancel()


class _Dialer:
    """Makes one call after the other while calls are switched on."""

    def __init__(
        self,
        broadcast: Broadcast,
        settings: DialerSettings,
        control: CallControl,
        backoff: Backoff,
        *,
        vp8: Broadcast | None,
        sound: Sound,
        device_id: str,
        webrtc: WebRtcSettings,
        counters: Counters,
        group: asyncio.TaskGroup,
    ) -> None:
        self._device_id = device_id
        self._group = group
        self._broadcast = broadcast
        self._vp8 = vp8
        self._sound = sound
        self._settings = settings
        self._webrtc = webrtc
        self._counters = counters
        self._control = control
        self._backoff = backoff
        self._call: Call | None = None
        self._running: asyncio.Task[CallEnd] | None = None
        self._log_name = ""
        self._failures = 0
        self._complaints: set[str] = set()
        self.reachable = asyncio.Event()
        self.outbox = Outbox(lambda backend: offers_topic(device_id, backend))

    def receive(self, payload: bytes) -> None:
        """Handle a signalling message of the backend.

        Raises:
            SignalingError: it cannot be used.
        """
        try:
            message = parse(payload)
        except UnusableAnswerError as error:
            if self._call is not None:
                self._call.refuse_answer(error)
            raise
        if self._call is not None:
            with in_session(self._log_name):
                self._call.receive(message)

    def announce(self, message: BackendMessage) -> None:
        """Send a message of the robot to the backend, and to those who read along, if the call is connected."""
        if self._call is not None and self._call.connected:
            payload = encode_message(message)
            self.outbox.publish(device_messages_topic(self._device_id, self._settings.backend), payload)
            self.outbox.publish(messages_topic(self._device_id), payload)

    def complain(self, error: SignalingError) -> None:
        """Log what is wrong with the backend once: a flood of messages must not flood the log."""
        text = str(error)
        new = text not in self._complaints and len(self._complaints) < _MAX_COMPLAINTS
        if new:
            self._complaints.add(text)
        logger.log(logging.WARNING if new else logging.DEBUG, "From the media backend: %s", text)

    async def run(self) -> None:
        """Call whenever calls are switched on, until cancelled."""
        while True:
            switched_off = await self._control.wait_until_on()
            self._backoff.reset()
            self._failures = 0
            while not switched_off.is_set():
                if await _unless(switched_off, self.reachable.wait()):
                    await self._call_once(switched_off)

    async def leave(self) -> None:
        """End the call, and wait until the backend is notified."""
        if self._call is not None:
            self._call.end(CallCause.LEAVING)
        if self._running is not None:
            await asyncio.wait({self._running})
            self._finish(self._running)
        await self.outbox.flush()

    async def _call_once(self, switched_off: asyncio.Event) -> None:
        self._control.report_attempt()
        self._counters.calls += 1
        call = self._call = Call(
            self._broadcast,
            send=lambda message: self.outbox.put(self._settings.backend, message),
            on_connected=self._connected,
            vp8=self._vp8,
            sound=self._sound,
            settings=self._webrtc,
            answer_timeout_s=self._settings.answer_timeout_s,
        )
        self._log_name = new_session("call", self._settings.backend)
        with in_session(self._log_name):
            logger.debug("Calling %s", self._settings.backend)
            # A task of its own: after our cancellation it still has to close its connection.
            running = self._running = self._group.create_task(self._run(call), name="WebRTC call")
        await _unless(switched_off, asyncio.wait({running}))
        if not running.done():
            call.end(CallCause.HUNG_UP)
            await asyncio.wait({running})
        end = self._finish(running)
        if not switched_off.is_set():
            await self._after(end, switched_off)

    async def _run(self, call: Call) -> CallEnd:
        try:
            return await call.run()
        except Exception:  # a failure in one call must not end calling
            logger.exception("The call to %s failed", self._settings.backend)
            return CallEnd(CallCause.FAILED, "The call failed inside the robot.")

    def _finish(self, running: asyncio.Task[CallEnd]) -> CallEnd:
        self._call = self._running = None
        self._control.report_closed()
        end = CallEnd(CallCause.LEAVING, "The robot is leaving.") if running.cancelled() else running.result()
        self._counters.call_ends[end.cause.name.lower()] += 1
        with in_session(self._log_name):
            logger.info("The call to %s has ended: %s", self._settings.backend, end.reason)
        if end.notify_peer:
            self.outbox.put(self._settings.backend, Terminated(end.reason))
        return end

    async def _after(self, end: CallEnd, switched_off: asyncio.Event) -> None:
        """Decide what follows a call while calls are still switched on."""
        if end.cause is CallCause.TERMINATED and end.connected_s is not None:
            self._control.report_ended(CallState.CLOSED, end.reason)
            return
        if end.connected_s is not None and end.connected_s >= self._backoff.stable_after_s:
            self._backoff.reset()
            self._failures = 0
        self._failures += 1
        if self._failures == self._settings.max_attempts:
            reason = f"{end.reason} Given up after {self._failures} attempts."
            logger.warning("Calling %s: %s", self._settings.backend, reason)
            self._control.report_ended(CallState.FAILED, reason)
            return
        self._control.report_failed(end.reason)
        delay = self._backoff.next_delay()
        logger.log(
            logging.WARNING if self._failures == 1 else logging.DEBUG,
            "Calling %s: %s Next attempt in %.1f s.",
            self._settings.backend,
            end.reason,
            delay,
        )
        await _unless(switched_off, asyncio.sleep(delay))

    def _connected(self) -> None:
        logger.info("The call to %s is connected", self._settings.backend)
        self._control.report_connected()
        self._counters.calls_connected += 1


async def _unless(switched_off: asyncio.Event, coroutine: Coroutine[Any, Any, object]) -> bool:
    """Wait for a coroutine; False when calls were switched off meanwhile."""
    wait = asyncio.create_task(coroutine, name="WebRTC dialer wait")
    off = asyncio.create_task(switched_off.wait(), name="WebRTC call given up")
    try:
        await asyncio.wait({wait, off}, return_when=asyncio.FIRST_COMPLETED)
        return not off.done()
    finally:
        wait.cancel()
        off.cancel()
