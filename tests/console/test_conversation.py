"""A person writes to the robot's agents, whether its camera is on or not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import TextResourceContents
from playwright.async_api import Browser

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings
from robot_node.tools.resources import EVENTS
from tests.console.browser import ConsolePage, serving, visit
from tests.console.conftest import websocket_url
from tests.console.test_browser_look import assert_accessible
from tests.end_to_end.robot_process import SERVER_ID, SERVER_NAME
from tests.robots import online_robot
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.asyncio(loop_scope="session")

LED = 17


async def events_of(agent: Client) -> list[dict[str, Any]]:
    """What happened to the robot, as an agent reads it."""
    (content,) = (await agent.read_resource(EVENTS)).contents
    assert isinstance(content, TextResourceContents)
    events: list[dict[str, Any]] = json.loads(content.text)["events"]
    return events


@asynccontextmanager
async def robot_and_agent(
    browser: Browser, tmp_path: Path, **sections: dict[str, object]
) -> AsyncIterator[tuple[SimulatedPi, ConsolePage, Client]]:
    """A robot with an indicator LED, its page, and an agent."""
    pi = simulated_platform(scene="clock")
    async with (
        PrivateBroker(websocket_port=0) as broker,
        serving(Console(port=0, broker_url=websocket_url(broker))) as address,
    ):
        settings: dict[str, dict[str, object]] = {
            "broker": {"url": broker.url},
            "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME},
            "camera": {"width": 320, "height": 240},
            "privacy": {"led_pin": LED},
            **sections,
        }
        async with (
            online_robot(load_settings(None, settings), pi.platform),
            visit(browser, address, tmp_path) as page,
            Client(mqtt_transport(Broker.from_url(broker.url), SERVER_ID, SERVER_NAME)) as agent,
        ):
            await page.ready()
            yield pi, page, agent


async def test_what_is_typed_reaches_agents_with_the_camera_off_and_then_it_is_switched_on(
    browser: Browser, tmp_path: Path
) -> None:
    async with (
        robot_and_agent(browser, tmp_path) as (pi, page, agent),
        agent.listen(resource_subscriptions=[EVENTS]) as updates,
    ):
        line = page.page.get_by_placeholder("Write to the robot")
        await line.fill("Where is the cat?")
        await line.press("Enter")
        lines = page.page.locator(".conversation li")
        await page.sees(lines, "You Where is the cat?")
        async with asyncio.timeout(DEADLINE_S):
            while not (chat := [event for event in await events_of(agent) if event["kind"] == "chat"]):
                await anext(updates)
        assert [event["text"] for event in chat] == ["Where is the cat?"]
        assert chat[0]["by"].startswith("webrtc_client_")
        await page.page.locator(".conversation li:not(.unsent)").wait_for()
        await page.sees(page.overlay, "The camera is off")
        assert not pi.sensor.capturing
        assert pi.gpio.level(LED) == 0
        await assert_accessible(page.page)

        for number in range(9):
            await line.fill(f"Quick {number}")
            await line.press("Enter")
        await page.sees(lines, "Said Not sent: you are typing too fast.")

        await page.camera.click()
        await page.moving_pictures()
        assert pi.gpio.level(LED) == 1
        kinds = [event["text"] for event in await events_of(agent) if event["kind"] == "viewers"]
        assert kinds == ["A viewer came: 1 now."]


@pytest.mark.slow
async def test_where_nobody_answers_the_page_says_so_and_keeps_what_was_typed(browser: Browser, tmp_path: Path) -> None:
    async with robot_and_agent(browser, tmp_path, webrtc={"enabled": False}) as (_, page, _):
        line = page.page.get_by_placeholder("Write to the robot")
        await line.fill("Hello?")
        await line.press("Enter")
        note = page.page.locator(".conversation .note")
        await page.sees(note, "Sent as soon as the robot answers.")
        await page.sees(note, "The robot does not answer.")
        await page.sees(page.page.locator(".conversation .unsent"), "Hello?")
        await assert_accessible(page.page)
