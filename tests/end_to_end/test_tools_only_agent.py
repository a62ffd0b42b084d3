"""An agent that has nothing but tools, through the stdio bridge: it notices, looks, asks, and has a call confirmed.

That is what most agents' programs give their models: no resources, no elicitation.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import time
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult, ImageContent
from PIL import Image

from hw_mocks.platform import simulated_platform
from robot_node import daemon
from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from robot_node.settings.loading import load_settings
from tests.apps.bridge.agents import official_client
from tests.console.browser import chromium, serving, visit
from tests.console.conftest import websocket_url
from tests.end_to_end.agents import structured, text_of
from tests.waiting import DEADLINE_S

LAMP, OK, DOORBELL = 5, 22, 23
MAX_PHOTO_BYTES = 750_000
SETTINGS: dict[str, Any] = {
    "robot": {"server_id": "robot-that-asks", "server_name": "tests/asking"},
    "camera": {"width": 1920, "height": 1080, "frame_rate": 5},
    "webrtc": {"enabled": False},
    "pins": {
        "outputs": {"lamp": {"kind": "led", "pin": LAMP}},
        "inputs": {
            "doorbell": {"kind": "button", "pin": DOORBELL},
            "ok": {"kind": "button", "pin": OK, "confirms": True},
        },
    },
    "access": {
        "roles": {"owner": {"allowed_tools": ["answer_question", "control_camera"], "allowed_resources": "all"}},
        "clients": [{"client_id": "mcp-client-*", "role": "owner"}],  # as the page calls itself
        "confirm_tools": ["set_led"],
        "confirm_timeout_s": DEADLINE_S,
    },
}


async def done(call: asyncio.Task[CallToolResult], within_s: float) -> bool:
    """Whether a call ends within some time."""
    await asyncio.wait({call}, timeout=within_s)
    return call.done()


async def wait_for_event(agent: Client, after: str) -> tuple[dict[str, Any], float]:
    """What happens after that point, and when the agent gets it."""
    page = await structured(agent, "wait_for_event", after=after, kinds=["input"])
    return page, time.perf_counter()


@pytest.mark.slow  # Chromium, a bridge, and a robot whose photos are large
async def test_an_agent_with_tools_only_notices_looks_asks_and_is_allowed(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    pi, online = simulated_platform(scene="noise"), asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        settings = load_settings(None, {**SETTINGS, "broker": {"url": broker.url}})
        robot = tasks.create_task(daemon.run(settings, pi.platform, on_online=online.set))
        stack.callback(robot.cancel)
        url = await stack.enter_async_context(serving(Console(port=0, broker_url=websocket_url(broker))))
        browser = await stack.enter_async_context(chromium())
        async with asyncio.timeout(DEADLINE_S):
            await online.wait()
        agent = await stack.enter_async_context(official_client(broker))
        async with asyncio.timeout(DEADLINE_S):  # the bridge gets to know the robot
            while "take_photo" not in {tool.name for tool in (await agent.list_tools()).tools}:
                await asyncio.sleep(0.05)

        # It notices: a wait that is under way ends with the press, and the cursor misses none in between.
        cursor: str = (await structured(agent, "wait_for_event", timeout_s=0))["cursor"]
        latencies = []
        for _ in range(5):
            waiting = tasks.create_task(wait_for_event(agent, cursor))
            await asyncio.wait({waiting}, timeout=0.3)
            assert not waiting.done()
            pressed = time.perf_counter()
            pi.gpio.press(DOORBELL)
            page, came = await waiting
            latencies.append(1000 * (came - pressed))
            assert [event["text"] for event in page["events"]] == ["Button doorbell was pressed."]
            pi.gpio.release(DOORBELL)
            released, _ = await wait_for_event(agent, page["cursor"])
            assert [event["text"] for event in released["events"]] == ["Button doorbell was released."]
            cursor = released["cursor"]
        print(f"measured: press to agent {sorted(latencies)[2]:.0f} ms (median of 5), {max(latencies):.0f} ms at most")

        # It looks: noise at 1920x1080 fits.
        await structured(agent, "control_camera", enabled=True)
        photo = await agent.call_tool("take_photo", {})
        assert not photo.is_error, text_of(photo)
        (image,) = [block for block in photo.content if isinstance(block, ImageContent)]
        jpeg = base64.b64decode(image.data)
        assert len(jpeg) <= MAX_PHOTO_BYTES
        with Image.open(io.BytesIO(jpeg)) as picture:
            print(f"measured: {len(jpeg)} bytes, {picture.size}: {text_of(photo)}")
        await structured(agent, "control_camera", enabled=False)

        # It asks a person, who answers in a real browser.
        person = await stack.enter_async_context(visit(browser, url, tmp_path))
        await person.ready()
        dialog = person.page.get_by_role("dialog", name="asks")
        asking = tasks.create_task(agent.call_tool("ask", {"question": "Who rang?", "timeout_s": 50}))
        await person.sees(dialog, "Who rang?")
        await dialog.get_by_role("textbox").fill("The postman")
        async with asyncio.timeout(DEADLINE_S):
            while not await done(asking, within_s=0.2):  # an answer in the first moment does not count
                await person.page.keyboard.press("Enter")
        answered = asking.result().structured_content
        assert answered is not None
        assert (answered["answer"], answered["way"]) == ("The postman", "console")

        # A person allows a call by the robot's button.
        assert pi.gpio.level(LAMP) == 0
        call = tasks.create_task(agent.call_tool("set_led", {"name": "lamp", "on": True}))
        async with asyncio.timeout(DEADLINE_S):
            while not call.done():  # the first second of the question does not count
                pi.gpio.press(OK)
                await asyncio.sleep(0.1)
                pi.gpio.release(OK)
                await done(call, within_s=0.2)
        assert not call.result().is_error, text_of(call.result())
        assert pi.gpio.level(LAMP) == 1
        await dialog.wait_for(state="hidden")
