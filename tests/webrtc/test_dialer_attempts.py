"""When the robot calls its media backend again, after which delay, and when it does not."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import signal

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import CallState, RobotSnapshot
from robot_node.settings.root import DialerSettings, WebRtcSettings
from robot_node.webrtc.messages import AsrResponse, TtsText
from robot_node.webrtc.signaling import (
    Answer,
    Offer,
    Terminated,
)
from tests.waiting import eventually
from tests.webrtc.caller import Caller, calling_robot
from tests.webrtc.media_backend import MediaBackend, media_backend, without_candidates
from tests.webrtc.scene import difference, grey_of, read_number


async def answer_until_connected(caller: Caller, backend: MediaBackend) -> None:
    """Answer every offer: the first may be one that the robot has given up meanwhile."""
    connected = asyncio.create_task(caller.is_in(CallState.CONNECTED))
    while not connected.done():
        with contextlib.suppress(AssertionError, TimeoutError):
            await backend.answer(within_s=1)
    await connected


@pytest.mark.slow
async def test_a_silent_backend_is_called_again_after_growing_delays(
    broker: PrivateBroker, backend: MediaBackend
) -> None:
    async with calling_robot(broker, DialerSettings(answer_timeout_s=0.1)) as caller:
        for _ in range(5):
            await backend.receive(Offer)
            assert "did not answer" in (await backend.receive(Terminated)).reason
        assert "did not answer" in caller.state.snapshot.call_error
        assert caller.state.snapshot.call is CallState.CONNECTING
        delays = caller.backoff.delays
        assert len(delays) >= 4
        assert all(later > earlier for earlier, later in itertools.pairwise(delays))
        await answer_until_connected(caller, backend)
        assert difference(await backend.frame()) < 8


async def test_attempts_are_limited_if_the_owner_wants_that(broker: PrivateBroker, backend: MediaBackend) -> None:
    async with calling_robot(broker, DialerSettings(answer_timeout_s=0.05, max_attempts=3)) as caller:
        await caller.is_in(CallState.FAILED)
        counted = caller.counters
        assert (counted.calls, counted.calls_connected, counted.call_ends["not_answered"]) == (3, 0, 3)
        assert "after 3 attempts" in caller.state.snapshot.call_error
        assert len(caller.backoff.delays) == 2
        for _ in range(3):
            await backend.receive(Offer)
            await backend.receive(Terminated)
        assert backend.silent()
        caller.control.call()
        await backend.receive(Offer)


async def test_hanging_up_ends_the_wait_for_the_next_attempt(broker: PrivateBroker, backend: MediaBackend) -> None:
    async with calling_robot(broker, DialerSettings(answer_timeout_s=0.05), initial_s=60.0) as caller:
        await eventually(lambda: len(caller.backoff.delays) == 1)
        await caller.control.hang_up()
        assert caller.state.snapshot.call is CallState.CLOSED
        caller.control.call()
        await backend.receive(Offer)
        await backend.receive(Terminated)
        await backend.receive(Offer)


async def test_hanging_up_and_calling_at_once_begins_anew(broker: PrivateBroker, backend: MediaBackend) -> None:
    async with calling_robot(broker, DialerSettings(answer_timeout_s=0.05), initial_s=60.0) as caller:

        async def call_anew() -> None:
            await caller.control.hang_up()
            caller.control.call()

        calls_anew: list[asyncio.Task[None]] = []

        def when_it_fails_first(snapshot: RobotSnapshot) -> None:
            # Before the dialer has begun to wait for its next attempt, which is a minute away.
            if snapshot.call_error and not calls_anew:
                calls_anew.append(asyncio.create_task(call_anew()))

        caller.state.listen(when_it_fails_first)
        for _ in range(2):
            await backend.receive(Offer)
            await backend.receive(Terminated)


async def test_a_refused_call_is_made_again(caller: Caller, backend: MediaBackend) -> None:
    await backend.receive(Offer)
    await backend.send(Terminated("busy"))
    await backend.answer()
    await caller.is_in(CallState.CONNECTED)
    assert len(caller.backoff.delays) == 1
    assert caller.state.snapshot.call_error == ""


async def test_a_backend_that_refuses_every_call_at_once_gets_them_after_growing_delays(
    caller: Caller, backend: MediaBackend, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(6):
        await backend.receive(Offer)
        await backend.send(Terminated("go away"))
        await backend.say(TtsText("t", "never mind"))
    await eventually(lambda: len(caller.backoff.delays) == 6)
    assert all(later > 1.3 * earlier for earlier, later in itertools.pairwise(caller.backoff.delays))
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert caller.counters.calls == 6


@pytest.mark.parametrize("goodbye", [True, False], ids=["closed", "vanished"])
async def test_a_backend_that_is_gone_is_called_again(caller: Caller, backend: MediaBackend, *, goodbye: bool) -> None:
    await backend.answer()
    await caller.is_in(CallState.CONNECTED)
    await backend.frame()
    if goodbye:
        await backend.rtc.close()
    else:
        transport = backend.rtc.getTransceivers()[0].receiver.transport.transport
        await transport._connection.close()  # its packets stop, and nobody says goodbye
    await caller.is_in(CallState.CONNECTING)
    if not goodbye:
        assert "vanished" in (await backend.receive(Terminated)).reason
    await backend.answer()
    await caller.is_in(CallState.CONNECTED)
    assert difference(await backend.frame()) < 8
    assert len(caller.backoff.delays) == 1


async def test_a_call_that_does_not_connect_is_made_again(broker: PrivateBroker, backend: MediaBackend) -> None:
    async with calling_robot(broker, webrtc=WebRtcSettings(connect_timeout_s=0.5)):
        sdp, _ = without_candidates(await backend.take_offer())
        await backend.rtc.close()
        await backend.send_answer(sdp)
        assert "No connection came about" in (await backend.receive(Terminated)).reason
        await backend.receive(Offer)


@pytest.mark.parametrize("sdp", ["v=0", "a=fingerprint:nonsense", "m=video\r\na=fingerprint:"])
async def test_an_answer_that_cannot_be_used_is_refused_with_a_reason_and_the_call_made_again(
    caller: Caller, backend: MediaBackend, sdp: str
) -> None:
    await backend.receive(Offer)
    await backend.send(Answer(sdp))
    assert "answer" in (await backend.receive(Terminated)).reason
    await backend.answer()
    await caller.is_in(CallState.CONNECTED)


@pytest.mark.parametrize(
    ("answer_message", "reason"),
    [
        ({"type": "sdp_answer"}, "answer is missing"),
        ({"type": "sdp_answer", "data": {"type": "offer", "sdp": "v=0"}}, "something else"),
        ({"type": "sdp_answer", "data": {"type": "answer", "sdp": "a=x\r\n" * 2000}}, "lines"),
    ],
    ids=["missing", "an offer", "too large"],
)
async def test_an_answer_that_cannot_be_read_ends_the_call_at_once(
    broker: PrivateBroker, backend: MediaBackend, answer_message: dict[str, object], reason: str
) -> None:
    async with calling_robot(broker, DialerSettings(answer_timeout_s=60)) as caller:
        await backend.receive(Offer)
        await backend.send_bytes(json.dumps(answer_message).encode())
        assert reason in (await backend.receive(Terminated)).reason
        await backend.answer()  # the next attempt
        await caller.is_in(CallState.CONNECTED)
        assert caller.counters.call_ends["unusable"] == 1
        await backend.frame()
        await backend.send_bytes(json.dumps(answer_message).encode())  # one too many
        await backend.say(AsrResponse("marker"))
        await eventually(lambda: bool(caller.messages))
        assert caller.state.snapshot.call is CallState.CONNECTED


@pytest.mark.own_broker
async def test_a_call_outlives_the_broker_and_the_next_one_comes_when_it_is_back(
    caller: Caller, backend: MediaBackend, broker: PrivateBroker
) -> None:
    await backend.answer()
    first = read_number(grey_of(await backend.frame()))
    broker.signal(signal.SIGKILL)
    await broker.stop()
    await eventually(lambda: not caller.links[-1].connected)
    for _ in range(30):
        frame = await backend.frame()
    assert read_number(grey_of(frame)) >= first + 30
    assert caller.state.snapshot.call is CallState.CONNECTED
    await backend.rtc.close()
    await caller.is_in(CallState.CONNECTING)
    await broker.start()
    async with media_backend(caller.broker, "multimedia_proxy") as again:
        await answer_until_connected(caller, again)
        assert difference(await again.frame()) < 8
