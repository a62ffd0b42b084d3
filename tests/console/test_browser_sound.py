"""Whoever talks to the page is heard by the robot, and hears it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from mcp import Client
from playwright.async_api import expect

from robot_node.core.media import SAMPLE_RATE
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Broker
from tests.console.browser import ConsolePage, visit
from tests.console.conftest import Site
from tests.console.test_conversation import events_of
from tests.end_to_end.robot_process import SERVER_ID, SERVER_NAME
from tests.sound import loudest_hz
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What Chromium's fake microphone hears.
_BEEP_HZ = 400
_BEEPS_EVERY_S = 0.5
ROOM_HZ = 440
"""What the robot's simulated microphone hears."""

_LOUDEST = """
async (element) => {
  const context = new AudioContext({sampleRate: 48000});
  const analyser = new AnalyserNode(context, {fftSize: 8192});
  context.createMediaStreamSource(document.querySelector(element).srcObject).connect(analyser);
  await context.resume();
  const levels = new Float32Array(analyser.frequencyBinCount);
  let best = 0;
  do {
    await new Promise((done) => setTimeout(done, 100));
    analyser.getFloatFrequencyData(levels);
    best = levels.indexOf(Math.max(...levels));
  } while (!(levels[best] > -50));
  await context.close();
  return best * 48000 / 8192;
}
"""


async def loudest_in(page: ConsolePage, element: str) -> float:
    """The frequency that is loudest in what an element of the page gets, in Hz; waits until there is sound."""
    found: float = await page.page.evaluate(_LOUDEST, element)
    return found


def beeps_at_s(samples: bytes) -> list[float]:
    """When each beep begins, in seconds."""
    every = SAMPLE_RATE // 100
    sound = np.abs(np.frombuffer(samples, np.int16).astype(float))
    loud = sound[: len(sound) // every * every].reshape(-1, every).mean(axis=1) > 1000
    return [float(at) / 100 for at in np.flatnonzero(loud[1:] & ~loud[:-1])]


def steady_beeps(samples: bytes) -> bool:
    """Whether three beeps are those of the microphone, one after the other; on a busy machine others may be cut."""
    gaps = [later - earlier for earlier, later in itertools.pairwise(beeps_at_s(samples))]
    steady = [gap == pytest.approx(_BEEPS_EVERY_S, abs=0.1) for gap in gaps]
    return any(one and next_one for one, next_one in itertools.pairwise(steady))


@pytest.mark.slow
async def test_who_presses_talk_is_heard_by_the_robot_and_who_presses_listen_hears_it(
    page: ConsolePage, site: Site, tmp_path: Path
) -> None:
    await page.camera.click()
    await page.moving_pictures()
    await expect(page.button("Talk")).to_have_attribute("aria-pressed", "false")
    assert site.said == b"", "heard without being asked"

    await page.button("Talk").click()
    await eventually(lambda: bool(beeps_at_s(site.said)), "a beep from the robot's loudspeaker")
    await page.moving_pictures()
    await expect(page.button("Talk")).to_have_attribute("aria-pressed", "true")

    async with visit(site.browser, site.address, tmp_path) as other:
        await other.moving_pictures()
        await other.button("Talk").click()
        await other.sees(other.page.get_by_role("status"), "Somebody else is talking to the robot.")
        await other.moving_pictures()
    goes_on = len(site.said)
    await eventually(lambda: steady_beeps(site.said[goes_on:]), "every beep from the robot's loudspeaker")
    assert loudest_hz(site.said) == pytest.approx(_BEEP_HZ, abs=20)

    await page.button("Listen").click()
    await page.page.wait_for_function("() => document.querySelector('video').srcObject.getAudioTracks().length > 0")
    assert await loudest_in(page, "video") == pytest.approx(ROOM_HZ, abs=20)

    # microphone off again: what comes then is silence, if anything
    await page.button("Talk").click()
    await page.page.get_by_role("button", name="Talk", pressed=False).wait_for()
    await page.moving_pictures()
    before = len(site.said)
    await page.moving_pictures(25)
    assert beeps_at_s(site.said[before:]) == []


@pytest.mark.slow
async def test_whoever_listens_and_talks_stays_one_visitor_of_the_robot(page: ConsolePage, site: Site) -> None:
    await page.camera.click()
    await page.moving_pictures()
    robot = mqtt_transport(Broker.from_url(site.broker.url), SERVER_ID, SERVER_NAME)
    async with Client(robot) as agent:

        async def visits() -> list[str]:
            return [event["text"] for event in await events_of(agent) if event["kind"] == "viewers"]

        before = await visits()
        assert before[-1] == "A viewer came: 1 now."
        await page.button("Listen").click()
        await page.page.wait_for_function("() => document.querySelector('video').srcObject.getAudioTracks().length > 0")
        await page.moving_pictures()
        already = len(site.said)
        await page.button("Talk").click()
        await eventually(lambda: bool(beeps_at_s(site.said[already:])), "a beep from the robot's loudspeaker")
        await page.moving_pictures()
        assert await visits() == before
