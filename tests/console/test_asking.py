"""Questions to people in a real browser: an agent that has nothing but tools asks, and a person on the page answers."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from playwright.async_api import Browser, Error

from hw_mocks.platform import simulated_platform
from robot_node import daemon
from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings
from tests.console.browser import ConsolePage, serving, visit
from tests.console.conftest import websocket_url
from tests.console.test_browser_look import assert_accessible
from tests.waiting import DEADLINE_S

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

SERVER_ID, SERVER_NAME = "robot-that-asks", "tests/asking"
LAMP = 5
ACCESS = {
    "roles": {"owner": {"allowed_tools": ["answer_question", "control_camera"], "allowed_resources": "all"}},
    "clients": [{"client_id": "mcp-client-*", "role": "owner"}],  # as the page calls itself
    "confirm_tools": ["set_led"],
    "confirm_by": ["console"],
    "confirm_timeout_s": DEADLINE_S,
}


async def answered(page: ConsolePage, name: str, call: asyncio.Task[Any]) -> None:
    """Press a button, as a person would who sees that nothing has happened: one that comes too soon does not count."""
    async with asyncio.timeout(DEADLINE_S):
        while not call.done():
            with contextlib.suppress(Error):
                await page.button(name).click(timeout=500)
            await asyncio.wait({call}, timeout=0.1)


async def test_a_person_answers_a_question_and_confirms_a_call_and_the_other_page_is_done_with_it(
    browser: Browser, tmp_path: Path
) -> None:
    pi, online = simulated_platform(scene="clock"), asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(PrivateBroker(websocket_port=0))
        settings: dict[str, dict[str, Any]] = {
            "broker": {"url": broker.url},
            "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME},
            "webrtc": {"enabled": False},
            "pins": {"outputs": {"lamp": {"kind": "led", "pin": LAMP}}},
            "access": ACCESS,
        }
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        robot = tasks.create_task(daemon.run(load_settings(None, settings), pi.platform, on_online=online.set))
        stack.callback(robot.cancel)
        url = await stack.enter_async_context(serving(Console(port=0, broker_url=websocket_url(broker))))
        async with asyncio.timeout(DEADLINE_S):
            await online.wait()
        page, other = [await stack.enter_async_context(visit(browser, url, tmp_path)) for _ in range(2)]
        transport = mqtt_transport(Broker.from_url(broker.url), SERVER_ID, SERVER_NAME, client_id="bot")
        agent = await stack.enter_async_context(Client(transport))
        for each in (page, other):
            await each.ready()

        asking = tasks.create_task(agent.call_tool("ask", {"question": "Where is the cat?", "timeout_s": DEADLINE_S}))
        for each in (page, other):
            dialog = each.page.get_by_role("dialog", name="asks")
            await each.sees(dialog, "Where is the cat?")
            await each.sees(dialog, "bot asks. The first answer counts.")
        await assert_accessible(page.page)
        await page.page.keyboard.type("On the sofa")  # the line has the keyboard
        async with asyncio.timeout(DEADLINE_S):
            while not asking.done():
                await page.page.keyboard.press("Enter")
                await asyncio.wait({asking}, timeout=0.2)
        told = asking.result().structured_content
        assert told is not None
        assert (told["answer"], told["way"]) == ("On the sofa", "console")
        assert told["by"].startswith("mcp-client-")
        await other.page.get_by_role("dialog", name="asks").wait_for(state="hidden")

        for button, level in (("Decline", 0), ("Allow", 1)):
            call = tasks.create_task(agent.call_tool("set_led", {"name": "lamp", "on": True}))
            await other.sees(other.page.get_by_role("dialog", name="asks"), "May the robot carry out set_led")
            await assert_accessible(other.page)
            await answered(other, button, call)
            assert call.result().is_error is (level == 0)
            assert pi.gpio.level(LAMP) == level
            await page.page.get_by_role("dialog", name="asks").wait_for(state="hidden")
