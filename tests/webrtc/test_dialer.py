"""The robot calls a media backend, on a real broker and with real peers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import threading

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import CallState
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.answerer import answer
from robot_node.webrtc.dialer import dialer_client_id
from robot_node.webrtc.messages import AsrResponse, BackendMessage, TtsText
from robot_node.webrtc.offerer import without_media_from_peer
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
from tests.webrtc.media_backend import MediaBackend, without_candidates
from tests.webrtc.peer import peer
from tests.webrtc.scene import SERVER_ID, difference, grey_of, read_number


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
            assert seen == sorted(set(seen))  # those of one stream, of which a busy machine may lose some
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


async def test_the_answer_to_an_older_offer_is_passed_over(caller: Caller, backend: MediaBackend) -> None:
    sdp = await backend.take_offer()
    await backend.send(Answer("v=0", offer="older"))
    await backend.send(Answer(sdp, offer=first_username_fragment(backend.rtc.remoteDescription.sdp)))
    await caller.is_in(CallState.CONNECTED)


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
