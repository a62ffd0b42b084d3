"""What a robot does with offers, candidates and farewells, good and bad, on a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest
from aioice.ice import get_host_addresses
from aiortc import RTCPeerConnection

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.signaling import Answer, EndOfCandidates, Offer, Terminated, strip_candidates
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.conftest import Robot, running_robot
from tests.webrtc.peer import peer, with_candidates
from tests.webrtc.scene import SERVER_ID, difference, grey_of, read_number


@pytest.mark.peer("aiortc", works="H.264; several viewers of one encoder")
async def test_several_viewers_at_once_get_every_frame_of_one_encoder(robot: Robot) -> None:
    async with peer(robot.broker, "a") as a, peer(robot.broker, "b") as b, peer(robot.broker, "c") as c:
        viewers = (a, b, c)
        for viewer in viewers:
            await viewer.offer()
        await robot.has_viewers(3)
        before = robot.scene.encoded
        numbers = [[read_number(grey_of(await viewer.frame())) for _ in range(30)] for viewer in viewers]
        for seen in numbers:
            assert seen == list(range(seen[0], seen[0] + 30))
        assert robot.scene.starts == 1
        # One encoder: what was encoded meanwhile is about what ONE viewer saw, not three times as much.
        assert robot.scene.encoded - before < 80


async def test_candidates_that_come_after_the_offer_are_used(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        sdp, candidates = await viewer.make_offer()
        await viewer.send(Offer(sdp))
        for candidate in candidates:
            await viewer.send(candidate)
        await viewer.send(EndOfCandidates())
        await viewer.take_answer(with_addresses=False)  # so that nothing but the candidates brings them together
        assert difference(await viewer.frame()) < 8


async def test_candidates_that_come_before_the_offer_are_used(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        sdp, candidates = await viewer.make_offer()
        for candidate in candidates:
            await viewer.send(candidate)
        await viewer.send(EndOfCandidates())
        await viewer.send(Offer(sdp))
        await viewer.take_answer(with_addresses=False)
        assert difference(await viewer.frame()) < 8


async def test_loopback_is_offered_when_it_is_set_and_never_instead_of_the_other_addresses(
    broker: PrivateBroker,
) -> None:
    others = set(get_host_addresses(use_ipv4=True, use_ipv6=True))
    assert "127.0.0.1" not in others
    for loopback in (False, True):
        async with running_robot(broker, WebRtcSettings(loopback=loopback)) as robot, peer(robot.broker) as viewer:
            await viewer.send(Offer((await viewer.make_offer())[0]))
            _, candidates = strip_candidates((await viewer.receive(Answer)).sdp)
            assert {each.host for each in candidates} == others | ({"127.0.0.1"} if loopback else set())


async def test_a_retained_offer_is_nobodys_wish_of_today(broker: PrivateBroker) -> None:
    address = Broker.from_url(broker.url)
    async with peer(address) as viewer:
        sdp, candidates = await viewer.make_offer()
        await viewer.send(Offer(with_candidates(sdp, candidates)), retain=True)
        async with running_robot(broker) as robot:
            await viewer.send_bytes(b"{")
            await viewer.receive(Terminated)  # the robot has read what came before
            assert robot.statistics.snapshot().totals.offers == 0
            await viewer.send(Offer(with_candidates(sdp, candidates)))
            await viewer.take_answer()
        await viewer.send_bytes(b"", retain=True)


async def test_candidates_of_the_next_offer_outlive_a_session_that_the_viewer_closes(robot: Robot) -> None:
    """As a page does that toggles between talking and listening: it closes, and offers anew at once."""
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await robot.has_viewers(1)
        for _ in range(3):
            before = viewer.rtc
            viewer.new_connection()
            sdp, candidates = await viewer.make_offer()
            await before.close()
            await viewer.send(Offer(sdp))
            for candidate in candidates:
                await viewer.send(candidate)
            await viewer.take_answer(with_addresses=False)  # so that nothing but the candidates brings them together
            await viewer.frame()


async def test_candidates_for_a_new_offer_may_come_before_it(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await robot.has_viewers(1)
        viewer.new_connection()
        sdp, candidates = await viewer.make_offer()
        for candidate in candidates:
            await viewer.send(candidate)
        await viewer.send(Offer(sdp))
        await viewer.take_answer(with_addresses=False)
        assert difference(await viewer.frame()) < 8


async def test_each_answer_names_its_offer(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        for _ in range(2):
            sdp, _ = await viewer.make_offer()
            await viewer.send(Offer(sdp))
            answer = await viewer.receive(Answer)
            assert answer.offer
            assert f"a=ice-ufrag:{answer.offer}\r\n" in sdp
            viewer.new_connection()


async def test_h264_with_retransmission_is_agreed_upon_whatever_else_is_offered(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        sdp, _ = await viewer.make_offer(codec=None)
        assert sdp.index("VP8/90000") < sdp.index("H264/90000")
        await viewer.send(Offer(sdp))
        answer = await viewer.take_answer()
        assert re.findall(r"a=rtpmap:\d+ (\w+)/90000", answer)[:2] == ["H264", "rtx"]
        assert "VP8" not in answer
        assert difference(await viewer.frame()) < 8


async def test_the_camera_off_keeps_the_session_and_on_resumes_the_picture(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await viewer.frame()
        robot.scene.switch(on=False)
        last = 0
        with contextlib.suppress(TimeoutError):
            while True:
                last = read_number(grey_of(await viewer.frame(within_s=1)))
        assert robot.viewers == 1
        robot.scene.switch(on=True)
        frame = await viewer.frame()
        assert difference(frame) < 8
        assert read_number(grey_of(frame)) > last
        assert viewer.silent()


async def test_a_viewer_may_come_while_the_camera_is_off(broker: PrivateBroker) -> None:
    async with running_robot(broker, camera_on=False) as robot, peer(robot.broker) as viewer:
        await viewer.offer()
        await robot.has_viewers(1)
        robot.scene.switch(on=True)
        assert difference(await viewer.frame()) < 8


async def test_a_session_ends_when_the_viewer_says_so(robot: Robot, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="robot_node.webrtc")
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await robot.has_viewers(1)
        await viewer.send(Terminated("seen enough"))
        await robot.has_viewers(0)
        await eventually(lambda: not robot.scene.encoding)
        await eventually(lambda: "'seen enough'" in caplog.text)
        await viewer.send_bytes(b"{")
        # Who ended the session is not told that it has ended: this is about the next message.
        assert "not JSON" in (await viewer.receive(Terminated)).reason


async def test_a_session_ends_when_the_peer_connection_is_closed(
    robot: Robot, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="robot_node.webrtc")
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await robot.has_viewers(1)
        await viewer.rtc.close()
        await robot.has_viewers(0)
        await eventually(lambda: "has ended: Closed by the viewer." in caplog.text)


async def test_a_new_offer_replaces_the_session_of_its_client(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await viewer.frame()
        viewer.new_connection()
        await viewer.offer()
        assert difference(await viewer.frame()) < 8
        assert robot.viewers == 1
        assert viewer.silent()  # no webrtc_terminated, which the new session would take for its own


async def test_two_viewers_with_one_client_id_end_with_the_newer_one(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        for _ in range(5):
            viewer.new_connection()
            sdp, candidates = await viewer.make_offer()
            await viewer.send(Offer(sdp))
        await viewer.take_last_answer()
        for candidate in candidates:
            await viewer.send(candidate)
        assert difference(await viewer.frame()) < 8
        assert robot.viewers == 1


async def test_what_the_viewer_would_send_is_not_received(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        viewer.rtc.addTransceiver("audio", direction="sendrecv")
        viewer.rtc.createDataChannel("status")
        sdp, candidates = await viewer.make_offer()
        for candidate in candidates:
            await viewer.send(candidate)
        await viewer.send(Offer(sdp))
        answer = await viewer.take_answer()
        audio = answer[answer.index("m=audio") : answer.index("m=video")]
        assert "a=inactive" in audio
        assert "a=sendonly" in answer[answer.index("m=video") :]
        assert difference(await viewer.frame()) < 8


async def test_a_viewer_that_reports_loss_gets_one_keyframe(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await viewer.frame()
        receiver = viewer.rtc.getTransceivers()[0].receiver
        source = receiver.getSynchronizationSources()[0].source
        assert robot.scene.keyframe_requests == 1
        await receiver._send_rtcp_pli(source)
        await receiver._send_rtcp_pli(source)
        await eventually(lambda: robot.scene.keyframe_requests == 2)
        async with asyncio.timeout(DEADLINE_S):
            while not (await viewer.frame()).key_frame:
                pass
        assert robot.scene.keyframe_requests == 2


async def test_the_robot_says_good_bye_when_it_leaves(broker: PrivateBroker) -> None:
    async with running_robot(broker) as robot, peer(robot.broker) as viewer:
        await viewer.offer()
        await robot.has_viewers(1)
        robot.task.cancel()
        assert "robot is leaving" in (await viewer.receive(Terminated)).reason
        await eventually(robot.task.done)
        assert robot.viewers == 0
        assert not robot.scene.encoding


async def test_a_proxy_answers_to_the_proxy_name_and_others_do_not(broker: PrivateBroker) -> None:
    async with (
        running_robot(broker, WebRtcSettings(proxy=True)) as robot,
        peer(robot.broker, answerer="multimedia_proxy") as viewer,
    ):
        await viewer.offer()
        assert difference(await viewer.frame()) < 8
    async with running_robot(broker) as robot, peer(robot.broker, answerer="multimedia_proxy") as viewer:
        sdp, _ = await viewer.make_offer()
        await viewer.send(Offer(sdp))
        async with peer(robot.broker, "other", answerer=SERVER_ID) as other:
            await other.offer()
        assert viewer.silent()


async def test_a_session_that_crashes_ends_alone_and_its_viewer_is_told(
    robot: Robot, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a mistake")

    async with peer(robot.broker, "steady") as steady, peer(robot.broker, "unlucky") as unlucky:
        await steady.offer()
        await robot.has_viewers(1)
        sdp, _ = await unlucky.make_offer()
        with monkeypatch.context() as broken:
            broken.setattr(RTCPeerConnection, "addTransceiver", crash)
            await unlucky.send(Offer(sdp))
            told = await unlucky.receive(Terminated, within_s=DEADLINE_S)
        assert told == Terminated("The session failed inside the robot.")
        assert "The session of viewer 'unlucky' failed" in caplog.text
        assert difference(await steady.frame()) < 8
        async with peer(robot.broker, "unlucky") as again:
            await again.offer()
            await robot.has_viewers(2, within_s=DEADLINE_S)


async def test_a_viewer_whose_session_cannot_even_be_made_ends_nobody_elses(
    robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with peer(robot.broker, "watches") as watches, peer(robot.broker, "unlucky") as unlucky:
        await watches.offer()
        await robot.has_viewers(1)
        sdp, _ = await unlucky.make_offer()
        with monkeypatch.context() as patch:
            patch.setattr("aiortc.rtcpeerconnection.RTCCertificate.generateCertificate", _no_certificate)
            await unlucky.send(Offer(sdp))
            ended = await unlucky.receive(Terminated)
        assert ended.reason == "The session failed inside the robot."
        assert robot.statistics.snapshot().totals.ended == {"failed": 1}
        assert difference(await watches.frame()) < 8
        await unlucky.send(Offer(sdp))  # a place is free again, and what failed once may work now
        await unlucky.receive(Answer)


def _no_certificate() -> None:
    raise OSError("no entropy")
