"""Pictures for Home Assistant: a camera that goes off waits for nothing."""

from __future__ import annotations

import asyncio

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import CameraState, RobotState
from robot_node.devices.camera.capture import Photo
from robot_node.errors import NotReadyError
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from robot_node.robot.home_assistant.pictures import publish_pictures
from robot_node.settings.home_assistant import HomeAssistantSettings
from tests.waiting import eventually

TOPIC = "robot-node/robot-1/picture/camera"
SETTINGS = HomeAssistantSettings(enabled=True, pictures=True, picture_interval_s=1)


async def test_a_picture_that_is_being_taken_does_not_hold_up_that_the_last_one_is_taken_away(
    broker: PrivateBroker,
) -> None:
    heard: list[Incoming] = []
    state = RobotState()
    asked = asyncio.Event()

    async def take_photo(_: float) -> Photo:
        if not asked.is_set():
            asked.set()
            raise NotReadyError("The camera is being restarted.")  # the next picture is tried all the same
        taking.set()
        await asyncio.Event().wait()
        raise AssertionError

    taking = asyncio.Event()
    address = Broker.from_url(broker.url)
    async with (
        connect(address, ConnectOptions("home"), heard.append) as home,
        connect(address, ConnectOptions("robot-1")) as own,
    ):
        await home.subscribe(Subscription(TOPIC))
        publishing = asyncio.create_task(publish_pictures(own, TOPIC, take_photo, SETTINGS, state=state))
        await eventually(lambda: len(heard) == 1, "what was shown before is taken away")
        assert not asked.is_set()
        state.update(camera=CameraState.ON)
        await taking.wait()
        state.update(privacy=True)
        await eventually(lambda: len(heard) == 2, "the picture is taken away")
        publishing.cancel()
        await asyncio.wait([publishing])
        await eventually(lambda: len(heard) == 3, "it is taken away at the end, too")
    assert {(each.payload, each.retain) for each in heard} == {(b"", False)}
