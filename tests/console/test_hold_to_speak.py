"""A button is held to speak to the robot's agents: real speech from the microphone of a real browser."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from playwright.async_api import expect

from robot_node.core.media import SAMPLE_RATE
from robot_node.tools.resources import EVENTS
from tests.console.browser import chromium
from tests.console.test_browser_look import assert_accessible
from tests.console.test_conversation import events_of, robot_and_agent
from tests.console.test_talk import refused
from tests.speech.sounds import spoken_file
from tests.waiting import DEADLINE_S, eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.slow,  # speech recognition, and real sound in Chromium
]

_SOUND: dict[str, object] = {"loudspeaker": "default", "viewer_may_speak": True, "volume": 100}
_HEARING: dict[str, object] = {"engine": "pocketsphinx", "source": "viewer", "phrases": ["hello robot", "take a photo"]}

_DISTANT_ROBOT = """
() => {
  const answered = new Promise((resolve) => (window.letIn = resolve));
  const set = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = async function (...of) {
    await answered;
    return set.apply(this, of);
  };
  const open = AudioContext.prototype.createMediaStreamSource;
  AudioContext.prototype.createMediaStreamSource = function (...of) {
    window.microphone = { context: this, openedAt: this.currentTime };
    return open.apply(this, of);
  };
}
"""
"""The robot's answer waits until the test lets it in."""

_HAS_SAID_IT = "() => window.microphone.context.currentTime - window.microphone.openedAt > 1.5"


async def heard(agent: Client) -> list[dict[str, Any]]:
    """What the robot has understood."""
    return [event for event in await events_of(agent) if event["kind"] == "heard"]


async def status(agent: Client) -> dict[str, Any]:
    """How the robot is."""
    found: dict[str, Any] | None = (await agent.call_tool("get_status", {"details": True})).structured_content
    assert found is not None
    return found


async def test_what_is_said_while_it_is_held_is_heard_by_agents_and_not_by_the_room(tmp_path: Path) -> None:
    """The microphone says the same again and again."""
    speech = spoken_file(tmp_path / "speech.wav", "hello robot")
    async with (
        chromium(f"--use-file-for-fake-audio-capture={speech}") as browser,
        robot_and_agent(browser, tmp_path, audio=_SOUND, hearing=_HEARING) as (pi, page, agent),
        agent.listen(resource_subscriptions=[EVENTS]) as updates,
    ):
        hold = page.page.get_by_role("button", name="Hold to speak")
        await hold.hover()
        await page.page.mouse.down()
        await page.sees(page.page.locator(".video .note"), "Speak now")
        await expect(hold).to_have_attribute("aria-pressed", "true")
        await assert_accessible(page.page)
        async with asyncio.timeout(DEADLINE_S):
            while not (said := await heard(agent)):
                await anext(updates)
        assert said[0]["text"] == "hello robot"
        assert said[0]["by"].startswith("webrtc_client_")
        await page.sees(page.page.locator(".conversation li"), "hello robot")
        assert (await status(agent))["viewers_speak"] == "taken"
        assert len(pi.loudspeaker.played) < SAMPLE_RATE // 50, "the room hears it too"
        await page.page.mouse.up()

        async def floor_is_free() -> bool:
            return bool((await status(agent))["viewers_speak"] == "free")

        await eventually(floor_is_free, "nobody speaks any more")
        await page.page.get_by_role("button", name="Hold to speak", pressed=False).wait_for()

        # And by the keyboard, until somebody stops all sound.
        await hold.focus()
        await page.page.keyboard.down("Space")
        await page.page.get_by_role("button", name="Hold to speak", pressed=True).wait_for()
        await agent.call_tool("stop_all", {})
        await page.sees(page.page.locator(".video .note"), "Somebody has stopped all sound")
        await page.page.keyboard.up("Space")
        await eventually(floor_is_free, "nobody speaks any more")


async def test_a_word_that_is_said_at_the_press_is_heard_although_it_is_let_go_before_the_robot_takes_it(
    tmp_path: Path,
) -> None:
    """The microphone says it once, as soon as it is open; the session with the robot takes longer to begin."""
    speech = spoken_file(tmp_path / "speech.wav", "hello robot")
    async with (
        chromium(f"--use-file-for-fake-audio-capture={speech}%noloop") as browser,
        robot_and_agent(browser, tmp_path, audio=_SOUND, hearing=_HEARING) as (_, page, agent),
        agent.listen(resource_subscriptions=[EVENTS]) as updates,
    ):
        await page.page.evaluate(_DISTANT_ROBOT)
        await page.page.get_by_role("button", name="Hold to speak").hover()
        await page.page.mouse.down()
        await page.sees(page.page.locator(".video .note"), "Speak now")
        await page.page.wait_for_function(_HAS_SAID_IT)
        assert await page.page.get_by_role("button", name="Hold to speak", pressed=True).count() == 0, (
            "it is not taken yet"
        )
        await page.page.mouse.up()
        await page.page.evaluate("() => window.letIn()")
        async with asyncio.timeout(DEADLINE_S):
            while not (said := await heard(agent)):
                await anext(updates)
        assert [event["text"] for event in said] == ["hello robot"]

        async def floor_is_free() -> bool:
            return bool((await status(agent))["viewers_speak"] == "free")

        await eventually(floor_is_free, "the session without sound has followed")


async def test_talk_goes_out_when_somebody_stops_all_sound(tmp_path: Path) -> None:
    async with (
        chromium() as browser,
        robot_and_agent(browser, tmp_path, audio=_SOUND) as (_, page, agent),
    ):
        await expect(page.page.get_by_role("button", name="Hold to speak")).to_have_count(0)
        await page.button("Talk").click()
        await page.page.wait_for_selector("button[aria-pressed=true][aria-busy=false] >> text=Talk")
        await agent.call_tool("stop_all", {})
        await refused(page, "Somebody has stopped all sound at the robot.")
        await page.button("Talk").click()
        await page.page.wait_for_selector("button[aria-pressed=true][aria-busy=false] >> text=Talk")
