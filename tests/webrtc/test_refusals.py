"""Bad offers, malformed messages and floods: refused with a reason, and other viewers are served."""

from __future__ import annotations

import asyncio
import logging
import re

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.signaling import Answer, Candidate, EndOfCandidates, Offer, Terminated
from tests.waiting import eventually
from tests.webrtc.conftest import Robot, running_robot
from tests.webrtc.peer import peer
from tests.webrtc.scene import difference, grey_of, read_number


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


@pytest.mark.slow
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
