"""Whoever talks to the page is heard by the robot, and hears it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser

from robot_node.media import SAMPLE_RATE
from robot_node.private_broker import PrivateBroker
from tests.console.browser import ConsolePage, visit
from tests.end_to_end.footage import clip_path
from tests.end_to_end.robot_process import RobotProcess, eventually, wait_until_online
from tests.sound import loudest_hz

_RECORDING = "said.raw"
# What Chromium's fake microphone hears.
_BEEP_HZ = 400
_BEEPS_EVERY_S = 0.5
# What the robot's simulated microphone hears.
_ROOM_HZ = 440

_LOUDEST_IN_VIDEO = """
async () => {
  const context = new AudioContext({sampleRate: 48000});
  const analyser = new AnalyserNode(context, {fftSize: 8192});
  context.createMediaStreamSource(document.querySelector("video").srcObject).connect(analyser);
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


@pytest.fixture
async def robot(broker: PrivateBroker, tmp_path: Path) -> AsyncIterator[RobotProcess]:
    """A robot that is online, has microphone and loudspeaker, and lets people talk."""
    process = RobotProcess(
        broker,
        tmp_path,
        scene=str(clip_path()),
        settings={
            "ROBOT_NODE_CAMERA__WIDTH": "640",
            "ROBOT_NODE_CAMERA__HEIGHT": "272",
            "ROBOT_NODE_AUDIO__MICROPHONE": "default",
            "ROBOT_NODE_AUDIO__LOUDSPEAKER": "default",
            "ROBOT_NODE_AUDIO__VOLUME": "100",
            "ROBOT_NODE_AUDIO__VIEWER_MAY_SPEAK": "true",
            "ROBOT_NODE_SIMULATION__LOUDSPEAKER_RECORDING": str(tmp_path / _RECORDING),
        },
    )
    await process.start()
    try:
        await wait_until_online(broker)
        await eventually(lambda: "WebRTC connection" in process.log, "signalling is up")
        yield process
    finally:
        await process.kill()
        print(process.log)  # noqa: T201  # pytest shows it when the test failed


def said(robot: RobotProcess) -> bytes:
    """What the robot's loudspeaker has played so far, 16 bit."""
    return (robot.folder / _RECORDING).read_bytes()


def beeps_at_s(samples: bytes) -> list[float]:
    """When each beep begins, in seconds."""
    every = SAMPLE_RATE // 100
    sound = np.abs(np.frombuffer(samples, np.int16).astype(float))
    loud = sound[: len(sound) // every * every].reshape(-1, every).mean(axis=1) > 1000
    return [float(at) / 100 for at in np.flatnonzero(loud[1:] & ~loud[:-1])]


def steady_beeps(samples: bytes) -> bool:
    """Whether the last beeps are those of the microphone, one after the other."""
    beeps = beeps_at_s(samples)[-3:]
    gaps = [later - earlier for earlier, later in itertools.pairwise(beeps)]
    return len(beeps) == 3 and all(gap == pytest.approx(_BEEPS_EVERY_S, abs=0.1) for gap in gaps)


async def test_who_presses_talk_is_heard_by_the_robot_and_who_presses_listen_hears_it(
    page: ConsolePage, robot: RobotProcess, browser: Browser, address: str, tmp_path: Path
) -> None:
    await page.camera.click()
    await page.moving_pictures()
    assert await page.button("Talk").get_attribute("aria-pressed") == "false"
    assert said(robot) == b"", "heard without being asked"

    await page.button("Talk").click()
    await eventually(lambda: steady_beeps(said(robot)), "beeps from the robot's loudspeaker")
    assert loudest_hz(said(robot)) == pytest.approx(_BEEP_HZ, abs=20)
    await page.moving_pictures()
    assert await page.button("Talk").get_attribute("aria-pressed") == "true"

    async with visit(browser, address, tmp_path) as other:
        await other.moving_pictures()
        await other.button("Talk").click()
        await other.sees(other.page.get_by_role("status"), "The robot does not take your sound")
        await other.moving_pictures()
    await eventually(lambda: steady_beeps(said(robot)), "the first one is still heard")

    await page.button("Listen").click()
    await page.page.wait_for_function("() => document.querySelector('video').srcObject.getAudioTracks().length > 0")
    assert await page.page.evaluate(_LOUDEST_IN_VIDEO) == pytest.approx(_ROOM_HZ, abs=20)

    # microphone off again: what comes then is silence, if anything
    await page.button("Talk").click()
    await page.page.get_by_role("button", name="Talk", pressed=False).wait_for()
    await page.moving_pictures()
    before = len(said(robot))
    await page.moving_pictures(40)
    assert beeps_at_s(said(robot)[before:]) == []
