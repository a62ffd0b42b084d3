"""What a published stream has besides pictures over host candidates: sound, bitrate, ICE servers, and privacy."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hw_mocks.platform import simulated_platform
from robot_node.core.mixer import Mixer
from robot_node.core.state import PublishState, RobotState
from robot_node.devices.microphone import Microphone
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.bitrate import BitrateLimits
from robot_node.webrtc.streams import Streams
from tests.devices.pins.rig import PRIVACY, SWITCH
from tests.devices.pins.rig import robot as robot_on_pins
from tests.janus import running_janus
from tests.robot.publishing import control_of, publishing, publishing_robot
from tests.waiting import eventually
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


async def test_the_bitrate_follows_what_the_server_can_take(front: WhipFront) -> None:
    limits = BitrateLimits(floor=100_000, ceiling=1_000_000)
    async with publishing_robot(front, make_streams=lambda scene: Streams(scene, bitrate=limits)) as robot:
        publisher = await front.published()
        await publisher.send("configure", bitrate=200_000)  # Janus says so by REMB, and begins far below
        await eventually(lambda: robot.scene.bitrates and robot.scene.bitrates[-1] <= 200_000)


async def test_the_privacy_switch_ends_the_stream_at_once(front: WhipFront) -> None:
    async with robot_on_pins(privacy=PRIVACY) as it:
        it.pi.gpio.press(SWITCH)
        await eventually(lambda: not it.state.snapshot.privacy)
        await it.parts.camera.start()
        control = control_of(it.parts.telemetry, front, when="camera")
        async with publishing(control, it.parts.telemetry, it.parts.streams):
            publisher = await front.published()
            assert (await publisher.happened("media"))["receiving"]
            it.pi.gpio.release(SWITCH)
            await publisher.happened("hangup")
            await front.asked("DELETE")
            await eventually(lambda: control.state is PublishState.OFF)
            assert it.state.snapshot.privacy
            await eventually(lambda: not it.pi.sensor.capturing)
    assert front.count("POST") == 1
