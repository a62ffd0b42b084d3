"""A robot with two cameras, from the pins to the viewers: who sees what, and who is stopped by whom."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from mcp import Client
from mcp_types import ImageContent

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node import daemon
from robot_node.apps.private_broker import PrivateBroker
from robot_node.apps.watch import watch_switched_on
from robot_node.errors import RemoteError
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings
from robot_node.webrtc.viewer import Viewing, view
from tests.end_to_end.agents import agent, events, status, structured
from tests.end_to_end.robot_process import SERVER_ID, SERVER_NAME
from tests.markers import marker_of, marker_of_jpeg
from tests.waiting import DEADLINE_S, eventually

LED, SWITCH = 17, 27
SETTINGS: dict[str, dict[str, Any]] = {
    "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME},
    "camera": {"width": 320, "height": 240, "frame_rate": 15},
    "cameras": {"front": {}, "rear": {"number": 1, "width": 160, "height": 120}},
    "display": {"driver": "none"},
    "privacy": {"led_pin": LED, "switch_pin": SWITCH},
    "webrtc": {"loopback": True},
}


@dataclass
class TwoEyes:
    """The robot, online with both cameras on."""

    pi: SimulatedPi
    broker: Broker
    client: Client

    @property
    def lit(self) -> bool:
        """The indicator LED is lit."""
        return self.pi.gpio.level(LED) == 1

    async def may_see(self) -> bool:
        """Privacy is not engaged."""
        return not (await status(self.client))["privacy"]

    async def switch(self, name: str, *, on: bool) -> None:
        """Switch a camera."""
        await structured(self.client, "control_camera", enabled=on, camera=name)


@contextlib.asynccontextmanager
async def two_eyes(broker: PrivateBroker) -> AsyncIterator[TwoEyes]:
    """A robot with two cameras, both on."""
    pi = simulated_platform(scene="clock", cameras=2)
    settings = load_settings(None, {**SETTINGS, "broker": {"url": broker.url}})
    task = asyncio.create_task(daemon.run(settings, pi.platform))
    try:
        async with agent(broker) as client:
            it = TwoEyes(pi, Broker.from_url(broker.url), client)
            pi.gpio.press(SWITCH)
            await eventually(it.may_see, "the switch is read")
            for name in ("front", "rear"):
                await it.switch(name, on=True)
            yield it
    finally:
        task.cancel()
        await asyncio.wait([task])


async def seen(viewing: Viewing, section: int = 0) -> tuple[int, int]:
    """The camera that a viewer sees, and the width of its picture."""
    frame = (await viewing.frame(section=section)).image
    return marker_of(frame), frame.width


async def no_more(viewing: Viewing, section: int) -> None:
    """Watch until there is nothing to see."""
    while True:
        await viewing.frame(section=section)


async def test_each_viewer_sees_the_camera_that_it_asks_for(broker: PrivateBroker) -> None:
    async with (
        two_eyes(broker) as robot,
        asyncio.timeout(DEADLINE_S),
        view(robot.broker, SERVER_ID) as anybody,
        view(robot.broker, SERVER_ID, cameras=("rear",)) as rear,
        view(robot.broker, SERVER_ID, cameras=("front",)) as front,
        view(robot.broker, SERVER_ID, cameras=("", "")) as both,
        view(robot.broker, SERVER_ID, cameras=("rear", "front")) as turned,
    ):
        assert [await seen(each) for each in (anybody, rear, front)] == [(0, 320), (1, 160), (0, 320)]
        assert [await seen(both, section) for section in (0, 1)] == [(0, 320), (1, 160)]
        assert [await seen(turned, section) for section in (0, 1)] == [(1, 160), (0, 320)]
        assert (await status(robot.client))["viewers"] == 5
        with pytest.raises(RemoteError, match=r"There is no camera 'left'; there are: front, rear\."):
            async with view(robot.broker, SERVER_ID, cameras=("left",)):
                pass


async def test_privacy_stops_both_while_they_are_watched_and_photographed(broker: PrivateBroker) -> None:
    async with two_eyes(broker) as robot:
        photos = {}
        for name in ("front", "rear"):
            photo = (await robot.client.call_tool("take_photo", {"camera": name})).content[0]
            assert isinstance(photo, ImageContent)
            photos[name] = marker_of_jpeg(base64.b64decode(photo.data))
        assert photos == {"front": 0, "rear": 1}
        async with asyncio.timeout(DEADLINE_S), view(robot.broker, SERVER_ID, cameras=("front", "rear")) as both:
            assert [await seen(both, section) for section in (0, 1)] == [(0, 320), (1, 160)]
            await robot.switch("front", on=False)
            assert robot.lit
            assert (await status(robot.client))["cameras"] == {"front": "off", "rear": "on"}
            await robot.switch("front", on=True)
            dark_while_capturing: list[float] = []

            def goes(level: float) -> None:
                if level == 0 and any(sensor.capturing for sensor in robot.pi.sensors):
                    dark_while_capturing.append(level)

            robot.pi.gpio.pin(LED).on_level = goes
            robot.pi.gpio.release(SWITCH)
            await eventually(lambda: not robot.lit, "the LED is dark")
            assert not any(sensor.capturing for sensor in robot.pi.sensors)
            assert dark_while_capturing == []
            with pytest.raises(RemoteError, match="privacy switch"):
                await no_more(both, section=1)
        for name in ("front", "rear"):
            refused = await robot.client.call_tool("take_photo", {"camera": name})
            assert refused.is_error
        told = [event["text"] for event in await events(robot.client) if event["kind"] == "camera"]
        assert {*told[-2:]} == {"The camera 'front' was switched off.", "The camera 'rear' was switched off."}


async def test_the_command_watches_the_camera_that_it_names_and_switches_only_that(broker: PrivateBroker) -> None:
    async with two_eyes(broker) as robot:
        for name in ("front", "rear"):
            await robot.switch(name, on=False)
        options: dict[str, Any] = {"frames": 2, "output": None, "ice_servers": (), "log": lambda _: None}
        report = await watch_switched_on(robot.broker, SERVER_ID, camera="rear", **options)
        assert report is not None
        assert (report.width, report.height) == (160, 120)
        assert (await status(robot.client))["cameras"] == {"front": "off", "rear": "off"}
        assert [sensor.starts for sensor in robot.pi.sensors] == [1, 2]
        await robot.switch("rear", on=True)
        assert await watch_switched_on(robot.broker, SERVER_ID, camera="rear", **options) is not None
        assert (await status(robot.client))["cameras"] == {"front": "off", "rear": "on"}
        with pytest.raises(RemoteError, match=r"There is no camera 'left'"):
            await watch_switched_on(robot.broker, SERVER_ID, camera="left", **options)
