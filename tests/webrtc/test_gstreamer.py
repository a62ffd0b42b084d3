"""GStreamer's webrtcbin watches the robot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.waiting import eventually
from tests.webrtc.conftest import Robot
from tests.webrtc.gstreamer import gstreamer
from tests.webrtc.scene import HEIGHT, WIDTH, picture, read_number


def asked(robot: Robot) -> int:
    """How many keyframes the only viewer has asked for."""
    (session,) = robot.statistics.snapshot().sessions
    return session.keyframes_asked


@pytest.mark.slow
@pytest.mark.peer(
    "GStreamer", works="H.264 over DTLS with its RSA certificate; data channel; keyframe on request (PLI)"
)
async def test_gstreamer_shows_the_picture(robot: Robot, tmp_path: Path) -> None:
    shown = tmp_path / "picture"
    options = ("--picture", str(shown), "--channel", "status")
    async with gstreamer(robot.broker, *options) as viewer:
        frame = await viewer.told("frame")
        assert (frame["width"], frame["height"]) == (WIDTH, HEIGHT)
        grey = np.frombuffer(shown.read_bytes(), np.uint8).reshape(HEIGHT, WIDTH)
        assert np.abs(grey.astype(int) - picture(read_number(grey)).astype(int)).mean() < 8
        assert '"camera"' in (await viewer.told("message"))["text"]
        assert robot.viewers == 1
        before = asked(robot)
        await viewer.request_keyframe()
        await eventually(lambda: asked(robot) > before, "the robot is asked for a keyframe")
    await robot.has_viewers(0)


@pytest.mark.slow  # packets must get lost
@pytest.mark.peer("GStreamer", works="lost packets are sent again (NACK, RTX)")
async def test_gstreamer_gets_lost_packets_again(robot: Robot) -> None:
    async with gstreamer(robot.broker, "--lose-every", "20") as viewer:
        assert "a=rtpmap:97 rtx/90000" in (await viewer.told("answer"))["sdp"]
        while (await viewer.told("frame"))["number"] < 200:
            pass
        await viewer.finish()
        told = await viewer.told("retransmission")
    assert told["lost"] > 0
    assert told["successes"] > 0  # not each: the repeated ones get lost as often, and the last ones are under way


@pytest.mark.slow  # the fast one with aiortc is in test_sections.py
@pytest.mark.peer("GStreamer", works="bundle-policy none: H.264 and data channel on two transports, sound rejected")
async def test_gstreamer_without_bundle_shows_the_picture(robot: Robot) -> None:
    options = ("--bundle", "none", "--codecs", "OPUS", "H264", "--channel", "status")
    async with gstreamer(robot.broker, *options) as viewer:
        assert "BUNDLE" not in (await viewer.told("offer"))["sdp"]
        answer = (await viewer.told("answer"))["sdp"]
        assert "BUNDLE" not in answer
        assert "m=audio 0 " in answer
        await viewer.told("frame")
        assert '"camera"' in (await viewer.told("message"))["text"]
