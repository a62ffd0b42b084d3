"""Talk and Listen with the camera off; and Talk goes out again and says why, when it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser

from robot_node.console.server import Console
from tests.console.browser import INSECURE_HOST, ConsolePage, chromium, serving, visit
from tests.console.conftest import Site, websocket_url
from tests.console.test_browser_look import assert_accessible
from tests.console.test_browser_sound import ROOM_HZ, beeps_at_s, loudest_in
from tests.console.test_conversation import robot_and_agent
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

_IS_PLAYING = """
() => {
  const {srcObject, paused, muted, currentTime} = document.querySelector("audio");
  return srcObject !== null && !paused && !muted && currentTime > 0.5;
}
"""


async def refused(page: ConsolePage, why: str) -> None:
    """Wait until Talk is out, and the page says why."""
    await page.sees(page.page.locator(".video .note"), why)
    await page.page.get_by_role("button", name="Talk", pressed=False).wait_for()


@pytest.mark.slow
async def test_the_robot_is_heard_and_hears_with_its_camera_off_and_one_speaks_at_a_time(
    page: ConsolePage, site: Site, tmp_path: Path
) -> None:
    await page.button("Listen").click()
    await page.page.wait_for_function(_IS_PLAYING)
    assert await loudest_in(page, "audio") == pytest.approx(ROOM_HZ, abs=20)

    before = len(site.said)
    await page.button("Talk").click()
    await eventually(lambda: bool(beeps_at_s(site.said[before:])), "a beep from the robot's loudspeaker")
    await page.page.wait_for_selector("button[aria-pressed=true][aria-busy=false] >> text=Talk")
    async with visit(site.browser, site.address, tmp_path) as other:
        await other.ready()
        await other.button("Talk").click()
        await refused(other, "Somebody else is talking to the robot.")
        await other.sees(other.overlay, "The camera is off")
    await page.page.wait_for_function(_IS_PLAYING)  # goes on, in the session that Talk began
    await assert_accessible(page.page)

    await site.robot.kill()
    await refused(page, "The robot no longer sends anything.")
    await site.robot.start()
    await page.ready()
    assert await page.button("Listen").get_attribute("aria-pressed") == "false"


@pytest.mark.slow
async def test_a_browser_that_gives_no_microphone(site: Site, tmp_path: Path) -> None:
    broker_url = websocket_url(site.broker).replace("127.0.0.1", INSECURE_HOST)
    async with (
        serving(Console(port=0, broker_url=broker_url)) as address,
        visit(site.browser, address.replace("127.0.0.1", INSECURE_HOST), tmp_path) as page,
    ):
        await page.ready()
        await page.button("Talk").click()
        await refused(page, "The browser gives its microphone only to pages with https")
    async with chromium(allows_microphone=False) as strict, visit(strict, site.address, tmp_path) as page:
        await page.ready()
        await page.button("Talk").click()
        await refused(page, "The browser does not let this page use the microphone.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("audio", "talk", "listen"),
    [
        ({}, "This robot has no loudspeaker.", "There is nothing to hear"),
        ({"loudspeaker": "default"}, "The robot\u2019s owner does not let viewers speak.", "There is nothing to hear"),
    ],
    ids=["no sound at all", "viewers may not speak"],
)
async def test_a_robot_that_takes_no_sound(
    browser: Browser, tmp_path: Path, audio: dict[str, object], talk: str, listen: str
) -> None:
    async with robot_and_agent(browser, tmp_path, audio=audio) as (_, page, agent):
        await page.button("Talk").press("Enter")
        await refused(page, talk)
        await page.button("Listen").press("Enter")
        await page.sees(page.page.locator(".video .note"), listen)
        await assert_accessible(page.page)
        status = (await agent.call_tool("get_status", {"details": True})).structured_content
        assert status is not None
        assert status["viewers"] == 0, "a session that is of no use"


@pytest.mark.slow
async def test_a_microphone_that_is_switched_off_is_not_waited_for(browser: Browser, tmp_path: Path) -> None:
    async with robot_and_agent(browser, tmp_path, audio={"microphone": "default"}) as (_, page, agent):
        await page.button("Listen").click()
        await page.page.wait_for_function(_IS_PLAYING)
        await agent.call_tool("control_microphone", {"enabled": False})
        await page.sees(page.page.locator(".video .note"), "The robot\u2019s microphone is switched off")
