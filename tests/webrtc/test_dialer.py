"""The robot calls a media backend, on a real broker and with real peers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import re
import signal
import threading
from collections.abc import AsyncIterator

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import CallState, RobotSnapshot
from robot_node.mqtt import Broker
from robot_node.settings.root import DialerSettings, WebRtcSettings
from robot_node.webrtc.answerer import answer
from robot_node.webrtc.call import without_media_from_peer
from robot_node.webrtc.dialer import dialer_client_id
from robot_node.webrtc.messages import AsrResponse, BackendMessage, TtsText
from robot_node.webrtc.signaling import (
    Answer,
    Candidate,
    EndOfCandidates,
    Offer,
    Terminated,
    encode,
    first_username_fragment,
)
from tests.mcp_mqtt.proxy import Proxy
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.caller import Caller, calling_robot
from tests.webrtc.conftest import SERVER_ID
from tests.webrtc.media_backend import MediaBackend, media_backend, without_candidates
from tests.webrtc.peer import peer
from tests.webrtc.scene import difference, grey_of, read_number


@pytest.fixture
async def backend(broker: PrivateBroker) -> AsyncIterator[MediaBackend]:
    """A backend that listens before anybody calls."""
    async with media_backend(Broker.from_url(broker.url)) as running:
        yield running


@pytest.fixture
async def caller(broker: PrivateBroker, backend: MediaBackend) -> AsyncIterator[Caller]:
    """A robot that calls the backend."""
    del backend  # first, so that no offer goes unheard
    async with calling_robot(broker) as robot:
        yield robot


async def answer_until_connected(caller: Caller, backend: MediaBackend) -> None:
    """Answer every offer: the first may be one that the robot has given up meanwhile."""
    connected = asyncio.create_task(caller.is_in(CallState.CONNECTED))
    while not connected.done():
        with contextlib.suppress(AssertionError, TimeoutError):
            await backend.answer(within_s=1)
    await connected


@pytest.mark.parametrize("bare", [True, False], ids=["bare text", "object"])
async def test_the_backend_sees_what_the_camera_sees(caller: Caller, backend: MediaBackend, *, bare: bool) -> None:
    await backend.answer(bare=bare)
    assert backend.caller == dialer_client_id(SERVER_ID)
    await caller.is_in(CallState.CONNECTED)
    frames = [await backend.frame() for _ in range(30)]
    numbers = [read_number(grey_of(frame)) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + 30))
    assert max(difference(frame) for frame in frames) < 8


async def test_the_camera_is_offered_sendrecv_as_h264_with_retransmission(
    caller: Caller, backend: MediaBackend
) -> None:
    offer = (await backend.receive(Offer)).sdp
    assert re.findall(r"^m=(\w+)", offer, re.MULTILINE) == ["video"]
    assert "a=sendrecv" in offer
    assert re.findall(r"a=rtpmap:\d+ (\w+)/90000", offer)[:2] == ["H264", "rtx"]
    assert caller.state.snapshot.call is CallState.CONNECTING


async def test_candidates_may_come_after_the_answer(caller: Caller, backend: MediaBackend) -> None:
    # nothing but the candidates of the backend brings them together
    sdp, candidates = without_candidates(await backend.take_offer(with_addresses=False))
    await backend.send_answer(sdp)
    for candidate in candidates:
        await backend.send(candidate)
    await backend.send(EndOfCandidates())
    assert difference(await backend.frame()) < 8
    assert not caller.backoff.delays


async def test_candidates_may_come_before_the_answer(caller: Caller, backend: MediaBackend) -> None:
    # nothing but the candidates of the backend brings them together
    sdp, candidates = without_candidates(await backend.take_offer(with_addresses=False))
    for candidate in candidates:
        await backend.send(candidate)
    await backend.send(EndOfCandidates())
    await backend.send_answer(sdp)
    assert difference(await backend.frame()) < 8
    assert not caller.backoff.delays


async def test_one_encoder_for_a_viewer_and_the_backend(caller: Caller, backend: MediaBackend) -> None:
    ready = asyncio.Event()
    answering = asyncio.create_task(
        answer(caller.broker, SERVER_ID, caller.streams, WebRtcSettings(), caller.state, on_ready=ready.set)
    )
    try:
        await backend.answer()
        await backend.frame()
        async with asyncio.timeout(DEADLINE_S):
            await ready.wait()
        async with peer(caller.broker, "viewer") as viewer:
            await viewer.offer()
            seen = [read_number(grey_of(await viewer.frame())) for _ in range(20)]
            assert seen == list(range(seen[0], seen[0] + 20))
            assert difference(await backend.frame()) < 8
            assert caller.scene.starts == 1
            assert caller.state.snapshot.viewers == 1
            await caller.control.hang_up()
            assert difference(await viewer.frame()) < 8
    finally:
        answering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answering


async def test_a_keyframe_request_of_the_backend_reaches_the_encoder(caller: Caller, backend: MediaBackend) -> None:
    await backend.answer()
    await backend.frame()
    await eventually(lambda: caller.scene.keyframe_requests == 1)
    receiver = backend.rtc.getTransceivers()[0].receiver
    await receiver._send_rtcp_pli(receiver.getSynchronizationSources()[0].source)
    await eventually(lambda: caller.scene.keyframe_requests == 2)


async def test_the_call_ends_when_the_backend_terminates_it(caller: Caller, backend: MediaBackend) -> None:
    await backend.answer()
    await caller.is_in(CallState.CONNECTED)
    await backend.frame()
    await backend.send(Terminated("enough seen"))
    await caller.is_in(CallState.CLOSED)
    assert "'enough seen'" in caller.state.snapshot.call_error
    counted = caller.counters
    assert (counted.calls, counted.calls_connected, counted.call_ends["terminated"]) == (1, 1, 1)
    await eventually(lambda: not caller.scene.encoding)
    assert not caller.control.enabled
    assert not caller.backoff.delays
    caller.control.call()  # somebody wants it again
    await backend.answer()
    assert difference(await backend.frame()) < 8


async def test_hanging_up_tells_the_backend_and_calling_again_works(caller: Caller, backend: MediaBackend) -> None:
    await backend.answer()
    await caller.is_in(CallState.CONNECTED)
    await backend.frame()
    await caller.control.hang_up()
    assert caller.state.snapshot.call is CallState.CLOSED
    assert not caller.scene.encoding
    assert "hung up" in (await backend.receive(Terminated)).reason
    assert backend.silent()
    caller.control.call()
    await backend.answer()
    assert difference(await backend.frame()) < 8


async def test_hanging_up_while_the_backend_has_not_answered(caller: Caller, backend: MediaBackend) -> None:
    await backend.receive(Offer)
    await caller.control.hang_up()
    assert caller.state.snapshot.call is CallState.CLOSED
    await backend.receive(Terminated)
    assert not caller.backoff.delays


async def test_a_robot_that_leaves_tells_the_backend(caller: Caller, backend: MediaBackend) -> None:
    await backend.answer()
    await caller.is_in(CallState.CONNECTED)
    caller.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await caller.task
    assert "leaving" in (await backend.receive(Terminated)).reason


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


async def test_the_answer_to_an_older_offer_is_passed_over(caller: Caller, backend: MediaBackend) -> None:
    sdp = await backend.take_offer()
    await backend.send(Answer("v=0", offer="older"))
    await backend.send(Answer(sdp, offer=first_username_fragment(backend.rtc.remoteDescription.sdp)))
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


async def test_malformed_messages_change_nothing_and_are_logged_once(
    caller: Caller, backend: MediaBackend, caplog: pytest.LogCaptureFixture
) -> None:
    sdp = await backend.take_offer()
    for _ in range(3):
        for payload in (b"{", b"123", b'{"type":"dance"}', b'{"type":"sdp_offer"}'):
            await backend.send_bytes(payload)
        await backend.say_bytes(b'{"type":"dance"}')
        await backend.send(Offer(sdp))
    await backend.send_answer(sdp)
    await backend.send_answer(sdp)  # an answer too many
    for _ in range(100):
        await backend.send(Candidate("candidate:1 1 udp 1 198.51.100.1 9 typ host", sdp_mid="0"))
    assert difference(await backend.frame()) < 8
    assert not caller.backoff.delays
    for number in range(100):  # a flood of different ones is not logged without end
        await backend.send_bytes(f'{{"type":"{number}"}}'.encode())

    async def is_heard_again() -> bool:  # what comes right after a flood may be dropped with it
        await backend.say(AsrResponse("marker"))
        return bool(caller.messages)

    await eventually(is_heard_again)
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == len(set(warnings)) <= 64
    assert any("unknown type 'dance'" in text for text in warnings)


async def test_a_flood_of_the_backend_is_dropped_and_what_comes_later_is_not(
    caller: Caller, backend: MediaBackend, caplog: pytest.LogCaptureFixture
) -> None:
    await backend.receive(Offer)
    sent = 0
    async with asyncio.timeout(DEADLINE_S):
        while "More than 50 messages per second" not in caplog.text:
            await asyncio.gather(*(backend.say(TtsText("t", "blah")) for _ in range(50)))
            sent += 50
    assert 200 <= len(caller.messages) < sent

    async def is_heard() -> bool:
        await backend.say(AsrResponse("hello"))
        return AsrResponse("hello") in caller.messages

    await eventually(is_heard, "a later message is handed on")
    assert caplog.text.count("messages per second") == 1


async def test_the_backend_s_words_are_handed_on(caller: Caller, backend: MediaBackend) -> None:
    await backend.receive(Offer)
    words: list[BackendMessage] = [AsrResponse("hello robot"), TtsText("t1", "hello human")]
    for word in words:
        await backend.say(word)
    await eventually(lambda: caller.messages == words)


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


async def test_what_was_said_before_the_robot_listened_is_not_for_this_call(
    broker: PrivateBroker, backend: MediaBackend
) -> None:
    async with Proxy(broker) as proxy, calling_robot(broker, address=proxy.address) as caller:
        await backend.answer()
        await caller.is_in(CallState.CONNECTED)
        await backend.frame()
        proxy.refuses = True
        proxy.cut()
        await eventually(lambda: not caller.links[-1].connected)
        await backend.send_bytes(encode(Terminated("an older call")), retain=True)
        proxy.refuses = False
        listens = f"Sending SUBACK to {dialer_client_id(SERVER_ID)}"
        await eventually(lambda: broker.log.count(listens) == 2, "the robot listens again")
        await backend.say(AsrResponse("marker"))
        await eventually(lambda: bool(caller.messages))
        later = caller.scene.encoded + 10
        async with asyncio.timeout(DEADLINE_S):
            while read_number(grey_of(await backend.frame())) < later:
                assert caller.state.snapshot.call is CallState.CONNECTED
        assert not caller.backoff.delays  # it was one call


async def test_who_does_not_want_a_call_publishes_nothing(broker: PrivateBroker, backend: MediaBackend) -> None:
    async with calling_robot(broker, wanted=False) as caller:
        await eventually(lambda: bool(caller.links) and caller.links[-1].connected)
        assert caller.state.snapshot.call is CallState.DISCONNECTED
        caller.control.call()
        await backend.answer()  # the first message there is, is the offer
        assert difference(await backend.frame()) < 8


async def test_what_the_backend_would_send_and_nobody_wants_is_not_received(
    caller: Caller, backend: MediaBackend
) -> None:
    answer_sdp = await backend.take_offer()
    await backend.send_answer(answer_sdp.replace("a=recvonly", "a=sendrecv"))
    assert difference(await backend.frame()) < 8
    assert caller.state.snapshot.call is CallState.CONNECTED
    threads = [thread.name for thread in threading.enumerate()]
    assert threads.count("video-decoder") == 1  # the backend's own


def test_only_the_named_kinds_lose_what_the_peer_sends() -> None:
    head = "v=0\r\n"
    audio, video = "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\n", "m=video 9 UDP/TLS/RTP/SAVPF 97\r\n"
    text = without_media_from_peer(f"{head}{audio}a=sendrecv\r\na=mid:0\r\n{video}a=sendrecv\r\n", {"video"})
    assert text == f"{head}{audio}a=mid:0\r\na=sendrecv\r\n{video}a=recvonly\r\n"
    # RFC 8866, 6.7: a direction before the sections is the default of all, and sendrecv the default of that.
    text = without_media_from_peer(f"{head}a=sendonly\r\n{audio}{video}", {"video"})
    assert text == f"{head}{audio}a=sendonly\r\n{video}a=inactive\r\n"
    assert without_media_from_peer(f"{head}{video}", {"video"}) == f"{head}{video}a=recvonly\r\n"
