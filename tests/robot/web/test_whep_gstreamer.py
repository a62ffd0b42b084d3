"""GStreamer's webrtcbin as a WHEP player of the robot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hw_mocks.clock_scene import read_stamp
from tests.robot.web.conftest import HttpServer
from tests.waiting import eventually
from tests.webrtc.gstreamer import gstreamer


@pytest.mark.slow
@pytest.mark.peer("GStreamer", works="WHEP: webrtcbin with one offer over HTTP, H.264 decoded; DELETE ends the session")
async def test_gstreamer_plays_until_it_deletes_its_session(streaming: HttpServer, tmp_path: Path) -> None:
    shown = tmp_path / "picture"
    await streaming.camera.start()
    async with gstreamer(f"{streaming.url}whep", "--picture", str(shown)) as player:
        frame = await player.told("frame")
        assert (frame["width"], frame["height"]) == (320, 240)
        grey = np.frombuffer(shown.read_bytes(), np.uint8).reshape(240, 320)
        assert read_stamp(grey) is not None
        assert streaming.state.snapshot.viewers == 1
        await player.finish()
        assert (await player.told("deleted"))["status"] == 200
    await eventually(lambda: streaming.state.snapshot.viewers == 0)
