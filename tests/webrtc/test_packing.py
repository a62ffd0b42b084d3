"""Frames are cut into packets once for all viewers, and each viewer gets what aiortc itself would make of them."""

from __future__ import annotations

import os

import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensions, unpack_header_extensions

from robot_node.core.media import EncodedFrame
from robot_node.webrtc import header_extensions
from robot_node.webrtc.broadcast import EncodedPacket, Viewer
from robot_node.webrtc.packing import SharedPacking
from tests.webrtc.test_broadcast import Studio

START = b"\0\0\0\1"
PARAMETERS = START + b"\x67" + bytes(range(1, 20)) + START + b"\x68" + bytes(range(1, 9))
MID, SEND_TIME, DELAY, ORIENTATION = 1, 3, 5, 4


async def frames_of(studio: Studio, viewer: Viewer, count: int) -> list[EncodedPacket]:
    """The viewer takes frames that need several packets each, with parameter sets before them."""
    assert studio.source.sink is not None
    packets = []
    for number in range(count):
        data = PARAMETERS + START + b"\x65" + os.urandom(5_000).replace(b"\0", b"\1")
        studio.source.sink(EncodedFrame(data, True, 1_000_000 + number * 33_333))
        packets.append(await viewer.next_packet())
    return packets


async def test_what_one_sender_packed_is_what_the_others_send() -> None:
    studio = Studio()
    (packet,) = await frames_of(studio, studio.join(), 1)
    first, second = (SharedPacking(studio.broadcast).pack(packet) for _ in range(2))
    assert first is second
    assert first == H264Encoder().pack(packet)
    assert len(first[0]) > 3


async def test_no_more_frames_are_kept_than_a_viewer_may_be_behind_and_none_without_viewers() -> None:
    studio = Studio()
    viewer = studio.join()
    packing = SharedPacking(studio.broadcast)
    packets = await frames_of(studio, viewer, 9)
    made = [packing.pack(packet) for packet in packets]
    assert list(studio.broadcast.packed.values()) == made[-studio.broadcast.queue_frames :]
    assert packing.pack(packets[0]) == made[0], "a viewer that is far behind gets it all the same"
    viewer.leave()
    assert not studio.broadcast.packed


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("mid", ["0", "a name of more than sixteen bytes"], ids=["one byte", "two bytes"])
@pytest.mark.parametrize("delay", [True, False])
def test_each_header_has_all_extensions_that_the_receiver_knows(rotation: int, mid: str, delay: bool) -> None:
    known = {
        "urn:ietf:params:rtp-hdrext:sdes:mid": MID,
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time": SEND_TIME,
        header_extensions.ORIENTATION: ORIENTATION,
    }
    if delay:
        known[header_extensions.PLAYOUT_DELAY] = DELAY
    extensions = header_extensions.VideoExtensionsMap(lambda: rotation)
    extensions.configure(
        RTCRtpParameters(
            headerExtensions=[RTCRtpHeaderExtensionParameters(id=number, uri=uri) for uri, number in known.items()]
        )
    )
    expected = {MID: mid.encode(), SEND_TIME: b"\x12\x34\x56"}
    if delay:
        expected[DELAY] = bytes(3)
    if rotation:
        expected[ORIENTATION] = b"\1"
    packed = extensions.set(HeaderExtensions(mid=mid, abs_send_time=0x123456))
    assert dict(unpack_header_extensions(*packed)) == expected
    assert len(packed[1]) % 4 == 0
