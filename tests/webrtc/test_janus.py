"""The robot calls Janus, a media server of others, which passes its picture on."""

from __future__ import annotations

import asyncio

import av
import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import CallState
from robot_node.mqtt import Broker
from robot_node.webrtc.signaling import Offer
from tests.janus import running_janus
from tests.waiting import DEADLINE_S
from tests.webrtc.caller import calling_robot
from tests.webrtc.media_backend import media_backend
from tests.webrtc.scene import difference


@pytest.mark.peer("Janus", works="H.264 published to a VideoRoom, keyframe for a subscriber")
async def test_a_subscriber_of_janus_sees_what_the_robot_publishes_there(broker: PrivateBroker) -> None:
    async with (
        running_janus() as janus,
        media_backend(Broker.from_url(broker.url)) as backend,
        calling_robot(broker) as caller,
    ):
        offer = await backend.receive(Offer)
        publisher, answer = await janus.publish(offer.sdp)
        await backend.send_answer(answer)
        await publisher.happened("webrtcup")
        assert (await publisher.happened("media"))["receiving"]
        await caller.is_in(CallState.CONNECTED)
        async with janus.watching(publisher) as video:
            frame = await asyncio.wait_for(video.recv(), DEADLINE_S)
            assert isinstance(frame, av.VideoFrame)
            assert difference(frame) < 8
        await caller.control.hang_up()
        await publisher.happened("hangup")
