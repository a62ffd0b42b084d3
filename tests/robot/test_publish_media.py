"""What a published stream has besides H.264 over host candidates: sound, ICE servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hw_mocks.platform import simulated_platform
from robot_node.core.mixer import Mixer
from robot_node.core.state import PublishState, RobotState
from robot_node.devices.audio import Microphone
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.streams import Streams
from tests.janus import running_janus
from tests.robot.publishing import publishing_robot
from tests.webrtc.ice_helpers import slow_stun_server
from tests.whip_front import WhipFront, whip_front


@pytest.fixture
async def front() -> AsyncIterator[WhipFront]:
    """A WHIP endpoint before a Janus."""
    async with running_janus() as janus, whip_front(janus) as opened:
        yield opened


async def test_sound_goes_with_it_over_the_same_transport(front: WhipFront) -> None:
    microphone = Microphone(simulated_platform(scene="clock").platform, "default", RobotState())
    mixer = Mixer(microphone=microphone)
    async with publishing_robot(front, audio=True, make_streams=lambda scene: Streams(scene, mixer)):
        publisher = await front.published()
        kinds = {(await publisher.happened("media"))["type"] for _ in range(2)}
        assert kinds == {"audio", "video"}
    await microphone.close()
    (offer,) = front.offers
    assert "a=group:BUNDLE 0 1\r\n" in offer
    assert offer.count("a=sendonly\r\n") == offer.count("a=rtcp-mux-only\r\n") == 2
    assert len({line for line in offer.splitlines() if line.startswith("a=ice-ufrag:")}) == 1
    msids = {line.split()[0] for line in offer.splitlines() if line.startswith("a=msid:")}
    assert len(msids) == 1, "one media stream"


async def test_servers_of_the_settings_are_in_the_offer_and_those_of_the_server_come_later(front: WhipFront) -> None:
    async with slow_stun_server() as (stun, url):
        front.links = [f'<{url}>; rel="ice-server"']
        async with publishing_robot(front) as robot:
            await stun.asked.wait()
            assert front.count("POST") == 1, "asked after the answer named it"
            stun.answer(("203.0.113.7", 4711))
            await robot.is_in(PublishState.LIVE)
    async with slow_stun_server() as (stun, url):
        front.links = []
        async with publishing_robot(front, webrtc=WebRtcSettings(ice_servers=(url,))) as robot:
            await stun.asked.wait()
            stun.answer(("203.0.113.7", 4711))
            await robot.is_in(PublishState.LIVE)
    assert "203.0.113.7 4711 typ srflx" not in front.offers[0]
    assert "203.0.113.7 4711 typ srflx" in front.offers[1]
