"""Home Assistant's camera entities and those that act, on a real broker: what they get, and what they may do."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

from hw_mocks.platform import simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from tests.end_to_end.agents import agent, events, status, structured
from tests.end_to_end.robot_process import SERVER_ID, is_retained, plain_client
from tests.end_to_end.test_keeping_going import a_robot
from tests.end_to_end.test_several_cameras import LED, SETTINGS, SWITCH
from tests.markers import marker_of_jpeg
from tests.waiting import eventually

OWN = f"robot-node/{SERVER_ID}"
STATE, SET = f"{OWN}/state", f"{OWN}/set"
FRONT, REAR = f"{OWN}/picture/camera", f"{OWN}/picture/camera_rear"
SOUND = {"loudspeaker": "default", "volume": 60}


@dataclass
class HomeAssistant:
    """What Home Assistant has heard on the robot's topics, and what it says there."""

    publish: Callable[..., Any]
    heard: dict[str, list[bytes]] = field(default_factory=dict)

    @property
    def state(self) -> dict[str, Any]:
        """The robot's state; empty before it was heard."""
        heard = self.heard.get(STATE, [b""])[-1]
        return dict(json.loads(heard)) if heard else {}

    async def sets(self, key: str, payload: str | bytes, **more: Any) -> None:
        """Operate an entity."""
        await self.publish(f"{SET}/{key}", payload, qos=1, **more)

    async def sees(self, **wanted: object) -> None:
        """Wait until the state shows it."""
        await eventually(lambda: self.state.items() >= wanted.items(), f"{wanted} in the state")

    async def picture(self, topic: str) -> bytes:
        """Wait for a picture."""
        await eventually(lambda: self.heard.get(topic, [b""])[-1], f"a picture on {topic}")
        return self.heard[topic][-1]


@contextlib.asynccontextmanager
async def home(broker: PrivateBroker) -> AsyncIterator[HomeAssistant]:
    async with plain_client(broker, "home-assistant") as client:
        it = HomeAssistant(client.publish)

        async def listen() -> None:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                it.heard.setdefault(message.topic.value, []).append(message.payload)

        listening = asyncio.create_task(listen())
        await client.subscribe(f"{OWN}/#", qos=1)
        try:
            yield it
        finally:
            listening.cancel()
            await asyncio.wait([listening])


def settings(**home_assistant: object) -> dict[str, Any]:
    return {"home_assistant": {"enabled": True, **home_assistant}}


async def test_pictures_of_each_camera_come_while_it_is_on_and_vanish_at_once_with_it(broker: PrivateBroker) -> None:
    pi = simulated_platform(scene="clock", cameras=2)
    pictures = settings(pictures=True, picture_interval_s=1, picture_max_side=128)
    async with home(broker) as it, a_robot(broker, pi, {**SETTINGS, **pictures}), agent(broker) as client:
        pi.gpio.press(SWITCH)  # nobody wants privacy
        await it.sees(cameras={"front": "off", "rear": "off"})
        assert not any(it.heard.get(FRONT, []))
        await eventually(lambda: _may_see(client), "the switch is read")
        await structured(client, "control_camera", enabled=True, camera="rear")
        jpeg = await it.picture(REAR)
        assert marker_of_jpeg(jpeg) == 1
        with Image.open(io.BytesIO(jpeg)) as picture:
            assert picture.size == (128, 96)
        assert not any(it.heard[FRONT])
        await structured(client, "control_camera", enabled=True, camera="front")
        assert marker_of_jpeg(await it.picture(FRONT)) == 0
        await eventually(lambda: len([each for each in it.heard[FRONT] if each]) > 1, "another picture")
        assert pi.gpio.level(LED) == 1

        pi.gpio.release(SWITCH)  # privacy
        await eventually(lambda: not it.heard[FRONT][-1] and not it.heard[REAR][-1], "both are taken away")
        until_then = {topic: len(it.heard[topic]) for topic in (FRONT, REAR)}
        await it.sees(camera="off", cameras={"front": "off", "rear": "off"})
        await structured(client, "change_emotion", emotion="happy")
        await it.sees(emotion="happy")  # and no picture has come before that
        assert {topic: len(it.heard[topic]) for topic in (FRONT, REAR)} == until_then
        assert not await is_retained(broker, FRONT)


async def _may_see(client: Any) -> bool:
    return not (await status(client))["privacy"]


async def test_entities_that_act_are_calls_of_tools_by_home_assistant(broker: PrivateBroker) -> None:
    pi = simulated_platform(scene="clock")
    overrides = {**settings(control=True), "audio": SOUND}
    async with home(broker) as it, a_robot(broker, pi, overrides), agent(broker) as client:
        await it.sees(camera="off", volume=60, muted=False)
        for key, payload in (("camera", "ON"), ("emotion", "happy"), ("volume", "40.0"), ("muted", "ON")):
            await it.sets(key, payload)
        await it.sees(camera="on", emotion="happy", volume=40, muted=True)
        acted = [event for event in await events(client) if event["kind"] == "camera"]
        assert {event["by"] for event in acted} == {"home-assistant"}
        await it.sets("camera", "OFF")
        await it.sees(camera="off")


async def test_odd_and_retained_commands_are_refused_with_a_line_each(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    overrides = {**settings(control=True), "audio": SOUND}
    async with home(broker) as it:
        await it.sets("emotion", "happy", retain=True)
        async with a_robot(broker, simulated_platform(scene="clock"), overrides):
            await it.sees(emotion="neutral")
            for payload in ("on", "", b"\xff", "O" * 10_000, "ON\x00"):
                await it.sets("camera", payload)
            await it.sets("lights", "ON")
            await it.sets("volume", "10")  # the robot reads in order
            await it.sees(volume=10)
            assert it.state.items() >= {"camera": "off", "emotion": "neutral"}.items()
    lines = [record.getMessage() for record in caplog.records if "command of Home Assistant" in record.getMessage()]
    assert sorted(lines) == [
        "Ignored a command of Home Assistant for 'lights': there is none.",
        "Ignored a retained command of Home Assistant for emotion.",
        'Refused a command of Home Assistant for camera: "on": it is none of the options.',
    ]


async def test_home_assistant_has_the_role_of_its_client_id_and_privacy_stays_with_the_hand(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    pi = simulated_platform(scene="clock")
    access = {
        "roles": {"camera": {"description": "-", "allowed_tools": ["control_camera"]}},
        "clients": [{"client_id": "my-home", "role": "camera"}],
    }
    overrides = {
        **settings(control=True, client_id="my-home"),
        "access": access,
        "privacy": {"led_pin": LED, "switch_pin": SWITCH},
    }
    async with home(broker) as it, a_robot(broker, pi, overrides):
        await it.sees(camera="off", emotion="neutral")
        await it.sets("emotion", "happy")
        await it.sets("camera", "ON")
        await eventually(lambda: "privacy switch" in caplog.text, "the refusal in the log")
        assert "'my-home' may not, or cannot, set camera: " in caplog.text
        assert "The role camera may not call change_emotion." in caplog.text
        assert it.state.items() >= {"camera": "off", "emotion": "neutral"}.items()
        pi.gpio.press(SWITCH)
        await eventually(lambda: _switched_on(it), "the camera is on")


async def _switched_on(it: HomeAssistant) -> bool:
    await it.sets("camera", "ON")
    return bool(it.state["camera"] == "on")
