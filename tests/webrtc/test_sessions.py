"""What a robot does with offers, candidates and farewells, good and bad, on a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re

import pytest
from aioice.ice import get_host_addresses
from aiortc import RTCPeerConnection

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.signaling import Answer, Candidate, EndOfCandidates, Offer, Terminated, strip_candidates
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.conftest import SERVER_ID, Robot, running_robot
from tests.webrtc.peer import peer, with_candidates
from tests.webrtc.scene import difference, grey_of, read_number


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


@pytest.mark.parametrize(
    ("sdp", "reason"),
    [
        ("this is no description", "fingerprint"),
        ("v=0\r\nm=video x y z\r\na=fingerprint:sha-256 00\r\n", "cannot be read"),
        ("v=0\r\na=fingerprint:\r\n", "cannot be read|no video"),
    ],
)
async def test_a_broken_description_is_refused_with_a_reason(robot: Robot, sdp: str, reason: str) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.send(Offer(sdp))
        assert re.search(reason, (await viewer.receive(Terminated)).reason)
        viewer.new_connection()
        await viewer.offer()
        assert difference(await viewer.frame()) < 8


async def test_an_offer_with_packetization_mode_0_only_is_refused_with_a_reason(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        sdp, _ = await viewer.make_offer()
        await viewer.send(Offer(sdp.replace("packetization-mode=1", "packetization-mode=0")))
        reason = (await viewer.receive(Terminated)).reason
        assert "H.264 Constrained Baseline (42e01f) with packetization-mode 0" in reason
        assert "Offer H.264 Constrained Baseline or Baseline with packetization-mode 1." in reason


async def test_an_offer_with_high_profile_only_is_refused_and_the_reason_names_the_profile(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        sdp, _ = await viewer.make_offer()
        high = re.sub("profile-level-id=42.01f", "profile-level-id=640c1f", sdp)
        await viewer.send(Offer(high))
        assert (await viewer.receive(Terminated)).reason == (
            "The robot sends none of the video codecs in the offer: H.264 Constrained High (640c1f) with "
            "packetization-mode 1. Offer H.264 Constrained Baseline or Baseline with packetization-mode 1."
        )


async def test_an_offer_that_does_not_want_video_is_refused_with_a_reason(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        viewer.rtc.createDataChannel("chat")
        await viewer.rtc.setLocalDescription()
        await viewer.send(Offer(viewer.rtc.localDescription.sdp))
        assert "no video section" in (await viewer.receive(Terminated)).reason
        viewer.new_connection()
        sdp, _ = await viewer.make_offer()
        await viewer.send(Offer(sdp.replace("a=recvonly", "a=sendonly")))
        assert "does not ask to receive video" in (await viewer.receive(Terminated)).reason


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


async def test_a_candidate_for_nobody_is_logged_once_and_forgotten(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    candidate = Candidate("candidate:1 1 udp 1 192.0.2.9 9 typ host", "0")
    async with running_robot(broker, WebRtcSettings(connect_timeout_s=3)) as robot, peer(robot.broker) as nobody:
        for _ in range(3):
            await nobody.send(candidate)
            await nobody.send(EndOfCandidates())
        await eventually(lambda: "no offer that they could belong to" in caplog.text)
        await nobody.send(candidate)
        await nobody.offer()
        await robot.has_viewers(1)
    assert caplog.text.count("no offer that they could belong to") == 1


@pytest.mark.parametrize(
    "payload", [b"{", b"\xff", b"123", b"null", b'{"type":"surprise"}', b'{"type":"sdp_offer","data":7}']
)
async def test_a_malformed_message_without_a_session_is_answered_and_logged_once(
    robot: Robot, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with peer(robot.broker) as stranger:
        for _ in range(3):
            await stranger.send_bytes(payload)
            assert (await stranger.receive(Terminated)).reason
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1


async def test_a_malformed_message_changes_nothing_in_a_session(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await viewer.frame()
        for payload in (b"{", b"123", b'{"type":"surprise"}', b'{"type":"ice_candidate","data":{"candidate":"x"}}'):
            await viewer.send_bytes(payload)
        last = read_number(grey_of(await viewer.frame()))
        for _ in range(10):
            frame = await viewer.frame()
        assert read_number(grey_of(frame)) > last
        assert robot.viewers == 1
        assert viewer.silent()


async def test_a_message_that_is_too_large_never_arrives(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.send_bytes(b"x" * 5_000_000)
        await viewer.offer()
        assert difference(await viewer.frame()) < 8


async def test_one_viewer_too_many_is_told_so_and_can_come_later(broker: PrivateBroker) -> None:
    async with (
        running_robot(broker, WebRtcSettings(max_viewers=1)) as robot,
        peer(robot.broker, "first") as first,
        peer(robot.broker, "second") as second,
    ):
        await first.offer()
        await robot.has_viewers(1)
        sdp, candidates = await second.make_offer()
        await second.send(Offer(sdp))
        assert "already has 1 viewers" in (await second.receive(Terminated)).reason
        await first.send(Terminated())
        await robot.has_viewers(0)
        await second.send(Offer(sdp))
        await second.take_answer()
        for candidate in candidates:
            await second.send(candidate)
        assert difference(await second.frame()) < 8


async def test_a_session_that_never_connects_is_closed_with_a_reason(broker: PrivateBroker) -> None:
    async with running_robot(broker, WebRtcSettings(connect_timeout_s=0.5)) as robot, peer(robot.broker) as viewer:
        sdp, _ = await viewer.make_offer()
        await viewer.send(Offer(sdp))
        await viewer.receive(Answer)
        assert "No connection came about within 0.5 s" in (await viewer.receive(Terminated)).reason


async def test_a_flood_of_offers_is_bounded(robot: Robot, caplog: pytest.LogCaptureFixture) -> None:
    async with peer(robot.broker, "flood") as flood, peer(robot.broker) as viewer:
        sdp, _ = await flood.make_offer()
        await asyncio.gather(*(flood.send(Offer(sdp)) for _ in range(200)))
        tasks = {task.get_name() for task in asyncio.all_tasks()}
        assert len([name for name in tasks if name == "WebRTC viewer flood"]) <= 1
        await viewer.offer()
        assert difference(await viewer.frame()) < 8
        await flood.send(Terminated())
        await eventually(lambda: "WebRTC viewer flood" not in {task.get_name() for task in asyncio.all_tasks()})
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) <= 1


async def test_a_flood_of_strangers_is_bounded(broker: PrivateBroker) -> None:
    settings = WebRtcSettings(max_viewers=3, connect_timeout_s=1)
    async with running_robot(broker, settings) as robot, peer(robot.broker, "template") as template:
        sdp, candidates = await template.make_offer()
        for number in range(50):
            await template.send_as(f"stranger-{number}", Offer(sdp))
        for number in range(200):
            await template.send_as(f"candidate-{number}", candidates[0])
        serving = [task for task in asyncio.all_tasks() if task.get_name().startswith("WebRTC viewer")]
        assert len(serving) <= 3
        await eventually(lambda: not any(task.get_name().startswith("WebRTC viewer") for task in asyncio.all_tasks()))
        await template.send(Offer(sdp))
        for candidate in candidates:
            await template.send(candidate)
        await template.take_answer()
        assert difference(await template.frame()) < 8


async def test_a_viewer_that_reports_loss_gets_one_keyframe(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await viewer.frame()
        receiver = viewer.rtc.getTransceivers()[0].receiver
        source = receiver.getSynchronizationSources()[0].source
        assert robot.scene.keyframe_requests == 1
        await receiver._send_rtcp_pli(source)
        await receiver._send_rtcp_pli(source)
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


async def test_a_client_that_offers_again_and_again_is_told_when_to_try_again_and_others_are_served(
    robot: Robot,
) -> None:
    async with peer(robot.broker, "eager") as eager, peer(robot.broker, "patient") as patient:
        for _ in range(200):
            await eager.send(Offer("v=0"))  # readable, and refused by its session
            ended = await eager.receive(Terminated)
            if ended.reason.startswith("Too many offers"):
                break
        assert re.fullmatch(r"Too many offers\. Try again in [1-3] s\.", ended.reason)
        totals = robot.statistics.snapshot().totals
        assert totals.ended["too_many_offers"] == 1
        assert totals.ended["refused"] >= 10  # as many may come at once
        await patient.offer()
        await robot.has_viewers(1)


async def test_offers_in_ever_new_names_are_limited_in_all(robot: Robot) -> None:
    async with peer(robot.broker, "many") as many:
        for number in range(300):
            await many.send_as(f"name-{number}", Offer("v=0"))
        await eventually(lambda: robot.statistics.snapshot().totals.offers == 300)
        assert robot.statistics.snapshot().totals.ended["too_many_offers"] >= 100
