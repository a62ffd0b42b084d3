"""Several robots: what their tabs say, and the robots side by side with small pictures."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, Locator, ViewportSize

from robot_node.apps import remote
from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from robot_node.mqtt import Broker
from tests.apps.bridge.agents import Message, ScriptedRobot, scripted_robot
from tests.console.browser import ConsolePage, serving, visit
from tests.console.conftest import Site, websocket_url
from tests.console.test_browser_look import assert_accessible, assert_fits, tab_to, wear
from tests.end_to_end.robot_process import SERVER_NAME, RobotProcess
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

_PHONE: ViewportSize = {"width": 390, "height": 844}
# All of 50 robots are in sight.
_LARGE = {"viewport": {"width": 1900, "height": 3200}}
_MOST_SESSIONS = 24
_MOST_PICTURES = 3


@pytest_asyncio.fixture(loop_scope="session")
async def broker() -> AsyncIterator[PrivateBroker]:
    """One without robots."""
    async with PrivateBroker(websocket_port=0) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def address(broker: PrivateBroker) -> AsyncIterator[str]:
    """Where the page of that broker is."""
    async with serving(Console(port=0, broker_url=websocket_url(broker))) as url:
        yield url


def status(**members: Any) -> dict[str, Message]:
    """What a scripted robot answers that is so."""
    whole = {"camera": "off", "privacy": False, "viewers": 0, "faults": {}} | members
    contents = [{"uri": "robot://status", "mimeType": "application/json", "text": json.dumps(whole)}]
    return {"resources/read": {"contents": contents}, "resources/subscribe": {}, "resources/unsubscribe": {}}


async def becomes(robot: ScriptedRobot, **members: Any) -> None:
    """Change how a scripted robot is, and announce it."""
    robot.results |= status(**members)
    await robot.announce("notifications/resources/updated", {"uri": "robot://status"})


def tab(page: ConsolePage, name: str) -> Locator:
    """A robot's tab."""
    return page.page.locator(".robot", has_text=name)


def tile(page: ConsolePage, name: str) -> Locator:
    """A robot in the grid."""
    return page.page.get_by_role("link", name=name)


async def is_live(page: ConsolePage, of: Locator) -> None:
    """Wait until a tile's video moves."""
    await page.sees(of, "Live")
    video = await of.locator("video").element_handle()
    seen = await page.page.evaluate("(video) => video.getVideoPlaybackQuality().totalVideoFrames", video)
    await page.page.wait_for_function(
        "([video, least]) => video.videoWidth === 320 && video.getVideoPlaybackQuality().totalVideoFrames > least",
        arg=[video, seen + 5],
    )


@pytest.mark.slow
async def test_robots_side_by_side_with_live_pictures_of_the_cameras_that_are_on(
    site: Site, tmp_path: Path, browser: Browser
) -> None:
    """The second robot's camera would go on for a photo, as an agent takes it."""
    settings = {"ROBOT_NODE_CAMERA__PHOTO_SWITCHES_ON": "true"}
    arguments = ("--server-id", "sleeper", "--server-name", "tests/sleeper")
    sleeper = RobotProcess(site.broker, tmp_path, settings=settings, arguments=arguments)
    await site.call("control_camera", {"enabled": True})
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(sleeper.kill)
        await sleeper.start()
        page = await stack.enter_async_context(visit(browser, site.address, tmp_path))
        await page.moving_pictures()
        await page.page.get_by_role("link", name="All robots").click()
        await page.page.wait_for_function("location.hash === '#/robots'")
        await page.sees(tile(page, "tests/sleeper"), "The camera is off")
        await is_live(page, tile(page, SERVER_NAME))
        await assert_accessible(page.page)
        await assert_fits(page.page)
        await wear(page, "dark")
        await assert_accessible(page.page)

        # Nobody watches by video any more, and the grid has switched nothing.
        await page.sees(tile(page, "tests/sleeper"), "The camera is off")
        events = await remote.call(Broker.from_url(site.broker.url), "sleeper", "get_events", {"kinds": ["camera"]})
        assert events.structured_content is not None
        assert events.structured_content["events"] == []

        await site.call("control_camera", {"enabled": False})
        await page.sees(tile(page, SERVER_NAME), "The camera is off")
        assert await tile(page, SERVER_NAME).locator("video").count() == 0, "the picture of a camera that is off"

        await tab_to(page.page, tile(page, "tests/sleeper"))
        await page.page.keyboard.press("Enter")
        await page.page.wait_for_function("location.hash === '#/robot/tests/sleeper'")
        await page.ready()
        await page.page.go_back()
        await tile(page, SERVER_NAME).click()
        await page.ready()
        assert await page.page.locator(".robot[aria-pressed=true]", has_text=SERVER_NAME).count() == 1


@pytest.mark.slow
async def test_tabs_say_whether_the_camera_is_on_who_watches_and_what_is_broken(
    browser: Browser, broker: PrivateBroker, address: str, tmp_path: Path
) -> None:
    async with (
        scripted_robot(broker, [], server_id="a", server_name="lab/a", results=status()) as robot,
        scripted_robot(broker, [], server_id="b", server_name="lab/b", results=status()) as other,
        visit(browser, f"{address}#/robot/lab/a", tmp_path) as page,
    ):
        await other.until(lambda message: message.get("method") == "resources/read")
        await becomes(other, camera="on", viewers=2)
        await page.sees(tab(page, "lab/b"), "online, camera on, 2 watching")
        await becomes(other, faults={"display": "No answer."})
        await page.sees(tab(page, "lab/b"), "online, Fault: display")
        await becomes(robot, camera="on", viewers=1)
        await page.sees(tab(page, "lab/a"), "online, camera on, 1 watching")
        await assert_accessible(page.page)
        # The sessions change places.
        await tab(page, "lab/b").click()
        await page.page.wait_for_selector(".robot[aria-pressed=true] >> text=lab/b")
        await becomes(robot, viewers=3)
        await page.sees(tab(page, "lab/a"), "online, 3 watching")
        await becomes(other, viewers=4)
        await page.sees(tab(page, "lab/b"), "online, 4 watching")
        # And from the grid, where the page has no session of its own.
        await page.page.get_by_role("link", name="All robots").click()
        await becomes(other, viewers=5)
        await page.sees(tile(page, "lab/b"), "5 watching")
        opened(other)
        await tile(page, "lab/b").click()
        await page.page.wait_for_selector(".robot[aria-pressed=true] >> text=lab/b")
        await becomes(other, viewers=6)
        await page.sees(tab(page, "lab/b"), "online, 6 watching")
        await page.banner.wait_for(state="detached")
        assert opened(other) == 1, "the session of the grid ended the page's own"


def opened(robot: ScriptedRobot) -> int:
    """How many sessions have been opened since the last call."""
    messages = [robot.received.get_nowait() for _ in range(robot.received.qsize())]
    return [message.get("method") for message in messages].count("initialize")


@pytest.mark.slow
async def test_many_robots_cost_few_sessions_and_few_pictures_at_once(
    browser: Browser, broker: PrivateBroker, address: str, tmp_path: Path
) -> None:
    asked: list[Message] = []

    def never_answered(call: Message) -> list[Message]:
        asked.append(call)
        return []

    async with contextlib.AsyncExitStack() as stack:
        robots = []
        for number in range(50):
            name = f"lab/{number:02}"
            robot = scripted_robot(
                broker, [], server_id=f"id{number:02}", server_name=name, results=status(camera="on")
            )
            robots.append(await stack.enter_async_context(robot))
            robots[-1].on_call = never_answered
        page = await stack.enter_async_context(visit(browser, f"{address}#/robots", tmp_path, **_LARGE))

        def followed() -> list[int]:
            return [place for place, robot in enumerate(robots) if not robot.received.empty()]

        await eventually(lambda: len(followed()) == _MOST_SESSIONS, "the first ones are followed")
        await eventually(lambda: len(asked) == _MOST_PICTURES, "pictures are asked for")
        await page.sees(tile(page, "lab/49"), f"Only {_MOST_SESSIONS} are shown at once")
        await page.page.set_viewport_size(_PHONE)
        await assert_accessible(page.page)
        await assert_fits(page.page)
        assert followed() == [*range(_MOST_SESSIONS)], "more are followed"
        await tile(page, "lab/49").scroll_into_view_if_needed()
        await eventually(lambda: 49 in followed(), "the last one is followed when it is in sight")
        assert len(asked) == _MOST_PICTURES, "more pictures at once"

        await page.page.get_by_role("searchbox", name="Find a robot").fill("id2")
        await tile(page, "lab/19").wait_for(state="detached")
        assert await page.page.locator(".tile").count() == 10


@pytest.mark.slow
async def test_no_picture_is_fetched_for_a_page_that_nobody_sees(
    browser: Browser, broker: PrivateBroker, address: str, tmp_path: Path
) -> None:
    asked = asyncio.Queue[Message]()
    jpeg = io.BytesIO()
    Image.new("L", (320, 180), 128).save(jpeg, "JPEG")
    grey = base64.b64encode(jpeg.getvalue()).decode()

    def photo(call: Message) -> list[Message]:
        asked.put_nowait(call["params"])
        return [{"result": {"content": [{"type": "image", "mimeType": "image/jpeg", "data": grey}]}}]

    async with (
        scripted_robot(broker, [], server_id="a", server_name="lab/a", results=status(camera="on")) as robot,
        scripted_robot(broker, [], server_id="mute", server_name="lab/mute") as mute,
        visit(browser, f"{address}#/robots", tmp_path) as page,
    ):
        mute.on_call = lambda _: [{"error": {"code": -32601, "message": "No."}}]
        robot.on_call = photo
        await page.sees(tile(page, "lab/mute"), "does not tell how it is")
        for _ in range(2):
            call = await asyncio.wait_for(asked.get(), 60)
            assert call["name"] == "take_photo"
            assert call["arguments"]["only_if_on"] is True
            assert call["arguments"]["max_side"] == 320
        await page.page.evaluate(
            "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})"
        )
        while not asked.empty():
            asked.get_nowait()
        # By the page's clock, the next picture would be due.
        await page.page.evaluate("new Promise((done) => setTimeout(done, 3000))")
        hidden = asked.qsize()
        await page.page.evaluate("delete document.visibilityState")
        assert hidden <= 1, "pictures for nobody"  # one may have been on its way
        while not asked.empty():
            asked.get_nowait()
        await asyncio.wait_for(asked.get(), 60)
