"""RTP header extensions of the robot's video: how to rotate it, which else the status says, and not to delay it."""

from __future__ import annotations

import json
import re
from typing import Any

from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, unpack_header_extensions

from robot_node.webrtc.header_extensions import ORIENTATION, PLAYOUT_DELAY
from robot_node.webrtc.signaling import Offer
from tests.waiting import eventually
from tests.webrtc.conftest import Robot
from tests.webrtc.peer import Peer, peer, with_candidates


class Extension(HeaderExtensionsMap):
    """What a receiver reads in the header extension with this id."""

    def __init__(self, extension_id: int) -> None:
        super().__init__()
        self._id = extension_id
        self.seen: list[bytes | None] = []

    def get(self, extension_profile: int, extension_value: bytes) -> HeaderExtensions:
        found = dict(unpack_header_extensions(extension_profile, extension_value))
        self.seen.append(found.get(self._id))
        return super().get(extension_profile, extension_value)


async def watch(viewer: Peer, uri: str = ORIENTATION, *, extension: bool) -> tuple[Extension, list[dict[str, Any]]]:
    """Watch with or without an extension in the offer; returns what the viewer hears in it, and of the status."""
    messages: list[dict[str, Any]] = []
    viewer.rtc.createDataChannel("status").on("message", lambda text: messages.append(json.loads(text)))
    sdp, candidates = await viewer.make_offer()
    (line, extension_id), *_ = re.findall(rf"(a=extmap:(\d+) {uri}\r\n)", sdp)
    heard = Extension(int(extension_id))
    viewer.rtc.getTransceivers()[0].receiver.transport._rtp_header_extensions_map = heard
    await viewer.send(Offer(with_candidates(sdp if extension else sdp.replace(line, ""), candidates)))
    answer = await viewer.take_answer()
    assert (line in answer) is extension
    await viewer.frame()
    return heard, messages


async def test_the_video_says_how_to_turn_it_to_a_viewer_that_understands(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        orientations, messages = await watch(viewer, extension=True)
        assert set(orientations.seen) == {None}, "a picture that is upright costs no byte"
        for rotation, byte in ((90, b"\1"), (270, b"\3"), (0, b"\0")):
            robot.scene.rotation = rotation
            await eventually(lambda expected=byte: orientations.seen[-1] == expected)  # type: ignore[misc]  # a default
        await viewer.frame()
        await eventually(lambda: bool(messages))
        assert not any("rotation" in message for message in messages)


async def test_the_status_says_it_to_one_that_does_not(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        orientations, messages = await watch(viewer, extension=False)
        robot.scene.rotation = 90
        await eventually(lambda: bool(messages) and messages[-1].get("rotation") == 90)
        robot.scene.rotation = 0
        await eventually(lambda: "rotation" not in messages[-1])
        assert set(orientations.seen) == {None}


async def test_a_viewer_that_understands_displays_each_frame_at_once(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        delays, _ = await watch(viewer, PLAYOUT_DELAY, extension=True)
        await viewer.frame()
        assert set(delays.seen) == {bytes(3)}
    async with peer(robot.broker) as viewer:
        delays, _ = await watch(viewer, PLAYOUT_DELAY, extension=False)
        assert set(delays.seen) == {None}
